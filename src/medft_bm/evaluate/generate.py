"""Ask every question, taking up where an earlier run stopped."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from medft_bm.evaluate.backends.base import Backend, BatchError, Rechecks
from medft_bm.evaluate.questions import Question
from medft_bm.evaluate.replies import Reply, ReplyFile
from medft_bm.evaluate.team import ALONE, Team
from medft_bm.progress import progress

log = logging.getLogger(__name__)

Key: TypeAlias = tuple[str, str]
"""Uid of a question, and its digest."""

LETTERS_PER_TOKEN = 4
"""Roughly, and only to find questions of like length."""


def generate_replies(
    backend: Backend, questions: Sequence[Question], *, out: Path, data: str, team: Team = ALONE
) -> list[Reply]:
    """The reply to every question, in their order; every batch is on disk before the next one starts.

    Longer questions are asked first and like ones together: little is padded, and what needs most memory comes when
    nothing is lost by it.

    Args:
        backend: who is asked.
        questions: what to ask.
        out: folder of ``replies.jsonl``; replies in it are taken over when they answer the same questions and were
            made under the same identity.
        data: name of the prepared data.
        team: the processes that share the questions; all of them call this, and all get all replies.

    Raises:
        MedftError: the backend cannot be asked.
        DataError: ``replies.jsonl`` holds a complete line that is no reply.
    """
    file = ReplyFile(out, {**backend.identity(), "data": data})
    keys = [(question.uid, question.digest) for question in questions]
    if team.first:
        _take_up(backend, questions, keys, file)
    team.wait()
    known = file.read()
    # Which questions are whose follows from what was on disk: nobody writes before everybody has read it.
    team.wait()
    left = [index for index, key in enumerate(keys) if key not in known]
    mine = team.share(sorted(left, key=lambda index: (-_length(questions[index]), index)))
    batches = [mine[start : start + backend.batch] for start in range(0, len(mine), backend.batch)]
    asked = _asked(backend, questions, keys, batches, file, team)
    known.update(progress(asked, "replies", len(mine)) if team.first else asked)
    return [known[key] for key in keys] if team.count == 1 else _of_all(file, keys, team)


def _take_up(backend: Backend, questions: Sequence[Question], keys: Sequence[Key], file: ReplyFile) -> None:
    """Make sure that the replies on disk are this backend's."""
    known = file.open()
    kept = [(question, known[key]) for question, key in zip(questions, keys, strict=True) if key in known]
    if kept and isinstance(backend, Rechecks) and not backend.still_says(kept):
        log.warning("the model says something else than in %s; asking it everything again", file.path)
        file.path.unlink()
    elif kept:
        log.info("%d of %d replies are there already", len(kept), len(keys))


def _asked(
    backend: Backend,
    questions: Sequence[Question],
    keys: Sequence[Key],
    batches: Sequence[Sequence[int]],
    file: ReplyFile,
    team: Team,
) -> Iterator[tuple[Key, Reply]]:
    """Replies with their keys, written to this process's file before they are given out."""
    for batch in batches:
        said = [keys[index] for index in batch]
        try:
            replies = backend.ask([questions[index] for index in batch])
        except BatchError as error:
            file.add(list(error.replies.values()), [said[place][1] for place in error.replies], team.index)
            raise error.reason from None
        file.add(replies, [digest for _, digest in said], team.index)
        yield from zip(said, replies, strict=True)


def _of_all(file: ReplyFile, keys: Sequence[Key], team: Team) -> list[Reply]:
    """The replies of all processes, when all are done."""
    team.wait()
    if team.first:
        file.open()
    team.wait()
    known = file.read()
    return [known[key] for key in keys]


def _length(question: Question) -> int:
    """About how many tokens a question is."""
    letters = len(question.prompt) + sum(len(shot.prompt) + len(shot.answer) for shot in question.shots)
    return question.image_tokens * (1 + len(question.shots)) + letters // LETTERS_PER_TOKEN
