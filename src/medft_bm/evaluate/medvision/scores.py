"""What one reply is worth by MedVision's published definitions, inconsistencies included.

Definitions of the tables in arXiv 2511.18676, v1 (annotations 1.0.0); ``docs/medvision.md`` lists them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medft_bm.core.types import Sample
from medft_bm.tasks.reading.published import last_numbers
from medft_bm.tasks.reading.refusal import Refusal

_TINY = 1e-15  # added to the true value before dividing by it, as published


@dataclass(frozen=True)
class Overlap:
    """One box against the true one, by areas.

    Attributes:
        recall: common area by true area.
        precision: common area by predicted area.
        f1: Dice of the two areas, which the published tables call F1; no detection F1.
        iou: intersection over union.
        flipped: a coordinate of the second corner lies before that of the first, which scores 0 as published.
    """

    recall: float
    precision: float
    f1: float
    iou: float
    flipped: bool = False


@dataclass(frozen=True)
class Gap:
    """One answer against the truth, means over its numbers: two axes, or one distance or angle.

    Attributes:
        absolute: error in mm or degrees.
        relative: error by true value.
    """

    absolute: float
    relative: float


def true_box(sample: Sample) -> tuple[float, float, float, float]:
    """``x1, y1, x2, y2`` as fractions from the lower-left corner, between first and last *index* of the structure."""
    y0, x0, y1, x1 = sample.truth["box"]
    h, w = sample.size.h, sample.size.w
    return x0 / w, (h - y1) / h, x1 / w, (h - y0) / h


def true_values(sample: Sample) -> tuple[float, ...]:
    """Major and minor axis in mm, or the one distance or angle, as the plan states them."""
    if "stated" in sample.truth:
        return (float(sample.truth["stated"]),)
    return float(sample.truth["major_mm"]), float(sample.truth["minor_mm"])


def overlap(reply: str, truth: Sequence[float]) -> Overlap | None:
    """Score the last four numbers of a reply as a box; ``None`` when it cannot be read.

    Corners are neither sorted nor clipped.

    Args:
        reply: whole text.
        truth: ``x1, y1, x2, y2``.
    """
    said = _single(reply, 4)
    if said is None:
        return None
    (px1, py1, px2, py2), (tx1, ty1, tx2, ty2) = said, truth
    width, height = min(px2, tx2) - max(px1, tx1), min(py2, ty2) - max(py1, ty1)
    if not (width > 0 and height > 0):
        return Overlap(0.0, 0.0, 0.0, 0.0, flipped=px1 > px2 or py1 > py2)
    common, predicted, true = width * height, (px2 - px1) * (py2 - py1), (tx2 - tx1) * (ty2 - ty1)
    return Overlap(
        recall=common / true,
        precision=common / predicted,
        f1=2 * common / (predicted + true),
        iou=common / (predicted + true - common),
    )


def gap(reply: str, truth: Sequence[float]) -> Gap | None:
    """Score the last numbers of a reply, as many as there are true values; ``None`` when it cannot be read.

    Args:
        reply: whole text.
        truth: in mm or degrees; the order counts.
    """
    said = _single(reply, len(truth))
    if said is None:
        return None
    apart = [abs(one - true) for one, true in zip(said, truth, strict=True)]
    relative = [error / (true + _TINY) for error, true in zip(apart, truth, strict=True)]
    return Gap(sum(apart) / len(truth), sum(relative) / len(truth))


def _single(reply: str, count: int) -> tuple[float, ...] | None:
    """The last numbers; ``None`` when there are fewer, or one beyond single precision."""
    said = last_numbers(reply, count)
    return None if isinstance(said, Refusal) else said
