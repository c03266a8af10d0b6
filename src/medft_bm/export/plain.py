"""Plain JSONL: everything there is to know of a row, for tools that are not known here."""

from __future__ import annotations

import json

from medft_bm.core.types import SPLITS
from medft_bm.export.base import Facts, Format, Row
from medft_bm.export.draft import Draft
from medft_bm.export.wording import readme
from medft_bm.models.chat import answer_messages, prompt_messages

BODY = """
One line is one question with its reference answer; `docs/export.md` of medft_bm explains the fields. `messages` is what
`processor.apply_chat_template` takes; `image` is a path from this folder. Train on `train.jsonl` only.

Replies made elsewhere belong to their questions by `uid`: keep it, and keep the text of the prompt as it is.
"""


def write(draft: Draft) -> None:
    """One file per split."""
    parts = draft.export.prepared.parts

    def line(row: Row) -> Facts:
        sample, part = json.loads(row.sample), parts[row.part]
        return {
            "uid": row.uid,
            "split": sample["split"],
            "part": part.name,
            "task": part.task.name,
            "unit": part.task.unit,
            "subject": row.subject,
            "image": row.image,
            "messages": [*prompt_messages(row.prompt), *answer_messages(row.answer)],
            **{name: sample[name] for name in ("size", "spacing", "truth", "tags")},
            "view": json.loads(row.view),
        }

    for split in SPLITS:
        draft.write_lines(split, line)
    draft.write("README.md", readme(draft, "Questions about medical images", BODY, SEEN))


SEEN = "Check it with your tool: field `view` has the size that every image must have after its processor."

FORMAT = Format(name="jsonl", reader="a JSONL reader", needs=None, write=write)
