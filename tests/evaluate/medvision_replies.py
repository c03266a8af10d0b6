"""Questions with the published preset and replies to them, without images."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from medft_bm.core.geometry import PixelMap, Size, Spacing
from medft_bm.core.records import AxesLabel, BoxLabel, Landmarks, Record, Stated
from medft_bm.core.types import ImageRef, View
from medft_bm.evaluate.replies import Reply
from medft_bm.evaluate.score import Scored
from medft_bm.prepare.dataset import Item, PartInfo
from medft_bm.tasks import load_task

PRESET = "medvision-v1.0.0"
SIZE, SPACING = Size(64, 128), Spacing(0.5, 2.0)
VIEW = View(Size(32, 32), None, PixelMap.stretch(SIZE, Size(32, 32)), 1)

TASKS = {
    "boxes": ("detection", {"preset": PRESET}),
    "sizes": ("lesion_size", {"preset": PRESET, "min_axis_mm": 0}),
    "distances": ("angle_distance", {"preset": PRESET}),
    "angles": ("angle_distance", {"preset": PRESET, "measure": "angle"}),
}
PARTS = [PartInfo(name, load_task(task, options), "medvision") for name, (task, options) in TASKS.items()]
NAMES = list(TASKS)
_NUMBERS = count()


def asked(part: str, annotation: object, replies: Sequence[str], *, patients: int = 10, **tags: str) -> list[Scored]:
    """One question per reply, each about a slice of its own."""
    index = NAMES.index(part)
    task = PARTS[index].task
    known = {"modality": "CT", "plane": "axial", "dataset": "Toy", "preset": PRESET, **tags}
    scored = []
    for k, text in enumerate(replies):
        image = ImageRef("v.nii.gz", 2, next(_NUMBERS), "stored")
        record = Record(f"p{k % patients}", image, SIZE, SPACING, (annotation,), known)
        [sample] = task.samples(record, part, lambda what, why: None)
        item = Item(sample.uid, index, task, sample, VIEW, "", "", 0, None)
        scored.append(Scored(item, Reply(sample.uid, text, 5, True), task.score(sample, VIEW, text)))
    return scored


def box(label: str, box: object) -> BoxLabel:
    return BoxLabel(label, box)


def axes(label: str, major_mm: float, minor_mm: float) -> AxesLabel:
    return AxesLabel(label, major_mm, minor_mm)


def marks(value: float, key: str) -> Landmarks:
    """Landmarks with one stated distance and one stated angle of the same value."""
    points = {"a": (1.0, 1.0), "b": (1.0, 9.0), "c": (2.0, 2.0), "d": (9.0, 3.0)}
    lines = (("a", "b"), ("c", "d"))
    stated = {lines[:1]: Stated(value, "", key), lines: Stated(value, "", key)}
    return Landmarks(points, (lines[0],), (lines,), stated)
