"""How well two boxes agree."""

from __future__ import annotations

from medft_bm.core.geometry import Box


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

    A ratio of areas: the same in pixels and in mm, however anisotropic the pixels are.
    """
    shared = intersection(a, b)
    return shared / (area(a) + area(b) - shared)
