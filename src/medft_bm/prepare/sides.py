"""Whether a question is about a side of the patient, which a mirrored image would make wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence

from medft_bm.prepare.dataset import Item

# A corner that positions are counted from is a convention, not a side of the patient.
_CORNER = re.compile(r"\b(?:top|bottom|upper|lower)-(?:left|right)\b", re.IGNORECASE)


def names_a_side(item: Item, words: Sequence[str]) -> bool:
    """Whether label, tags, question or answer have a word that begins with one of ``words``."""
    if not words:
        return False
    sides = re.compile(rf"(?<![^\W\d_])(?:{'|'.join(map(re.escape, words))})", re.IGNORECASE)
    facts = f"{dict(item.sample.truth)} {dict(item.sample.tags)} {item.answer_text}"
    return bool(sides.search(facts) or sides.search(_CORNER.sub("", item.prompt_text)))
