"""How far apart are two landmarks, or at what angle do two lines meet?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.geometry import PixelMap, Points, Spacing, angle_deg, length_mm
from medft_bm.core.motion import Motion
from medft_bm.core.records import Landmarks, Lines, Record, Skip, Stated
from medft_bm.core.types import Metric, Sample, Score, View
from medft_bm.metrics.measurement import absolute_error, within
from medft_bm.tasks import medvision
from medft_bm.tasks.base import Guess, Pooled, moved_sample, sample_of
from medft_bm.tasks.baseline import group_medians
from medft_bm.tasks.lengths import LENGTH_METRICS, length_scores
from medft_bm.tasks.medvision import VALUE_FORMAT, Preset, question, require_preset
from medft_bm.tasks.pooling import agreement, median_error
from medft_bm.tasks.reading.measurements import diagonal_mm, read_angle, read_lengths
from medft_bm.tasks.reading.published import last_numbers
from medft_bm.tasks.reading.refusal import Refusal
from medft_bm.tasks.regions import describe
from medft_bm.tasks.wording import known_spacing, ruler, scene

DISTANCE = "{scene} {ruler} How far is {a} from {b}? Answer with the distance in mm only."
ANGLE = (
    "{scene} {ruler} What is the {kind} angle between the line from {a} to {b} and the line from {c} to {d}? "
    "Answer with the angle in degrees, from 0 to {top}, only."
)
REWORDED_DISTANCE = (
    "{scene} {ruler} Measure the distance between {a} and {b}. Reply with its length in mm, nothing else."
)
REWORDED_ANGLE = (
    "{scene} {ruler} One line runs from {a} to {b}, another from {c} to {d}. Measure the {kind} angle between the two. "
    "Reply with a number of degrees from 0 to {top}, nothing else."
)
ANGLE_METRICS = (
    Metric("absolute_error", "degree", higher_is_better=False, unscored=None),
    Metric("within_2_degrees"),
    Metric("within_5_degrees"),
)
"""5 degrees are how far one reader's Cobb angles lie apart (Morrissy et al. 1990, Journal of Bone and Joint Surgery
72(3))."""


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
    def unit(self) -> str:
        """``mm`` for distances, ``degree`` for angles."""
        return "mm" if self.measure == "distance" else "degree"

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Absolute error first; only distances have relative ones (an angle near 0 has no meaningful one)."""
        return LENGTH_METRICS if self.measure == "distance" else ANGLE_METRICS

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
            truth |= {"stated": stated.value, "name": stated.name, **({"key": stated.key} if stated.key else {})}
        yield sample_of(self, source, record, truth, label)

    def prompt(self, sample: Sample, view: View) -> str:
        """The question, with the pixel size of the image the model sees and the definition of the angle."""
        require_preset(self.preset, sample.tags, sample.image)
        words = _named(sample)
        if self.preset:
            ask = medvision.DISTANCE if self.measure == "distance" else medvision.ANGLE
            called = f" ({sample.truth['name']})" if sample.truth.get("name") else ""
            return question(sample, ask.format(name=called, **words), VALUE_FORMAT, view)
        return (DISTANCE if self.measure == "distance" else ANGLE).format(**words, **_setting(sample, view))

    def reworded(self, sample: Sample, view: View) -> str | None:
        """The same measurement, asked for otherwise."""
        if self.preset:
            return None
        form = REWORDED_DISTANCE if self.measure == "distance" else REWORDED_ANGLE
        return form.format(**_named(sample), **_setting(sample, view))

    def answer(self, sample: Sample, view: View) -> str:
        """The measurement with one decimal, made on the image the model sees."""
        return f"{measure(sample, view.from_slice, view.spacing):.1f}"

    def score(self, sample: Sample, view: View, reply: str) -> Score:
        """Absolute error in mm or degrees; for distances the others of ``tasks/lengths.py`` too."""
        said = self._read(sample, reply)
        if isinstance(said, Refusal):
            return Score(None, why=said)
        truth = _truth(sample)
        if self.measure == "angle":
            error = absolute_error(said[0], truth)
            near = {f"within_{bound}_degrees": within(error, bound) for bound in (2, 5)}
            return Score({"absolute_error": error, **near}, said[0])
        return Score(length_scores(sample, said, [truth]), said[0])

    def _read(self, sample: Sample, reply: str) -> tuple[float, ...] | Refusal:
        if self.preset:
            return last_numbers(reply, 1)
        if self.measure == "distance":
            return read_lengths(reply, 1, diagonal_mm(sample.size, sample.spacing))
        return read_angle(reply, 180 if sample.truth["directed"] else 90)

    def measured(self, sample: Sample, score: Score) -> dict[str, tuple[float, float]]:
        """The distance in mm or the angle in degrees, predicted and true."""
        if score.values is None:
            return {}
        return {self.measure: (score.predicted, _truth(sample))}

    def pooled(self, samples: Sequence[Sample]) -> tuple[Pooled, ...]:
        """The median error, and the agreement with the true measurements."""
        return (median_error(self.unit), *agreement(self, [self.measure], self.unit))

    def moved(self, sample: Sample, motion: Motion) -> Sample | None:
        """The landmarks go along; neither a distance nor an angle says on which side it is."""
        points = sample.truth["points"]
        there = dict(zip(points, motion.points(list(points.values())).tolist(), strict=True))
        return moved_sample(sample, motion, {**sample.truth, "points": there}, list(points.values()))

    def baseline(self, train: Sequence[Sample]) -> Guess:
        """The median of the same measurement."""
        guess = group_medians(train, lambda sample: sample.tags["label"], lambda sample: [_truth(sample)])

        def reply(sample: Sample, view: View) -> str:
            value = guess(sample)
            return "" if value is None else f"{value[0]:.1f}"

        return reply


def _named(sample: Sample) -> dict[str, str]:
    """The landmarks of the lines in their order, as prompts name them."""
    names = [name for line in sample.truth["lines"] for name in line]
    return dict(zip("abcd", (f"the {name}" for name in names), strict=False))


def _setting(sample: Sample, view: View) -> dict[str, Any]:
    kind, top = ("directed", 180) if sample.truth["directed"] else ("acute", 90)
    return {"scene": scene(sample), "ruler": ruler(sample, view), "kind": kind, "top": top}


def _nothing_to_measure(marks: Landmarks, lines: Lines, stated: Stated | None, measure: str) -> str:
    """Why there is no distance or angle; empty when there is one."""
    if stated is None:
        return "two landmarks at one place" if any(marks.points[a] == marks.points[b] for a, b in lines) else ""
    return "the stated distance is not above 0" if measure == "distance" and not stated.value > 0 else ""


def measure(sample: Sample, to_image: PixelMap, spacing: Spacing | None) -> float:
    """The distance (mm) or angle (degrees) of the sample on an image its slice was mapped to, with its spacing.

    A stated value is the same on every image.
    """
    return _measured(sample, to_image.points, spacing)


def _truth(sample: Sample) -> float:
    """The same on its own slice, where nothing has to be mapped."""
    return _measured(sample, lambda points: points, sample.spacing)


def _measured(sample: Sample, shown: Callable[[Points], Points], spacing: Spacing | None) -> float:
    known = known_spacing(sample, spacing)
    truth = sample.truth
    if "stated" in truth:
        return float(truth["stated"])
    lines = [shown([truth["points"][name] for name in line]) for line in truth["lines"]]
    if truth["kind"] == "distance":
        return length_mm(lines[0], known)
    return angle_deg(lines[0], lines[1], known, directed=truth["directed"])
