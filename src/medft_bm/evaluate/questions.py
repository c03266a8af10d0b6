"""What a model is asked: a picture and a text, and what is said before them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from PIL import Image

from medft_bm.prepare.dataset import Item
from medft_bm.tasks.base import ClosedSet

Picture: TypeAlias = Callable[[], Image.Image]
"""Gives the image in RGB, before the model's processor; decoded on each call."""


@dataclass(frozen=True)
class Shot:
    """An example that is shown, with its answer, before the question.

    Attributes:
        uid: of the sample it is.
        prompt: the question.
        picture: the image.
        answer: the reference answer.
    """

    uid: str
    prompt: str
    picture: Picture
    answer: str


@dataclass(frozen=True)
class Question:
    """One question to a model.

    Attributes:
        uid: of the sample.
        prompt: the question, byte for byte the one trained on unless a probe changed it.
        picture: the image.
        shots: examples, in the order in which they are shown.
        system: what is said before everything; empty says nothing.
        candidates: the answers of a closed set, whose probabilities are wanted; empty wants none.
        probe: what was done to the question; empty for the question as it is.
        image_tokens: of the model asked, for the image of the question and about as many for that of every shot; what
            is about equally long is asked together.
    """

    uid: str
    prompt: str
    picture: Picture
    shots: tuple[Shot, ...] = ()
    system: str = ""
    candidates: tuple[str, ...] = ()
    probe: str = ""
    image_tokens: int = 0

    @property
    def digest(self) -> str:
        """16 hex digits of everything said and shown: a reply to another wording is no reply to this question."""
        shown = [(shot.uid, shot.prompt, shot.answer) for shot in self.shots]
        asked = [self.prompt, shown, self.system, self.candidates, self.probe]
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]


def question_of(item: Item) -> Question:
    """The plain question of a prepared row."""
    return Question(item.uid, item.prompt_text, lambda: item.image, image_tokens=item.view.image_tokens)


def shot_of(item: Item) -> Shot:
    """A prepared row as an example, its answer in terms of what the model sees of its own image."""
    return Shot(item.uid, item.prompt_text, lambda: item.image, item.answer_text)


def candidates_of(item: Item) -> tuple[str, ...]:
    """Every answer that a prepared row can have; none where they are not known beforehand."""
    task = item.task
    return tuple(task.candidates(item.sample, item.view)) if isinstance(task, ClosedSet) else ()
