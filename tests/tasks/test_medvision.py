"""The published questions: what they say, how answers are written and which numbers of a reply count."""

from __future__ import annotations

from medft_bm.core.geometry import Box, PixelMap, Size, Spacing
from medft_bm.core.records import AxesLabel, BoxLabel, Landmarks, Record, Stated
from medft_bm.core.types import ImageRef, View
from medft_bm.tasks import load_task

PRESET = {"preset": "medvision-v1.0.0"}
SIZE, SPACING = Size(40, 60), Spacing(y=0.5, x=2.0)
TAGS = {"modality": "MRI", "plane": "axial", "description": "an MRI scan of the brain", **PRESET}
LINES = (("a", "b"), ("c", "d"))
MARKS = Landmarks(
    {"a": (1, 1), "b": (1, 9), "c": (2, 2), "d": (9, 3)},
    (LINES[0],),
    (LINES,),
    {LINES[:1]: Stated(33.333, "skull base"), LINES: Stated(44.444)},
)
THERE = PixelMap.stretch(SIZE, Size(80, 30))
VIEW = View(THERE.dst, THERE.spacing(SPACING), THERE, 4)


def asked(name, annotation, **options):
    task = load_task(name, {**PRESET, **options})
    record = Record("p1", ImageRef("v.nii.gz", 2, 7, "stored"), SIZE, SPACING, (annotation,), TAGS)
    [sample] = task.samples(record, "part", lambda what, why: None)
    return task, sample


def test_a_box_is_four_fractions_with_four_decimals_from_the_lower_left_corner():
    task, sample = asked("detection", BoxLabel("tumour", Box(4.0, 7.0, 12.0, 36.0)))
    assert task.answer(sample, VIEW) == "0.1167, 0.7000, 0.6000, 0.9000"
    prompt = task.prompt(sample, VIEW)
    assert prompt.startswith("Task:\nThe medical image shows: an MRI scan of the brain. Find the tumour and")
    assert "\nAnswer format:\nWrite four numbers with four decimals" in prompt
    assert " mm" not in prompt
    assert "pixels wide" not in prompt


def test_lengths_have_two_decimals_and_the_pixel_size_of_the_view_three():
    task, sample = asked("lesion_size", AxesLabel("tumour", 21.266, 9.5))
    assert task.answer(sample, VIEW) == "21.27, 9.50"
    told = "\nAdditional information:\nOne pixel is 4.000 mm wide and 0.250 mm high.\nAnswer format:\n"
    assert told in task.prompt(sample, VIEW)


def test_one_decimal_for_a_distance_with_its_name_and_for_an_angle():
    task, sample = asked("angle_distance", MARKS)
    assert task.answer(sample, VIEW) == "33.3"
    assert "Report the distance (skull base) between two landmarks in mm: the a and the b." in task.prompt(sample, VIEW)
    task, sample = asked("angle_distance", MARKS, measure="angle")
    assert task.answer(sample, VIEW) == "44.4"
    assert "Report the angle in degrees between two lines: from the a to the b, and" in task.prompt(sample, VIEW)


def test_axes_said_in_the_wrong_order_are_wrong_as_published():
    task, sample = asked("lesion_size", AxesLabel("tumour", 20.0, 10.0))
    assert task.score(sample, VIEW, "10, 20").values["absolute_error"] == 10
