"""Replies without a model, to try everything else: never a result."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medft_bm.config.evaluation import Fake
from medft_bm.evaluate.questions import Question
from medft_bm.evaluate.replies import Reply

NUMBER = re.compile(r"\d+(?:\.(\d+))?")
NONSENSE = ("", "I cannot tell.", "The image shows a structure.", "yes yes yes yes yes yes yes yes")
CONFIDENCE = 0.7
"""Probability of what it says among the answers of a closed list."""
BATCH = 64


@dataclass(frozen=True)
class FakeModel:
    """Says the reference answer, something near it, or nonsense, by the hash of the sample's uid.

    Attributes:
        answers: reference answer of every sample, by uid; to other questions it says nonsense.
        shares: of right and near answers.
    """

    answers: Mapping[str, str]
    shares: Fake

    @property
    def batch(self) -> int:
        """Any number would do."""
        return BATCH

    def identity(self) -> Mapping[str, Any]:
        """The shares, and what the replies are made from."""
        made_from = hashlib.sha256(repr(sorted(self.answers.items())).encode()).hexdigest()[:16]
        return {"backend": "fake", "answers": made_from, **self.shares.model_dump()}

    def ask(self, questions: Sequence[Question]) -> list[Reply]:
        """The made-up reply to every question; the same whenever it is asked."""
        return [self._reply(question) for question in questions]

    def about(self) -> Mapping[str, Any]:
        """That there is no model."""
        return {"fake": True, "model": "none", "device": "no device", "remarks": ["FAKE: every reply is made up"]}

    def _reply(self, question: Question) -> Reply:
        kind, degree = _draws(question.uid)
        answer = self.answers.get(question.uid)
        if answer is not None and kind < self.shares.right:
            text = answer
        elif answer is not None and kind < self.shares.right + self.shares.near:
            text = self._near(answer, question.candidates, degree)
        else:
            text = NONSENSE[int(degree * len(NONSENSE))]
        return Reply(question.uid, text, len(text.split()) + 1, True, _probabilities(text, question.candidates))

    def _near(self, answer: str, candidates: Sequence[str], degree: float) -> str:
        """Smaller numbers, by one factor, so that boxes keep their order; or another answer of those there are."""
        if NUMBER.search(answer) and answer not in candidates:  # a class such as "grade 2" is no number
            return NUMBER.sub(lambda number: _scaled(number, 1 - 0.2 * degree), answer)
        others = sorted(set(candidates or self.answers.values()) - {answer})
        return others[int(degree * len(others))] if others else ""


def _draws(uid: str) -> tuple[float, float]:
    """Two numbers from 0 to 1 that depend on nothing else."""
    digest = hashlib.sha256(f"fake {uid}".encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48, int.from_bytes(digest[6:12]) / 2**48


def _scaled(number: re.Match[str], factor: float) -> str:
    return f"{float(number[0]) * factor:.{len(number[1] or '')}f}"


def _probabilities(text: str, candidates: Sequence[str]) -> tuple[float, ...] | None:
    if not candidates:
        return None
    if text not in candidates:
        return (1 / len(candidates),) * len(candidates)
    rest = (1 - CONFIDENCE) / max(1, len(candidates) - 1)
    return tuple(CONFIDENCE if one == text else rest for one in candidates)
