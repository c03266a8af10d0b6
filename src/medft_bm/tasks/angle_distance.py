"""How far apart are two landmarks, or at what angle do two lines meet?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.geometry import PixelMap, Spacing, angle_deg, length_mm
from medft_bm.core.motion import Motion
from medft_bm.core.records import Landmarks, Lines, Record, Skip, Stated
from medft_bm.core.types import Metric, Sample, Score, View
from medft_bm.metrics.measurement import absolute_error, relative_error
from medft_bm.tasks import medvision
from medft_bm.tasks.base import Guess, moved_sample, sample_of
from medft_bm.tasks.baseline import group_medians
from medft_bm.tasks.medvision import VALUE_FORMAT, Preset, last_numbers, question, require_preset
from medft_bm.tasks.regions import describe
from medft_bm.tasks.reply import Unit, read_measurements
from medft_bm.tasks.wording import known_spacing, ruler, scene

DISTANCE = "{scene} {ruler} How far is {a} from {b}? Answer with the distance in mm only."
ANGLE = (
    "{scene} {ruler} What is the {kind} angle between the line from {a} to {b} and the line from {c} to {d}? "
    "Answer with the angle in degrees, from 0 to {top}, only."
)


@dataclass(frozen=True)
class AngleDistance:
    """A distance in mm between two landmarks, or an angle in degrees between two lines.

    Attributes:
        measure: which of the two.
        directed: angles from 0 to 180 between directed lines, instead of the acute angle from 0 to 90.
        preset: ask and read as a benchmark did (see ``tasks/medvision.py``).
    """

    name: ClassVar[str] = "angle_distance"
    summary: ClassVar[str] = "a distance in mm or an angle in degrees between landmarks"
    version: ClassVar[int] = 1

    measure: Literal["distance", "angle"] = "distance"
    directed: bool = False
    preset: Preset = ""

    def __post_init__(self) -> None:
        if self.preset and self.directed:
            what = f"directed: the preset {self.preset} asks for acute angles"
            raise ConfigError(what, where=f"task {self.name}", fix="leave out directed or the preset")

    @property
    def unit(self) -> Unit:
        """``mm`` for distances, ``degree`` for angles."""
        return "mm" if self.measure == "distance" else "degree"

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Absolute error; for distances the relative error too (an angle near 0 has no meaningful one)."""
        error = Metric("absolute_error", self.unit, higher_is_better=False, unscored=None)
        if self.measure == "angle":
            return (error, Metric("within_5_degrees"))
        relative = Metric("relative_error", higher_is_better=False, unscored=None)
        return (error, relative, Metric("within_20_percent"))

    def samples(self, record: Record, source: str, skip: Skip) -> Iterator[Sample]:
        """One sample per distance or angle that the landmarks define."""
        require_preset(self.preset, record.tags, record.image)
        for marks in record.annotations:
            if not isinstance(marks, Landmarks):
                continue
            wanted = [(line,) for line in marks.distances] if self.measure == "distance" else list(marks.angles)
            for lines in wanted:
                yield from self._sample(record, source, marks, lines, skip)

    def _sample(self, record: Record, source: str, marks: Landmarks, lines: Lines, skip: Skip) -> Iterator[Sample]:
        label = " to ".join("-".join(line) for line in lines)
        what = f"{describe(record)} {label}"
        if record.spacing is None:
            skip(what, "pixel size unknown, so nothing to measure in")
            return
        names = [name for line in lines for name in line]
        missing = sorted({name for name in names if name not in marks.points})
        if missing:
            raise DataError(
                f"no landmark named {', '.join(missing)}",
                where=describe(record),
                fix=f"known landmarks: {', '.join(sorted(marks.points))}",
            )
        stated = marks.stated.get(lines)
        nothing = _nothing_to_measure(marks, lines, stated, self.measure)
        if nothing:
            skip(what, nothing)
            return
        truth: dict[str, Any] = {
            "kind": self.measure,
            "points": {name: list(marks.points[name]) for name in names},
            "lines": [list(line) for line in lines],
            "directed": self.directed,
        }
        if stated is not None:
            truth |= {"stated": stated.value, "name": stated.name}
        yield sample_of(self, source, record, truth, label)

    def prompt(self, sample: Sample, view: View) -> str:
        """The question, with the pixel size of the image the model sees and the definition of the angle."""
        require_preset(self.preset, sample.tags, sample.image)
        names = [name for line in sample.truth["lines"] for name in line]
        words = dict(zip("abcd", (f"the {name}" for name in names), strict=False))
        if self.preset:
            ask = medvision.DISTANCE if self.measure == "distance" else medvision.ANGLE
            called = f" ({sample.truth['name']})" if sample.truth.get("name") else ""
            return question(sample, ask.format(name=called, **words), VALUE_FORMAT, view)
        if self.measure == "distance":
            return DISTANCE.format(scene=scene(sample), ruler=ruler(sample, view), **words)
        kind, top = ("directed", 180) if sample.truth["directed"] else ("acute", 90)
        return ANGLE.format(scene=scene(sample), ruler=ruler(sample, view), kind=kind, top=top, **words)

    def answer(self, sample: Sample, view: View) -> str:
        """The measurement with one decimal, made on the image the model sees."""
        return f"{measure(sample, view.from_slice, view.spacing):.1f}"

    def score(self, sample: Sample, view: View, reply: str) -> Score:
        """Absolute error in mm or degrees; relative error for distances."""
        said = last_numbers(reply, 1) if self.preset else read_measurements(reply, 1, self.unit)
        if said is None:
            return Score(None, why=f"the reply does not hold exactly one {self.measure}")
        truth = measure(sample, PixelMap.identity(sample.size), sample.spacing)
        error = absolute_error(said[0], truth)
        if self.measure == "angle":
            if not self.preset and said[0] > (180 if sample.truth["directed"] else 90):
                return Score(None, why="the angle is outside the range asked for")
            return Score({"absolute_error": error, "within_5_degrees": float(error <= 5)}, said[0])
        relative = relative_error(said[0], truth)
        values = {"absolute_error": error, "relative_error": relative, "within_20_percent": float(relative <= 0.2)}
        return Score(values, said[0])

    def moved(self, sample: Sample, motion: Motion) -> Sample | None:
        """The landmarks go along; neither a distance nor an angle says on which side it is."""
        points = sample.truth["points"]
        there = dict(zip(points, motion.points(list(points.values())).tolist(), strict=True))
        return moved_sample(sample, motion, {**sample.truth, "points": there}, list(points.values()))

    def baseline(self, train: Sequence[Sample]) -> Guess:
        """The median of the same measurement."""
        guess = group_medians(
            train,
            lambda sample: sample.tags["label"],
            lambda sample: [measure(sample, PixelMap.identity(sample.size), sample.spacing)],
        )

        def reply(sample: Sample, view: View) -> str:
            value = guess(sample)
            return "" if value is None else f"{value[0]:.1f}"

        return reply


def _nothing_to_measure(marks: Landmarks, lines: Lines, stated: Stated | None, measure: str) -> str:
    """Why there is no distance or angle; empty when there is one."""
    if stated is None:
        return "two landmarks at one place" if any(marks.points[a] == marks.points[b] for a, b in lines) else ""
    return "the stated distance is not above 0" if measure == "distance" and not stated.value > 0 else ""


def measure(sample: Sample, to_image: PixelMap, spacing: Spacing | None) -> float:
    """The distance (mm) or angle (degrees) of the sample on an image its slice was mapped to, with its spacing.

    A stated value is the same on every image.
    """
    known = known_spacing(sample, spacing)
    truth = sample.truth
    if "stated" in truth:
        return float(truth["stated"])
    lines = [to_image.points(np.array([truth["points"][name] for name in line])) for line in truth["lines"]]
    if truth["kind"] == "distance":
        return length_mm(lines[0], known)
    return angle_deg(lines[0], lines[1], known, directed=truth["directed"])
