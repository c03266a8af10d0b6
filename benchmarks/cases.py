"""What is measured, and the targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Literal

from volumes import LABELS, VERSION, Dataset, Kind

Question = Literal["boxes", "sizes"]
QUESTIONS: tuple[Question, ...] = ("boxes", "sizes")

CT = Kind("ct", "CT", (512, 512, 200), (0.75, 0.8, 2.5), (-1000, 40, 1500), (3, 12), (0.9, 0.75, inf), 24)
MR = Kind("mr", "MRI", (240, 240, 155), (1.0, 1.1, 1.2), (0, 600, 1200), (0, 40), (0.8, 0.9, 0.9), 200)
CROPS = Kind("crops", "MRI", (35, 50, 35), (1.0, 1.1, 1.2), (0, 300, 600), (0, 40), (inf, inf, inf), 2500)

PEAK_MB = 350
"""Target for the largest process on CT."""


@dataclass(frozen=True)
class Speed:
    """A data set that is prepared both ways.

    Attributes:
        dataset: what is asked about which volumes.
        targets: how many times faster than the naive way, boxes and sizes.
        naive: samples per process and round of the naive way, boxes and sizes: enough for 10 to 20 seconds.
    """

    dataset: Dataset
    targets: dict[Question, float]
    naive: dict[Question, int]


def _speed(kind: Kind, per_volume: int, boxes: float, sizes: float, naive: tuple[int, int]) -> Speed:
    dataset = Dataset(f"{kind.name}{per_volume}".upper(), kind, per_volume)
    return Speed(dataset, {"boxes": boxes, "sizes": sizes}, {"boxes": naive[0], "sizes": naive[1]})


SPEEDS = {
    "ct40": _speed(CT, 40, 250, 400, (6, 4)),
    "ct200": _speed(CT, 200, 800, 1200, (6, 4)),
    "ct10": _speed(CT, 10, 65, 105, (6, 4)),
    "mr40": _speed(MR, 40, 220, 420, (80, 50)),
    "crops40": _speed(CROPS, 40, 50, 90, (2500, 1800)),
}

OTHERS = {
    "second_family": "ct40",
    "shared": "ct40",
    "cached": "crops40",
    "open": "crops40",
}
"""What else is measured, and on which of the data sets."""


def quick(speed: Speed) -> Speed:
    """The same in seconds: it shows that everything runs, and its numbers mean nothing."""
    kind = replace(speed.dataset.kind, shape=(48, 40, 30), count=2)
    per_volume = min(speed.dataset.per_volume, 20)
    return Speed(replace(speed.dataset, kind=kind, per_volume=per_volume), speed.targets, {"boxes": 2, "sizes": 2})


def data(speed: Speed, questions: Sequence[Question], root: str, cache: str) -> dict[str, Any]:
    """The section ``data`` of a config: these questions about the data set, each slice from its minimum to its maximum.

    The naive way shows slices in the same window.
    """
    return {"root": root, "cache": cache, "mix": [_part(speed.dataset.name, question) for question in questions]}


def _part(name: str, question: Question) -> dict[str, Any]:
    if question == "boxes":
        task, asked = "detection", [f"{name}_BoxSize_Task01_Axial"]
    else:
        task, asked = "lesion_size", [f"{name}_TumorLesionSize_Task{label:02d}_Axial" for label in LABELS]
    options = {"tasks": asked, "version": VERSION, "window": "min_max"}
    return {"name": question, "task": task, "source": "medvision", "source_options": options}
