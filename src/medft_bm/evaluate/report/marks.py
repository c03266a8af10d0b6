"""What to draw for a truth or a prediction, as lines in slice pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medft_bm.core.geometry import Box, Size, Spacing, angle_deg
from medft_bm.core.types import Sample

Line = NDArray[np.float64]
_BESIDE = 0.025  # of the image's diagonal: how far a predicted length is drawn from the true one


@dataclass(frozen=True)
class Mark:
    """A line through points.

    Attributes:
        yx: ``(n, 2)`` continuous slice pixels.
        closed: whether the last point joins the first.
        dots: whether its points are marked, as landmarks are.
    """

    yx: Line
    closed: bool = False
    dots: bool = False


def truth_marks(sample: Sample) -> list[Mark]:
    """What the truth looks like on the slice; empty for a class, lengths without a place, and truths of other shape."""
    truth = sample.truth
    if "box" in truth:
        return [box_mark(truth["box"])]
    if "major" in truth and "minor" in truth:
        return [Mark(np.array(truth[axis], np.float64)) for axis in ("major", "minor")]
    if "points" in truth and "lines" in truth:
        return [Mark(line, dots=True) for line in _lines(sample)]
    return []


def predicted_marks(sample: Sample, predicted: Any) -> list[Mark]:
    """What a prediction looks like on the slice.

    A predicted length has no place of its own: it is drawn beside the true line, along it and from its middle. A
    predicted angle turns the second line about its middle, away from the first.

    Args:
        sample: the question.
        predicted: as in :class:`~medft_bm.core.types.Score`; ``None`` draws nothing.
    """
    truth, spacing = sample.truth, sample.spacing
    if predicted is None:
        return []
    if "box" in truth:
        return [box_mark(predicted)]
    if spacing is None:
        return []
    beside = _BESIDE * math.hypot(sample.size.h * spacing.y, sample.size.w * spacing.x)
    if "major" in truth and "minor" in truth:
        axes = (np.array(truth[axis], np.float64) for axis in ("major", "minor"))
        return [Mark(_beside(a, length, spacing, beside)) for a, length in zip(axes, predicted, strict=True)]
    if truth.get("kind") == "distance":
        return [Mark(_beside(_lines(sample)[0], float(predicted), spacing, beside))]
    if truth.get("kind") == "angle":
        return [Mark(_turned(sample, float(predicted), spacing))]
    return []


def scale_bar_mm(width_mm: float) -> float:
    """A round length (1, 2 or 5 times a power of ten) of at most a quarter of the image's width, in mm."""
    most = width_mm / 4
    power = 10.0 ** math.floor(math.log10(most))
    return max(step * power for step in (1, 2, 5) if step * power <= most * (1 + 1e-9))


def shown_size(size: Size, spacing: Spacing | None, long_side: int) -> Size:
    """Size in square pixels that shows a slice in its true proportions, its longer side ``long_side``."""
    step = spacing or Spacing(1.0, 1.0)
    height, width = size.h * step.y, size.w * step.x
    scale = long_side / max(height, width)
    return Size(max(1, round(height * scale)), max(1, round(width * scale)))


def box_mark(corners: Sequence[float]) -> Mark:
    """The outline of a box.

    Args:
        corners: y0, x0, y1, x1 in continuous pixels.

    Raises:
        GeometryError: it has no area.
    """
    box = Box(*(float(value) for value in corners))
    return Mark(np.array([[box.y0, box.x0], [box.y0, box.x1], [box.y1, box.x1], [box.y1, box.x0]]), closed=True)


def _lines(sample: Sample) -> list[Line]:
    points = sample.truth["points"]
    return [np.array([points[name] for name in line], np.float64) for line in sample.truth["lines"]]


def _beside(ends: Line, length_mm: float, spacing: Spacing, offset_mm: float) -> Line:
    step = np.array([spacing.y, spacing.x])
    a, b = ends * step
    along = (b - a) / np.linalg.norm(b - a)
    middle = (a + b) / 2 + offset_mm * np.array([along[1], -along[0]])
    ends_mm = np.stack([middle - along * length_mm / 2, middle + along * length_mm / 2])
    ends_px: Line = ends_mm / step
    return ends_px


def _turned(sample: Sample, degrees: float, spacing: Spacing) -> Line:
    """The second line, turned about its middle until its angle to the first is ``degrees``."""
    first, second = _lines(sample)
    directed = bool(sample.truth.get("directed"))
    off_by = math.radians(degrees - angle_deg(first, second, spacing, directed=directed))
    turns = [_rotated(second, sign * off_by, spacing) for sign in (1, -1)]
    # One of the two ways widens the angle and the other narrows it.
    return min(turns, key=lambda line: abs(angle_deg(first, line, spacing, directed=directed) - degrees))


def _rotated(ends: Line, radians: float, spacing: Spacing) -> Line:
    step = np.array([spacing.y, spacing.x])
    middle = (ends * step).mean(axis=0)
    cosine, sine = math.cos(radians), math.sin(radians)
    turned: Line = ((ends * step - middle) @ np.array([[cosine, sine], [-sine, cosine]]) + middle) / step
    return turned
