"""How large is the lesion? Answered with its two axes in millimetres."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar

from medft_bm.core.ellipse import LesionAxes, axes_mm, lesion_axes, outline
from medft_bm.core.errors import GeometryError
from medft_bm.core.geometry import Points, Size, Spacing, length_mm
from medft_bm.core.motion import Motion
from medft_bm.core.records import Record, Skip
from medft_bm.core.types import Metric, Sample, Score, View
from medft_bm.metrics.measurement import absolute_error
from medft_bm.tasks.base import Guess, Pooled, moved_sample, sample_of
from medft_bm.tasks.baseline import group_medians
from medft_bm.tasks.lengths import LENGTH_METRICS, length_scores
from medft_bm.tasks.medvision import AXES, AXES_FORMAT, Preset, question, require_preset
from medft_bm.tasks.pooling import agreement, median_error
from medft_bm.tasks.reading.measurements import diagonal_mm, read_lengths
from medft_bm.tasks.reading.published import last_numbers
from medft_bm.tasks.reading.refusal import Refusal
from medft_bm.tasks.regions import Components, describe, regions, stated_axes
from medft_bm.tasks.wording import known_spacing, ruler, scene

PROMPT = (
    "{scene} {ruler} Fit an ellipse to the {label}. "
    "Answer with the length of its major and minor axis in mm as major, minor only."
)
REWORDED = (
    "{scene} {ruler} An ellipse is fitted to the {label}: how long are its two axes? "
    "Write the longer and then the shorter one in mm, separated by a comma, and nothing else."
)

QUANTITIES = ("major axis", "minor axis")
AXIS_ERRORS = tuple(
    Metric(f"{axis.replace(' ', '_')}_error", "mm", higher_is_better=False, unscored=None) for axis in QUANTITIES
)

FULL_ELLIPSE = 2 / 3**0.5
"""How much longer than a structure the ellipse of its second moments can be, as it is for a straight line."""

ROOM = 1.25
"""How much further than its ellipse a lesion may reach and still be sure to stay in a moved image."""


@dataclass(frozen=True)
class LesionSize:
    """Major and minor axis of the ellipse fitted to a lesion, in mm.

    Attributes:
        labels: ask only about these; empty asks about all.
        components: what to do with a label in several pieces (see ``tasks/regions.py``).
        min_axis_mm: leave out lesions whose minor axis is shorter.
        preset: ask and read as a benchmark did (see ``tasks/medvision.py``).
    """

    name: ClassVar[str] = "lesion_size"
    summary: ClassVar[str] = "major and minor axis of a lesion in mm"
    version: ClassVar[int] = 1
    unit: ClassVar[str] = "mm"
    metrics: ClassVar[tuple[Metric, ...]] = (*LENGTH_METRICS, *AXIS_ERRORS)

    labels: tuple[str, ...] = ()
    components: Components = "single"
    min_axis_mm: float = 2.0
    preset: Preset = ""

    def samples(self, record: Record, source: str, skip: Skip) -> Iterator[Sample]:
        """One sample per lesion that determines an ellipse, or whose axes are stated."""
        require_preset(self.preset, record.tags, record.image)
        for truth in chain(self._fitted(record, skip), self._stated(record, skip)):
            yield sample_of(self, source, record, truth, truth["label"])

    def _fitted(self, record: Record, skip: Skip) -> Iterator[dict[str, Any]]:
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
            if self._kept(axes_mm(axes, record.spacing), what, skip):
                yield {**_ends(axes), "label": region.label}

    def _stated(self, record: Record, skip: Skip) -> Iterator[dict[str, Any]]:
        for stated in stated_axes(record, self.labels, self.components, skip):
            what = f"{describe(record)} {stated.label}"
            if record.spacing is None:
                skip(what, "pixel size unknown, so no size in mm")
                continue
            lengths = axes_mm(stated.axes, record.spacing) if stated.axes else (stated.major_mm, stated.minor_mm)
            if self._kept(lengths, what, skip):
                ends = _ends(stated.axes) if stated.axes else {}
                yield {"major_mm": lengths[0], "minor_mm": lengths[1], **ends, "label": stated.label}

    def _kept(self, lengths_mm: tuple[float, float], what: str, skip: Skip) -> bool:
        major, minor = lengths_mm
        if minor > major and not self.preset:
            skip(what, "the major axis is shorter than the minor one")
        elif min(major, minor) < self.min_axis_mm:
            skip(what, f"minor axis under {self.min_axis_mm} mm")
        else:
            return True
        return False

    def prompt(self, sample: Sample, view: View) -> str:
        """The question, with the pixel size of the image the model sees."""
        require_preset(self.preset, sample.tags, sample.image)
        label = sample.truth["label"]
        if self.preset:
            return question(sample, AXES.format(label=label), AXES_FORMAT, view)
        return PROMPT.format(scene=scene(sample), ruler=ruler(sample, view), label=label)

    def reworded(self, sample: Sample, view: View) -> str | None:
        """The same axes, asked for otherwise."""
        if self.preset:
            return None
        return REWORDED.format(scene=scene(sample), ruler=ruler(sample, view), label=sample.truth["label"])

    def answer(self, sample: Sample, view: View) -> str:
        """``major, minor`` in mm with one decimal, measured on the image the model sees where end points are known."""
        return self._written(_lengths_mm(sample, view.from_slice.points, view.spacing))

    def _written(self, lengths_mm: Sequence[float]) -> str:
        return ", ".join(f"{length:.{2 if self.preset else 1}f}" for length in lengths_mm)

    def score(self, sample: Sample, view: View, reply: str) -> Score:
        """Errors over both axes (see ``tasks/lengths.py``) and of each."""
        longest = FULL_ELLIPSE * diagonal_mm(sample.size, sample.spacing)
        read = last_numbers(reply, 2) if self.preset else read_lengths(reply, 2, longest)
        if isinstance(read, Refusal):
            return Score(None, why=read)
        # As published, axes said in the wrong order are wrong.
        said = list(read) if self.preset else sorted(read, reverse=True)
        truth = _truth_mm(sample)
        axes = zip(AXIS_ERRORS, said, truth, strict=True)
        errors = {metric.name: absolute_error(one, other) for metric, one, other in axes}
        return Score({**length_scores(sample, said, truth), **errors}, said)

    def measured(self, sample: Sample, score: Score) -> dict[str, tuple[float, float]]:
        """Both axes in mm, predicted and true."""
        if score.values is None:
            return {}
        return dict(zip(QUANTITIES, zip(score.predicted, _truth_mm(sample), strict=True), strict=True))

    def pooled(self, samples: Sequence[Sample]) -> tuple[Pooled, ...]:
        """The median error, and the agreement of either axis."""
        return (median_error("mm"), *agreement(self, QUANTITIES, "mm"))

    def moved(self, sample: Sample, motion: Motion) -> Sample | None:
        """The ends of the axes go along; a size that is stated without them stays true wherever the lesion is."""
        truth = sample.truth
        if "major" not in truth:
            return moved_sample(sample, motion, truth, _edge_middles(sample.size))
        ends = {axis: motion.points(truth[axis]).tolist() for axis in ("major", "minor")}
        around = outline(LesionAxes(truth["major"], truth["minor"]), ROOM)
        return moved_sample(sample, motion, {**truth, **ends}, around)

    def baseline(self, train: Sequence[Sample]) -> Guess:
        """The median axes of the label."""
        guess = group_medians(train, lambda sample: sample.truth["label"], _truth_mm)

        def reply(sample: Sample, view: View) -> str:
            axes = guess(sample)
            return "" if axes is None else self._written(axes)

        return reply


def _truth_mm(sample: Sample) -> tuple[float, float]:
    return _lengths_mm(sample, lambda points: points, sample.spacing)


def _lengths_mm(sample: Sample, shown: Callable[[Points], Points], spacing: Spacing | None) -> tuple[float, float]:
    """Major and minor axis where the slice's points are shown there; a stated length is the same on every image."""
    truth = sample.truth
    if "major" not in truth:
        return float(truth["major_mm"]), float(truth["minor_mm"])
    known = known_spacing(sample, spacing)
    return length_mm(shown(truth["major"]), known), length_mm(shown(truth["minor"]), known)


def _ends(axes: LesionAxes) -> dict[str, list[list[float]]]:
    return {"major": [list(point) for point in axes.major], "minor": [list(point) for point in axes.minor]}


def _edge_middles(size: Size) -> list[tuple[float, float]]:
    """What has to stay in sight of an image that may show a lesion anywhere but in its very corners."""
    return [(0.0, size.w / 2), (float(size.h), size.w / 2), (size.h / 2, 0.0), (size.h / 2, float(size.w))]
