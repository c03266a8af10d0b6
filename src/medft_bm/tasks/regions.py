"""Which part of a labelled region a question is about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from medft_bm.core.records import Record, Region, Skip

Components: TypeAlias = Literal["single", "largest", "union"]
"""``single``: skip a slice that shows the label in several pieces; ``largest``: ask about the largest piece;
``union``: ask about all pieces together."""

_DIAGONALS_TOUCH = np.ones((3, 3))


def regions(record: Record, labels: tuple[str, ...], rule: Components, skip: Skip) -> Iterator[Region]:
    """The record's regions of these labels (all when empty), each reduced by ``rule``."""
    for region in record.annotations:
        if not isinstance(region, Region) or (labels and region.label not in labels):
            continue
        mask = _reduce(region.mask, rule)
        if mask is None:
            skip(f"{describe(record)} {region.label}", "several separate pieces on one slice")
        else:
            yield Region(region.label, mask)


def describe(record: Record) -> str:
    """Where a record is from, for messages."""
    image = record.image
    return image.path if image.index is None else f"{image.path}[axis {image.axis}, slice {image.index}]"


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
