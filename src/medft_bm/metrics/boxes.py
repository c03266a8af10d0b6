"""How well two boxes agree: shares of area, and distances in mm."""

from __future__ import annotations

from bisect import bisect_right

from medft_bm.core.geometry import Box, Spacing, length_mm

THRESHOLDS = tuple((50 + 5 * step) / 100 for step in range(10))
"""IoU from 0.5 to 0.95 in steps of 0.05, as COCO averages over (Lin et al., ECCV 2014)."""


def area(box: Box) -> float:
    """Area in square pixels of the grid the box belongs to."""
    return (box.y1 - box.y0) * (box.x1 - box.x0)


def intersection(a: Box, b: Box) -> float:
    """Area two boxes of one grid share, in square pixels; 0 when they only touch or lie apart."""
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    return max(height, 0.0) * max(width, 0.0)


def iou(a: Box, b: Box) -> float:
    """Intersection over union (Jaccard index) of two boxes of one grid, 0..1.

    A ratio of areas: the same in pixels and in mm, however anisotropic the pixels are. Everingham et al. 2010, "The
    PASCAL visual object classes challenge", IJCV 88(2).
    """
    shared = intersection(a, b)
    return shared / (area(a) + area(b) - shared)


def dice(a: Box, b: Box) -> float:
    """Twice the shared area over the sum of both areas, 0..1: the F1 score of the pixels in the boxes.

    Dice 1945, "Measures of the amount of ecologic association between species", Ecology 26(3).
    """
    return 2 * intersection(a, b) / (area(a) + area(b))


def mean_over_thresholds(overlap: float) -> float:
    """Share of :data:`THRESHOLDS` that an IoU reaches (Lin et al. 2014, "Microsoft COCO", ECCV, average over IoU)."""
    return bisect_right(THRESHOLDS, overlap) / len(THRESHOLDS)


def centre_error_mm(a: Box, b: Box, spacing: Spacing) -> float:
    """Distance between the centres of two boxes of one grid, in mm.

    Args:
        a: in continuous pixels.
        b: likewise.
        spacing: mm per pixel of their grid.
    """
    centres = [((box.y0 + box.y1) / 2, (box.x0 + box.x1) / 2) for box in (a, b)]
    return length_mm(centres, spacing)


def edge_error_mm(a: Box, b: Box, spacing: Spacing) -> float:
    """Mean distance between the four pairs of edges of two boxes of one grid, in mm (see :func:`centre_error_mm`)."""
    height = abs(a.y0 - b.y0) * spacing.y, abs(a.y1 - b.y1) * spacing.y
    width = abs(a.x0 - b.x0) * spacing.x, abs(a.x1 - b.x1) * spacing.x
    return (height[0] + width[0] + height[1] + width[1]) / 4
