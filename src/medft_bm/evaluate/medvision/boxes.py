"""The published detection tables: regions, and means over anatomy and over tumors and lesions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from medft_bm.core.types import Sample
from medft_bm.evaluate.medvision.groups import is_excluded, is_lesion, region
from medft_bm.evaluate.medvision.scores import Overlap, overlap, true_box
from medft_bm.evaluate.medvision.table import SAMPLE, Answers, Cell, Table, patients, percent, title_of, unknown_labels

SMALLEST_REGION = 50
"""Regions with fewer samples stay out of the published means."""
IOU_OVER = (0.5, 0.6, 0.7, 0.8, 0.9)
_COLUMNS = ("n", "patients", "recall %", "precision %", "F1 %", "IoU %", "SR %", *(f"IoU>{k} %" for k in IOU_OVER))
_NOTES = (
    SAMPLE,
    "Means of all samples of the regions that count. A reply without four numbers counts 0, as in the published "
    "summaries; where there are such replies, a row without them follows. F1 is the Dice coefficient of the two areas. "
    "IoU>k holds from k on.",
)
_Found: TypeAlias = Sequence[tuple[Sample, Overlap | None]]
_Regions: TypeAlias = Mapping[tuple[str, str], _Found]


@dataclass(frozen=True)
class Boxes:
    """Means over boxes, as shares.

    Attributes:
        overlap: recall, precision, F1 and IoU; see :class:`~medft_bm.evaluate.medvision_scores.Overlap`.
        success: replies with four numbers.
        over: boxes with an IoU of at least each of :data:`IOU_OVER`.
    """

    overlap: Overlap
    success: float
    over: tuple[float, ...]


def mean_boxes(found: Sequence[Overlap | None]) -> Boxes:
    """What boxes come to, those that could not be read with 0; ``found`` is not empty."""
    read = [one or Overlap(0.0, 0.0, 0.0, 0.0) for one in found]
    columns = np.array([(one.recall, one.precision, one.f1, one.iou) for one in read])
    over = (columns[:, 3:] >= IOU_OVER).mean(axis=0)
    success = sum(one is not None for one in found) / len(found)
    return Boxes(Overlap(*columns.mean(axis=0).tolist()), success, tuple(over.tolist()))


def detection_tables(scored: Answers) -> list[Table]:
    """Means over regions, where there are any that count, and every region."""
    regions: dict[tuple[str, str], list[tuple[Sample, Overlap | None]]] = {}
    for who, of in scored.items():
        for one in of:
            sample = one.item.sample
            found = overlap(one.reply.text, true_box(sample))
            regions.setdefault((region(sample.tags), who), []).append((sample, found))
    means = tuple(row for title, lesion in _KINDS for who in scored for row in _means(regions, who, title, lesion))
    single = tuple(
        (name, counted_as(name, len(regions[name, who])), title_of(who), *_cells(regions[name, who]))
        for name in sorted({name for name, _ in regions})
        for who in scored
        if (name, who) in regions
    )
    notes = (*_NOTES, *unknown_labels(scored), *_flipped(regions, scored))
    by_region = Table("MedVision detection by region", ("region", "counted as", "model", *_COLUMNS), single)
    if not means:
        return [replace(by_region, notes=(*notes, f"No region that counts has {SMALLEST_REGION} samples."))]
    return [Table("MedVision detection", ("regions", "model", *_COLUMNS), means, notes), by_region]


_KINDS = (("Anatomy", False), ("Tumor/Lesion", True))


def counted_as(name: str, n: int) -> str:
    """Which of the published means a region is part of, or why of none."""
    if is_excluded(name):
        return "not counted"
    if n < SMALLEST_REGION:
        return f"not counted: under {SMALLEST_REGION}"
    return "tumor/lesion" if is_lesion(name) else "anatomy"


def _means(regions: _Regions, who: str, title: str, lesion: bool) -> Iterator[tuple[Cell, ...]]:
    kind = "tumor/lesion" if lesion else "anatomy"
    counted = [of for (name, by), of in regions.items() if by == who and counted_as(name, len(of)) == kind]
    found = [one for of in counted for one in of]
    read = [one for one in found if one[1] is not None]
    if found:
        yield (f"{title}: {len(counted)}", title_of(who), *_cells(found))
    if read and len(read) < len(found):
        yield (f"{title}: {len(counted)}, of what was read", title_of(who), *_cells(read))


def _cells(found: _Found) -> tuple[Cell, ...]:
    mean = mean_boxes([one for _, one in found])
    of = mean.overlap
    shares = (of.recall, of.precision, of.f1, of.iou, mean.success, *mean.over)
    return (len(found), patients(sample for sample, _ in found), *map(percent, shares))


def _flipped(regions: _Regions, scored: Answers) -> Iterator[str]:
    """A note on boxes that would score more if their corners were sorted."""
    for who in scored:
        boxes = [one for (_, by), of in regions.items() if by == who for _, one in of]
        flipped = sum(one is not None and one.flipped for one in boxes)
        if flipped:
            yield f"{title_of(who)}: {flipped} of {len(boxes)} boxes have swapped corners and score 0, as published."
