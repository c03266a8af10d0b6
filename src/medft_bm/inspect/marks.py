"""The truth as lines of an SVG over a picture, in the pixels of that picture."""

from __future__ import annotations

from dataclasses import dataclass

from medft_bm.core.geometry import PixelMap
from medft_bm.core.types import Sample
from medft_bm.evaluate.report.marks import scale_bar_mm, truth_marks


@dataclass(frozen=True)
class Lines:
    """What to draw on a picture of ``h`` x ``w`` pixels.

    Attributes:
        h: height of the picture.
        w: width of the picture.
        paths: SVG path data, one per line of the truth.
        dots: (x, y) of landmarks.
        bar_mm: length of a horizontal scale bar; 0 where the pixel size is unknown.
        bar: the same in per cent of the width.
    """

    h: int
    w: int
    paths: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]
    bar_mm: float
    bar: float


def lines_on(sample: Sample, there: PixelMap) -> Lines:
    """The truth of a sample on an image its slice was mapped to.

    Args:
        sample: with its truth in slice pixels.
        there: from the slice to that image; ``PixelMap.identity`` for the slice itself.
    """
    marks = [(mark, there.points(mark.yx).tolist()) for mark in truth_marks(sample)]
    paths = tuple(
        "M" + "L".join(f"{x:.2f} {y:.2f}" for y, x in points) + ("Z" if mark.closed else "") for mark, points in marks
    )
    dots = tuple((round(x, 2), round(y, 2)) for mark, points in marks if mark.dots for y, x in points)
    width_mm = sample.size.w * sample.spacing.x if sample.spacing else 0.0
    bar_mm = scale_bar_mm(width_mm) if width_mm else 0.0
    return Lines(there.dst.h, there.dst.w, paths, dots, bar_mm, 100 * bar_mm / width_mm if width_mm else 0.0)
