"""Ask every question, taking up where an earlier run stopped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medft_bm.evaluate.backends.base import Backend
from medft_bm.evaluate.questions import Question
from medft_bm.evaluate.replies import Reply, ReplyFile
from medft_bm.progress import progress


def generate_replies(backend: Backend, questions: Sequence[Question], *, out: Path, data: str) -> list[Reply]:
    """The reply to every question, in their order; every batch is on disk before the next one starts.

    Args:
        backend: who is asked.
        questions: what to ask.
        out: folder of ``replies.jsonl``; replies in it are taken over when they answer the same questions and were
            made under the same identity.
        data: name of the prepared data.

    Raises:
        MedftError: the backend cannot be asked.
        DataError: ``replies.jsonl`` holds a complete line that is no reply.
    """
    file = ReplyFile(out, {**backend.identity(), "data": data})
    known = file.open()
    keys = [(question.uid, question.digest) for question in questions]
    left = [index for index, key in enumerate(keys) if key not in known]
    groups = [left[start : start + backend.batch] for start in range(0, len(left), backend.batch)]
    for group in progress(groups, f"replies ({len(left)} of {len(questions)} to go)", len(groups)):
        replies = backend.ask([questions[index] for index in group])
        asked = [keys[index] for index in group]
        file.add(replies, [digest for _, digest in asked])
        known.update(zip(asked, replies, strict=True))
    return [known[key] for key in keys]
