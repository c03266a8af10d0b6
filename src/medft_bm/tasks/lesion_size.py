"""How large is the lesion? Answered with its two axes in millimetres."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from medft_bm.core.ellipse import LesionAxes, axes_mm, lesion_axes
from medft_bm.core.errors import GeometryError
from medft_bm.core.records import Record, Skip
from medft_bm.core.types import Metric, Sample, Score, View
from medft_bm.metrics.measurement import absolute_error, relative_error
from medft_bm.tasks.base import Guess, sample_of
from medft_bm.tasks.baseline import group_medians
from medft_bm.tasks.regions import Components, describe, regions
from medft_bm.tasks.reply import read_measurements
from medft_bm.tasks.wording import known_spacing, ruler, scene

PROMPT = (
    "{scene} {ruler} Fit an ellipse to the {label}. "
    "Answer with the length of its major and minor axis in mm as major, minor only."
)


@dataclass(frozen=True)
class LesionSize:
    """Major and minor axis of the ellipse fitted to a lesion, in mm.

    Attributes:
        labels: ask only about these; empty asks about all.
        components: what to do with a label in several pieces (see ``tasks/regions.py``).
        min_axis_mm: leave out lesions whose minor axis is shorter.
    """

    name: ClassVar[str] = "lesion_size"
    summary: ClassVar[str] = "major and minor axis of a lesion in mm"
    version: ClassVar[int] = 1
    unit: ClassVar[str] = "mm"
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("absolute_error", "mm", higher_is_better=False, unscored=None),
        Metric("relative_error", higher_is_better=False, unscored=None),
        Metric("within_20_percent"),
    )

    labels: tuple[str, ...] = ()
    components: Components = "single"
    min_axis_mm: float = 2.0

    def samples(self, record: Record, source: str, skip: Skip) -> Iterator[Sample]:
        """One sample per lesion that determines an ellipse."""
        for region in regions(record, self.labels, self.components, skip):
            what = f"{describe(record)} {region.label}"
            if record.spacing is None:
                skip(what, "pixel size unknown, so no size in mm")
                continue
            try:
                axes = lesion_axes(region.mask, record.spacing)
            except GeometryError:
                skip(what, "its pixels do not determine an ellipse")
                continue
            if axes_mm(axes, record.spacing)[1] < self.min_axis_mm:
                skip(what, f"minor axis under {self.min_axis_mm} mm")
                continue
            truth = {"major": _lists(axes.major), "minor": _lists(axes.minor), "label": region.label}
            yield sample_of(self, source, record, truth, region.label)

    def prompt(self, sample: Sample, view: View) -> str:
        """The question, with the pixel size of the image the model sees."""
        return PROMPT.format(scene=scene(sample), ruler=ruler(sample, view), label=sample.truth["label"])

    def answer(self, sample: Sample, view: View) -> str:
        """``major, minor`` in mm with one decimal, measured on the image the model sees."""
        ends = {name: view.from_slice.points(sample.truth[name]).tolist() for name in ("major", "minor")}
        major, minor = axes_mm(LesionAxes(**ends), known_spacing(sample, view.spacing))
        return f"{major:.1f}, {minor:.1f}"

    def score(self, sample: Sample, view: View, reply: str) -> Score:
        """Mean absolute (mm) and mean relative error over both axes; within 20 % when both are."""
        said = read_measurements(reply, 2, "mm")
        if said is None:
            return Score(None, why="the reply does not hold exactly two lengths")
        said.sort(reverse=True)
        truth = _truth_mm(sample)
        relative = [relative_error(p, t) for p, t in zip(said, truth, strict=True)]
        return Score(
            {
                "absolute_error": float(np.mean([absolute_error(p, t) for p, t in zip(said, truth, strict=True)])),
                "relative_error": float(np.mean(relative)),
                "within_20_percent": float(max(relative) <= 0.2),
            },
            said,
        )

    def baseline(self, train: Sequence[Sample]) -> Guess:
        """The median axes of the label."""
        guess = group_medians(train, lambda sample: sample.truth["label"], _truth_mm)

        def reply(sample: Sample, view: View) -> str:
            axes = guess(sample)
            return "" if axes is None else f"{axes[0]:.1f}, {axes[1]:.1f}"

        return reply


def _truth_mm(sample: Sample) -> tuple[float, float]:
    return axes_mm(LesionAxes(sample.truth["major"], sample.truth["minor"]), known_spacing(sample, sample.spacing))


def _lists(ends: tuple[tuple[float, float], tuple[float, float]]) -> list[list[float]]:
    return [list(point) for point in ends]
