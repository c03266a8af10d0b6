"""Where is the structure? Answered with a bounding box."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from medft_bm.core.errors import ConfigError, GeometryError
from medft_bm.core.geometry import Box, PixelMap, Size, Spacing
from medft_bm.core.motion import Motion
from medft_bm.core.records import Record, Skip
from medft_bm.core.types import Coordinates, Metric, Sample, Score, View
from medft_bm.tasks.base import Guess, moved_sample, sample_of
from medft_bm.tasks.baseline import group_medians
from medft_bm.tasks.medvision import BOX, BOX_FORMAT, Preset, question, require_preset
from medft_bm.tasks.overlap import BOX_METRICS, OVERLAPS, box_scores
from medft_bm.tasks.reading.boxes import read_box
from medft_bm.tasks.reading.published import last_numbers
from medft_bm.tasks.reading.refusal import Refusal
from medft_bm.tasks.regions import Components, boxes, describe
from medft_bm.tasks.wording import grid, scene

PROMPT = "{scene} Find the {label}. {convention} Answer with its bounding box as [x1, y1, x2, y2] only."
REWORDED = (
    "{scene} Where is the {label}? Give the box around it in the form [x1, y1, x2, y2], nothing else. {convention}"
)
FRACTION = "Give positions as fractions of the image width and height, counted from the {corner}."
PIXEL = "{grid} Give positions in whole pixels, counted from the {corner}."
THOUSANDTH = (
    "Give positions in whole thousandths of the image width and height, from 0 to 1000, counted from the {corner}."
)
CONVENTIONS: dict[Coordinates, str] = {"fraction": FRACTION, "pixel": PIXEL, "thousandth": THOUSANDTH}
CORNERS = {"top_left": "top-left corner", "lower_left": "lower-left corner, y growing upwards"}


@dataclass(frozen=True)
class Detection:
    """Bounding box of one structure.

    Attributes:
        labels: ask only about these; empty asks about all.
        components: what to do with a label in several pieces (see ``tasks/regions.py``).
        min_side_px: leave out boxes with a shorter side than this on the slice.
        min_side_mm: leave out boxes with a shorter side than this; says nothing about images of unknown pixel size.
        coordinates: how boxes are written; ``family`` follows the model family.
        origin: corner that positions are counted from; from ``lower_left``, y grows upwards.
        preset: ask and read as a benchmark did (see ``tasks/medvision.py``): fractions from the lower-left corner.
    """

    name: ClassVar[str] = "detection"
    summary: ClassVar[str] = "the bounding box of a structure"
    version: ClassVar[int] = 1
    unit: ClassVar[str] = ""
    metrics: ClassVar[tuple[Metric, ...]] = BOX_METRICS

    labels: tuple[str, ...] = ()
    components: Components = "single"
    min_side_px: int = 2
    min_side_mm: float = 0.0
    coordinates: Literal["family", "fraction", "pixel", "thousandth"] = "family"
    origin: Literal["top_left", "lower_left"] = "top_left"
    preset: Preset = ""

    def __post_init__(self) -> None:
        if self.preset and self.coordinates not in ("family", "fraction"):
            what = f"coordinates: the preset {self.preset} writes fractions, not {self.coordinates}s"
            raise ConfigError(what, where=f"task {self.name}", fix="leave out coordinates or the preset")

    def samples(self, record: Record, source: str, skip: Skip) -> Iterator[Sample]:
        """One sample per labelled region or stated box."""
        require_preset(self.preset, record.tags, record.image)
        for label, box in boxes(record, self.labels, self.components, skip):
            small = self._too_small(box, record.spacing)
            if small:
                skip(f"{describe(record)} {label}", small)
                continue
            truth = {"box": [box.y0, box.x0, box.y1, box.x1], "label": label}
            yield sample_of(self, source, record, truth, label)

    def _too_small(self, box: Box, spacing: Spacing | None) -> str:
        """Why the box is left out; empty when it is kept."""
        height, width = box.y1 - box.y0, box.x1 - box.x0
        if min(height, width) < self.min_side_px:
            return f"box side under {self.min_side_px} pixels"
        if spacing is not None and min(height * spacing.y, width * spacing.x) < self.min_side_mm:
            return f"box side under {self.min_side_mm:g} mm"
        return ""

    def prompt(self, sample: Sample, view: View) -> str:
        """The question, with the convention for coordinates spelt out."""
        require_preset(self.preset, sample.tags, sample.image)
        label = sample.truth["label"]
        if self.preset:
            return question(sample, BOX.format(label=label), BOX_FORMAT)
        return PROMPT.format(scene=scene(sample), label=label, convention=self._told(view))

    def reworded(self, sample: Sample, view: View) -> str | None:
        """The same box, asked for otherwise."""
        if self.preset:
            return None
        return REWORDED.format(scene=scene(sample), label=sample.truth["label"], convention=self._told(view))

    def _told(self, view: View) -> str:
        return CONVENTIONS[self._convention(view)].format(grid=grid(view), corner=CORNERS[self.origin])

    def answer(self, sample: Sample, view: View) -> str:
        """``[x1, y1, x2, y2]``: three decimals as fractions, else whole numbers."""
        box = view.from_slice.box(Box(*sample.truth["box"]))
        if self._counts_upwards:
            box = PixelMap.flip(view.size, y=True).box(box)
        if self._convention(view) != "fraction":
            box = PixelMap.stretch(view.size, self._unit(view)).box(box)
            (x1, x2), (y1, y2) = _whole(box.x0, box.x1), _whole(box.y0, box.y1)
            return f"[{x1}, {y1}, {x2}, {y2}]"
        decimals = 4 if self.preset else 3
        h, w, n = view.size.h, view.size.w, 10**decimals
        (x1, x2), (y1, y2) = _whole(n * box.x0 / w, n * box.x1 / w), _whole(n * box.y0 / h, n * box.y1 / h)
        text = ", ".join(f"{value / n:.{decimals}f}" for value in (x1, y1, x2, y2))
        return text if self.preset else f"[{text}]"

    def score(self, sample: Sample, view: View, reply: str) -> Score:
        """Overlap with the true box on the slice, and distances in mm (see ``metrics/boxes.py``)."""
        said = last_numbers(reply, 4) if self.preset else read_box(reply, self._convention(view), view.size)
        if isinstance(said, Refusal):
            return Score(None, why=said)
        x1, y1, x2, y2 = said
        top, bottom = (1 - y1, 1 - y2) if self._counts_upwards else (y1, y2)
        try:
            said_box = Box(min(top, bottom), min(x1, x2), max(top, bottom), max(x1, x2))
            box = view.slice_from_fractions.box(said_box)
        except GeometryError:
            return Score(None, why=Refusal.NO_AREA)
        values = box_scores(box, Box(*sample.truth["box"]), sample.spacing)
        if self.preset and (x1 > x2 or y1 > y2):  # as published, swapped corners overlap with nothing
            values |= dict.fromkeys(OVERLAPS, 0.0)
        return Score(values, [box.y0, box.x0, box.y1, box.x1])

    def moved(self, sample: Sample, motion: Motion) -> Sample | None:
        """The box goes along, unless the image turns: the box around a turned structure depends on its shape."""
        if motion.turns:
            return None
        box = Box(*sample.truth["box"])
        there = motion.box(box)
        truth = {**sample.truth, "box": [there.y0, there.x0, there.y1, there.x1]}
        return moved_sample(sample, motion, truth, box.corners)

    def drawn(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """A box of any height and width up to the image's, anywhere in it, all equally likely."""
        sides = np.array([sample.size.h, sample.size.w])
        lengths = sides * (1 - rng.random(2))  # above 0
        start = (sides - lengths) * rng.random(2)
        truth = {**sample.truth, "box": [*start.tolist(), *(start + lengths).tolist()]}
        return replace(sample, truth=truth)

    def baseline(self, train: Sequence[Sample]) -> Guess:
        """The median box of the label, as fractions of the image."""
        guess = group_medians(train, lambda sample: sample.truth["label"], _fractions)

        def reply(sample: Sample, view: View) -> str:
            fractions = guess(sample)
            if fractions is None:
                return ""
            box = np.array(fractions) * [sample.size.h, sample.size.w, sample.size.h, sample.size.w]
            truth = {**sample.truth, "box": box.tolist()}
            return self.answer(replace(sample, truth=truth), view)

        return reply

    def _convention(self, view: View) -> Coordinates:
        if self.preset:
            return "fraction"
        return view.coordinates if self.coordinates == "family" else self.coordinates

    def _unit(self, view: View) -> Size:
        """Both sides of the image in the numbers that a box is written in."""
        return {"fraction": Size(1, 1), "pixel": view.size, "thousandth": Size(1000, 1000)}[self._convention(view)]

    @property
    def _counts_upwards(self) -> bool:
        return bool(self.preset) or self.origin == "lower_left"


def _fractions(sample: Sample) -> list[float]:
    y0, x0, y1, x1 = sample.truth["box"]
    return [y0 / sample.size.h, x0 / sample.size.w, y1 / sample.size.h, x1 / sample.size.w]


def _whole(low: float, high: float) -> tuple[int, int]:
    """Nearest whole numbers, kept apart: a thin box must not round to an empty one."""
    first, last = round(low), round(high)
    return (first, last) if last > first else (int(np.floor(low)), int(np.floor(low)) + 1)
