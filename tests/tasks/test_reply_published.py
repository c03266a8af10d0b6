"""The published rule: its faults are part of it."""

from __future__ import annotations

import numpy as np
import pytest

from medft_bm.core.geometry import Box, PixelMap, Size, Spacing
from medft_bm.core.records import BoxLabel, Record
from medft_bm.core.types import ImageRef, View
from medft_bm.tasks import load_task
from medft_bm.tasks.reading.published import last_numbers
from medft_bm.tasks.reading.refusal import Refusal

PRESET = {"preset": "medvision-v1.0.0"}


@pytest.mark.parametrize(
    ("reply", "count", "expected"),
    [
        ("0.1, 0.2, 0.3, 0.4", 4, [0.1, 0.2, 0.3, 0.4]),
        ("x1=0.1, y1=0.2, x2=0.3, y2=0.4", 4, [2, 0.3, 2, 0.4]),
        ("[.1, .2, .3, .4]", 4, [1, 2, 3, 4]),
        ("1.2e-3", 1, [-3]),
        ("10-20", 2, [10, -20]),
        ("1,234.5", 1, [234.5]),
        ("20.1, 10.2 (area 413 mm^2)", 2, [413, 2]),
        ("<answer>12</answer> of 30 patients", 1, [30]),
        ("35.", 1, [35]),
        ("1.2.3", 2, [1.2, 3]),
        ("-5 mm", 1, [-5]),
        ("1 2 3 4 5", 4, [2, 3, 4, 5]),
        ("4.2 cm", 1, [4.2]),
    ],
)
def test_the_last_numbers_count_whatever_they_stand_for_in_single_precision(reply, count, expected):
    assert last_numbers(reply, count) == tuple(np.array(expected, np.float32).tolist())


@pytest.mark.parametrize(
    ("reply", "count", "why"),
    [
        ("about 12", 2, Refusal.TOO_FEW),
        ("", 1, Refusal.NO_NUMBER),
        ("I cannot tell.", 4, Refusal.NO_NUMBER),
        ("9" * 60, 1, Refusal.UNCLEAR),
    ],
)
def test_fewer_numbers_are_no_answer(reply, count, why):
    assert last_numbers(reply, count) is why


def test_swapped_corners_overlap_with_nothing_as_published_and_are_sorted_elsewhere():
    size, truth = Size(40, 60), Box(4.0, 6.0, 12.0, 36.0)
    view = View(size, None, PixelMap.identity(size), 4)
    for options, right, swapped in (
        (PRESET, "0.1, 0.7, 0.6, 0.9", "0.6, 0.9, 0.1, 0.7"),
        ({}, "[0.1, 0.1, 0.6, 0.3]", "[0.6, 0.3, 0.1, 0.1]"),
    ):
        task = load_task("detection", options)
        record = Record("p", ImageRef("v.nii.gz", 2, 7), size, Spacing(0.5, 2.0), (BoxLabel("liver", truth),), options)
        [sample] = task.samples(record, "part", lambda what, why: None)
        assert task.score(sample, view, right).values["iou"] == pytest.approx(1, abs=1e-5)
        assert task.score(sample, view, swapped).values["iou"] == pytest.approx(0 if options else 1, abs=1e-5)
