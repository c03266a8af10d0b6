"""A sequence of tokens as text, piece by piece, with what carries loss told apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal, TypeAlias

from medft_bm.train.loss import IGNORED

Kind: TypeAlias = Literal["prompt", "image", "loss"]

MOST_BYTES = 4
"""Tokens that one character can be cut into, where a tokenizer falls back to bytes."""
CUT = "\N{REPLACEMENT CHARACTER}"
"""What decoding puts where a character is not complete."""
SIGNS = {" ": "·", "\n": "↵\n", "\t": "⇥"}


@dataclass(frozen=True)
class Piece:
    """A token, or several that only together are a character, or all placeholders of an image.

    Attributes:
        text: that it adds.
        kind: ``loss`` for what has a label; else a placeholder of an image or any other text.
        tokens: how many.
        special: whether it is a mark of the chat template and no text.
    """

    text: str
    kind: Kind
    tokens: int
    special: bool = False

    @property
    def visible(self) -> str:
        """The text with signs for white space."""
        return "".join(SIGNS.get(letter, letter) for letter in self.text)


def pieces(tokenizer: Any, ids: Sequence[int], labels: Sequence[int], image: int) -> list[Piece]:
    """Every token of one sequence, in order.

    Args:
        tokenizer: of the checkpoint.
        ids: tokens, without padding.
        labels: of each, as the loss sees them.
        image: the token that stands for a piece of the image.
    """
    made: list[Piece] = []
    before: list[int] = []
    kinds = [_kind(token, label, image) for token, label in zip(ids, labels, strict=True)]
    for kind, run in groupby(zip(kinds, ids, strict=True), key=lambda pair: pair[0]):
        members = [token for _, token in run]
        if kind == "image":
            made.append(Piece("", kind, len(members)))
        else:
            made += _words(tokenizer, members, kind, before)
        before = members[-MOST_BYTES:]
    return made


def _kind(token: int, label: int, image: int) -> Kind:
    if label != IGNORED:
        return "loss"
    return "image" if token == image else "prompt"


def _words(tokenizer: Any, ids: Sequence[int], kind: Kind, before: Sequence[int]) -> Iterator[Piece]:
    """Pieces of a run; ``before`` are the tokens in front of it, because some begin with a space only inside text."""
    special, waiting = set(tokenizer.all_special_ids), list[int]()
    for place, token in enumerate(ids):
        waiting.append(token)
        text = _added(tokenizer, before, waiting)
        if text.endswith(CUT) and len(waiting) < MOST_BYTES and place + 1 < len(ids):
            continue
        yield Piece(text, kind, len(waiting), token in special)
        before, waiting = waiting, []


def _added(tokenizer: Any, before: Sequence[int], ids: Sequence[int]) -> str:
    start, whole = (_decoded(tokenizer, part) for part in (before, [*before, *ids]))
    return whole[len(start) :] if whole.startswith(start) else _decoded(tokenizer, ids)


def _decoded(tokenizer: Any, ids: Sequence[int]) -> str:
    text: str = tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return text
