"""Which piece of a labelled structure a question is about, of a mask or of what is stated without one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from medft_bm.core.geometry import Box
from medft_bm.core.records import AxesLabel, BoxLabel, Record, Region, Skip

Components: TypeAlias = Literal["single", "largest", "union"]
"""``single``: skip a slice that shows the label in several pieces; ``largest``: ask about the largest piece;
``union``: ask about all pieces together."""

SEVERAL = "several separate pieces on one slice"

_DIAGONALS_TOUCH = np.ones((3, 3))

_Piece = TypeVar("_Piece", BoxLabel, AxesLabel)


def regions(record: Record, labels: tuple[str, ...], rule: Components, skip: Skip) -> Iterator[Region]:
    """The record's regions of these labels (all when empty), each reduced by ``rule``."""
    for region in record.annotations:
        if not isinstance(region, Region) or (labels and region.label not in labels):
            continue
        mask = _reduce(region.mask, rule)
        if mask is None:
            skip(f"{describe(record)} {region.label}", SEVERAL)
        else:
            yield Region(region.label, mask)


def boxes(record: Record, labels: tuple[str, ...], rule: Components, skip: Skip) -> Iterator[tuple[str, Box]]:
    """Label and box of every region and every stated box of these labels (all when empty), reduced by ``rule``.

    Of stated boxes the largest is the one that covers most pixels, and the union the smallest box around all.
    """
    for region in regions(record, labels, rule, skip):
        yield region.label, Box.of_mask(region.mask)
    for label, pieces in _stated(record, BoxLabel, labels).items():
        if len(pieces) == 1:
            yield label, pieces[0].box
        elif rule == "single":
            skip(f"{describe(record)} {label}", SEVERAL)
        elif rule == "largest":
            yield label, max((piece.box for piece in pieces), key=lambda box: (box.y1 - box.y0) * (box.x1 - box.x0))
        else:
            yield label, Box.around(np.concatenate([piece.box.corners for piece in pieces]))


def stated_axes(record: Record, labels: tuple[str, ...], rule: Components, skip: Skip) -> Iterator[AxesLabel]:
    """The record's stated axes of these labels (all when empty), reduced by ``rule``; lengths have no union."""
    for label, pieces in _stated(record, AxesLabel, labels).items():
        if len(pieces) == 1 or rule == "largest":
            yield max(pieces, key=lambda piece: piece.major_mm * piece.minor_mm)
        else:
            skip(f"{describe(record)} {label}", SEVERAL)


def describe(record: Record) -> str:
    """Where a record is from, for messages."""
    image = record.image
    return image.path if image.index is None else f"{image.path}[axis {image.axis}, slice {image.index}]"


def _stated(record: Record, kind: type[_Piece], labels: tuple[str, ...]) -> dict[str, list[_Piece]]:
    """Stated pieces by label, in the record's order."""
    found: dict[str, list[_Piece]] = {}
    for piece in record.annotations:
        if isinstance(piece, kind) and (not labels or piece.label in labels):
            found.setdefault(piece.label, []).append(piece)
    return found


def _reduce(mask: NDArray[np.bool_], rule: Components) -> NDArray[np.bool_] | None:
    if rule == "union":
        return mask
    from scipy import ndimage

    pieces, count = ndimage.label(mask, structure=_DIAGONALS_TOUCH)
    if count <= 1:
        return mask
    if rule == "single":
        return None
    sizes: NDArray[Any] = np.bincount(pieces.ravel())[1:]
    return np.asarray(pieces == 1 + int(np.argmax(sizes)), np.bool_)
