"""Questions of every registered task, with each kind of options, about the same records, and views of their image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medft_bm.core.ellipse import LesionAxes
from medft_bm.core.geometry import Box, PixelMap, Size, Spacing
from medft_bm.core.records import AxesLabel, BoxLabel, ClassLabel, Landmarks, Record, Region, Stated
from medft_bm.core.types import ImageRef, Sample, View
from medft_bm.tasks import TASKS, load_task
from medft_bm.tasks.base import Task

SIZE, SPACING = Size(60, 84), Spacing(y=0.7, x=2.5)
PRESET = {"preset": "medvision-v1.0.0"}
OPTIONS = {
    "classification": [{}, {"positive": ["bone"]}],
    "angle_distance": [
        {},
        {"measure": "angle"},
        {"measure": "angle", "directed": True},
        PRESET,
        {"measure": "angle", **PRESET},
    ],
    "detection": [{}, {"origin": "lower_left"}, {"min_side_mm": 2.0, "coordinates": "pixel"}, PRESET],
    "lesion_size": [{}, PRESET],
}
CASES = [(name, options) for name in TASKS.names() for options in OPTIONS.get(name, [{}])]


@dataclass(frozen=True)
class Asked:
    task: Task
    samples: list[Sample]


def mask(*ellipses: tuple[float, float, float, float]) -> np.ndarray:
    y, x = np.mgrid[: SIZE.h, : SIZE.w] + 0.5
    inside = [((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 <= 1 for cy, cx, ry, rx in ellipses]
    return np.any(inside, axis=0)


def record_of(index: int, preset: str = "") -> Record:
    lines = (("a", "b"), ("c", "d"))
    stated = {lines[:1]: Stated(40.2 + index, "base"), lines: Stated(71.5)} if preset else {}
    ends = LesionAxes(((5.0, 4.0), (35.0, 4.0 + index)), ((20.0, 2.0), (21.0, 6.0)))
    points = {"a": (10.5, 20.25), "b": (50.0, 31.0), "c": (12.0, 70.0), "d": (44.4, 3.3)}
    return Record(
        subject=f"s{index}",
        image=ImageRef("v.nii.gz", 2, index),
        size=SIZE,
        spacing=SPACING,
        annotations=(
            ClassLabel(index % 3, ("fat", "muscle", "bone")),
            Region("liver", mask((25 + index, 40, 13, 7))),
            Region("lesion", mask((30, 20 + index, 6, 11))),
            BoxLabel("kidney", Box(3.0, 8.0, 31.0 + index, 50.0)),
            AxesLabel("node", 22.25, 11.5 + index),
            AxesLabel("cyst", 21.0, 10.0, ends),
            Landmarks(points, lines, (lines, (("b", "a"), ("c", "d"))), stated),
        ),
        tags={"modality": "CT", "plane": "axial", "anatomy": "thigh", **({"preset": preset} if preset else {})},
    )


def view_of(size: Size, coordinates: str = "fraction") -> View:
    there = PixelMap.stretch(SIZE, size)
    return View(size, there.spacing(SPACING), there, 16, coordinates)


VIEWS = [view_of(Size(896, 896)), view_of(Size(56, 84), "pixel"), view_of(Size(700, 252), "pixel"), view_of(SIZE)]
VIEWS.append(view_of(Size(288, 416), "thousandth"))
FINE = [view for view in VIEWS if view.size.h >= 252]


def refuse(what: str, why: str) -> None:
    raise AssertionError(f"{what} was left out: {why}")


def asked_of(name: str, options: dict[str, object]) -> Asked:
    task = load_task(name, options)
    preset = options.get("preset", "")
    samples = [sample for i in range(5) for sample in task.samples(record_of(i, preset), "part", refuse)]
    assert samples, "the record has something for every task"
    return Asked(task, samples)
