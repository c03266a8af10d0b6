"""How good a box is: what tasks that answer with a box report."""

from __future__ import annotations

from medft_bm.core.geometry import Box, Spacing
from medft_bm.core.types import Metric
from medft_bm.metrics.boxes import (
    area,
    centre_error_mm,
    dice,
    edge_error_mm,
    intersection,
    iou,
    mean_over_thresholds,
)

BOX_METRICS = (
    Metric("iou"),
    Metric("iou_over_0.5"),
    Metric("iou_over_0.75"),
    Metric("iou_over_0.5_to_0.95"),
    Metric("dice"),
    Metric("precision"),
    Metric("recall"),
    Metric("centre_error", "mm", higher_is_better=False, unscored=None),
    Metric("edge_error", "mm", higher_is_better=False, unscored=None),
)
OVERLAPS = tuple(metric.name for metric in BOX_METRICS if not metric.unit)


def box_scores(box: Box, truth: Box, spacing: Spacing | None) -> dict[str, float]:
    """Values of :data:`BOX_METRICS`; errors in mm are left out where the pixel size is unknown.

    Args:
        box: predicted, in continuous pixels.
        truth: likewise, of the same image.
        spacing: mm per pixel of that image.
    """
    overlap, shared = iou(box, truth), intersection(box, truth)
    values = {
        "iou": overlap,
        "iou_over_0.5": float(overlap >= 0.5),
        "iou_over_0.75": float(overlap >= 0.75),
        "iou_over_0.5_to_0.95": mean_over_thresholds(overlap),
        "dice": dice(box, truth),
        "precision": shared / area(box),
        "recall": shared / area(truth),
    }
    if spacing is not None:
        values["centre_error"] = centre_error_mm(box, truth, spacing)
        values["edge_error"] = edge_error_mm(box, truth, spacing)
    return values
