"""What can be counted on every row, column by column, without decoding an image or a sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from medft_bm.core.types import SPLITS, Split
from medft_bm.prepare.arrow import columns

if TYPE_CHECKING:
    from medft_bm.prepare.dataset import Prepared

KEYS = ("uid", "part", "subject", "image")


@dataclass(frozen=True)
class Overlap:
    """What more than one split holds; nothing should be here.

    Attributes:
        subjects: hashes of subjects.
        images: how many pictures.
    """

    subjects: list[str]
    images: int

    @property
    def none(self) -> bool:
        """Whether the splits are apart."""
        return not (self.subjects or self.images)


@dataclass(frozen=True)
class Share:
    """How much of one split a part of the mix is.

    Attributes:
        part: name.
        split: of its rows.
        rows: as they are trained on or asked, with repetitions.
        questions: distinct ones.
        share: of all rows of the split.
        images: distinct ones.
        subjects: distinct ones.
        images_per_subject: fewest, median and most.
    """

    part: str
    split: Split
    rows: int
    questions: int
    share: float
    images: int
    subjects: int
    images_per_subject: tuple[int, float, int]


def overlap(prepared: Prepared) -> Overlap:
    """Subjects and pictures that are in more than one split, over all rows."""
    subjects, images = _twice(prepared, "subject"), _twice(prepared, "image")
    return Overlap(sorted(subjects), len(images))


def shares(prepared: Prepared) -> list[Share]:
    """Every part in every split, in that order."""
    found = []
    for split in SPLITS:
        rows = prepared.rows(split)
        if len(rows):
            table = columns(rows, *KEYS)
            found += [_share(part.name, split, number, table) for number, part in enumerate(prepared.parts)]
    return [share for share in found if share.rows]


def _share(name: str, split: Split, number: int, table: Any) -> Share:
    import pyarrow.compute as pc

    mine = table.filter(pc.equal(table["part"], number))
    counted = mine.group_by("subject").aggregate([("image", "count_distinct")])["image_count_distinct"].to_numpy()
    each = (int(counted.min()), float(np.median(counted)), int(counted.max())) if len(counted) else (0, 0.0, 0)
    questions, images = (pc.count_distinct(mine[column]).as_py() for column in ("uid", "image"))
    return Share(name, split, len(mine), questions, len(mine) / len(table), images, len(counted), each)


def _twice(prepared: Prepared, column: str) -> set[Any]:
    seen: set[Any] = set()
    twice: set[Any] = set()
    for split in SPLITS:
        rows = prepared.rows(split)
        here = set(columns(rows, column)[column].unique().to_pylist()) if len(rows) else set()
        twice |= seen & here
        seen |= here
    return twice
