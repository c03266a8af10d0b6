"""The page on metrics: it explains every metric there is, and none that there is not."""

from __future__ import annotations

import re

import pytest

from medft_bm.core.geometry import Size, Spacing
from medft_bm.core.types import ImageRef, Sample
from medft_bm.evaluate.baselines import BASELINES
from medft_bm.tasks import TASKS, load_task
from medft_bm.tasks.base import Pools

SECTIONS = {
    "classification": ("Classification", [{"positive": ["b"]}]),
    "detection": ("Detection", [{}]),
    "lesion_size": ("Lesion size and distance", [{}]),
    "angle_distance": ("Lesion size and distance", [{}]),
    "angle": ("Angle", [{"measure": "angle"}]),
}
MARKS = {True: "↑", False: "↓", None: "→ 0"}
CLASSES = {"class_id": 0, "classes": ["a", "b", "c"]}
SAMPLE = Sample("u", "", "p", "s", ImageRef("x"), Size(4, 6), Spacing(1, 2), CLASSES)


def metrics(name, options):
    """By name, every metric of a task with its direction and what an unread reply counts as; pooled ones count any."""
    task = load_task("angle_distance" if name == "angle" else name, options)
    pooled = [one.metric for one in task.pooled([SAMPLE])] if isinstance(task, Pools) else []
    plain = {one.name: (MARKS[one.higher_is_better], {0.0: "0", None: "out"}[one.unscored]) for one in task.metrics}
    return plain | {one.name.replace("of a", "of CLASS"): (MARKS[one.higher_is_better], None) for one in pooled}


def explained(page, section):
    """By name, direction and what an unread reply counts as, from the tables of a section."""
    text = re.search(rf"^## {section}\n(.*?)(?=^## |\Z)", page.text, re.MULTILINE | re.DOTALL)[1]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if "| `" in line]
    found = {}
    for cells in lines:
        better = next(cell for cell in cells if cell in MARKS.values())
        for name in re.findall(r"`([^`]+)`", cells[0]):
            found[name] = (better, cells[cells.index(better) + 1])
    return found


def test_every_registered_task_has_a_section():
    assert set(TASKS.names()) <= set(SECTIONS)


@pytest.mark.parametrize("name", SECTIONS)
def test_every_metric_is_explained_as_it_is_defined(page, name):
    section, cases = SECTIONS[name]
    known = explained(page("docs/metrics.md"), section)
    for options in cases:
        for metric, (better, unread) in metrics(name, options).items():
            assert known[metric][0] == better, metric
            assert unread is None or known[metric][1] == unread, metric


def test_nothing_is_explained_that_does_not_exist(page):
    for section in {section for section, _ in SECTIONS.values()}:
        names = {
            metric
            for name, (where, cases) in SECTIONS.items()
            if where == section
            for options in cases
            for metric in metrics(name, options)
        }
        assert set(explained(page("docs/metrics.md"), section)) == names


def test_every_baseline_is_explained(page):
    rows = re.findall(r"^\| `(\w+)` \|", page("docs/metrics.md").text.split("## Baselines")[1], re.MULTILINE)
    assert rows == list(BASELINES)
