"""Boxes, axes and measurements that are stated without a mask or against their points."""

from __future__ import annotations

import pytest

from medft_bm.core.ellipse import LesionAxes
from medft_bm.core.errors import ConfigError, GeometryError
from medft_bm.core.geometry import Box, PixelMap, Size, Spacing
from medft_bm.core.records import AxesLabel, BoxLabel, Landmarks, Record, Stated
from medft_bm.core.types import ImageRef, View
from medft_bm.tasks import load_task

SIZE, SPACING = Size(40, 60), Spacing(y=0.5, x=2.0)


class Skips(list):
    def __call__(self, what, why):
        self.append((what, why))


def record(*annotations, spacing=SPACING):
    return Record("p1", ImageRef("a/v.nii.gz", 2, 7), SIZE, spacing, annotations, {"modality": "MR", "plane": "axial"})


def view(h=80, w=30):
    there = PixelMap.stretch(SIZE, Size(h, w))
    return View(Size(h, w), there.spacing(SPACING), there, 4)


def made(task, *annotations, **more):
    return list(task.samples(record(*annotations, **more), "part", Skips()))


def test_a_stated_box_is_asked_about_like_the_box_of_a_mask():
    task = load_task("detection", {"labels": ["liver"]})
    [sample] = made(task, BoxLabel("liver", Box(4.0, 6.0, 12.0, 36.0)), BoxLabel("spleen", Box(1.0, 1.0, 9.0, 9.0)))
    assert sample.truth == {"box": [4, 6, 12, 36], "label": "liver"}
    assert task.answer(sample, view()) == "[0.100, 0.100, 0.600, 0.300]"


@pytest.mark.parametrize(("rule", "box"), [("largest", [4, 6, 12, 36]), ("union", [4, 6, 22, 44]), ("single", None)])
def test_several_stated_boxes_of_a_label_are_several_pieces(rule, box):
    skips = Skips()
    two = record(BoxLabel("liver", Box(20.0, 40.0, 22.0, 44.0)), BoxLabel("liver", Box(4.0, 6.0, 12.0, 36.0)))
    samples = list(load_task("detection", {"components": rule}).samples(two, "part", skips))
    assert [sample.truth["box"] for sample in samples] == ([box] if box else [])
    assert skips == ([] if box else [("a/v.nii.gz[axis 2, slice 7] liver", "several separate pieces on one slice")])


def test_a_side_too_short_in_mm_is_left_out_and_one_of_unknown_length_is_not():
    task, low = load_task("detection", {"min_side_mm": 4.1}), BoxLabel("liver", Box(4.0, 6.0, 12.0, 36.0))  # 4 mm high
    skips = Skips()
    assert list(task.samples(record(low), "part", skips)) == []
    assert skips[0][1] == "box side under 4.1 mm"
    assert len(made(load_task("detection", {"min_side_mm": 4.0}), low)) == 1
    assert len(made(task, low, spacing=None)) == 1


def test_positions_can_be_counted_from_the_lower_left_corner():
    task = load_task("detection", {"origin": "lower_left"})
    [sample] = made(task, BoxLabel("liver", Box(4.0, 6.0, 12.0, 36.0)))
    assert task.answer(sample, view()) == "[0.100, 0.700, 0.600, 0.900]"
    assert "from the lower-left corner, y growing upwards." in task.prompt(sample, view())
    assert task.score(sample, view(), "[0.100, 0.700, 0.600, 0.900]").predicted == pytest.approx([4, 6, 12, 36])
    pixels = load_task("detection", {"origin": "lower_left", "coordinates": "pixel"})
    assert pixels.answer(sample, view()) == "[3, 56, 18, 72]"


def test_stated_lengths_are_the_same_on_every_view():
    task = load_task("lesion_size")
    [sample] = made(task, AxesLabel("tumour", 21.26, 9.5))
    assert sample.truth == {"major_mm": 21.26, "minor_mm": 9.5, "label": "tumour"}
    assert {task.answer(sample, view(h, w)) for h, w in ((80, 30), (40, 60), (7, 99))} == {"21.3, 9.5"}
    assert task.score(sample, view(), "20.26, 8.5").values["absolute_error"] == pytest.approx(1)


def test_known_end_points_decide_the_lengths():
    ends = LesionAxes(((10.0, 5.0), (10.0, 15.0)), ((4.0, 10.0), (16.0, 10.0)))  # 20 mm and 6 mm
    [sample] = made(load_task("lesion_size"), AxesLabel("tumour", 21.0, 5.0, ends))
    assert (sample.truth["major_mm"], sample.truth["minor_mm"]) == (20, 6)
    assert sample.truth["major"] == [[10, 5], [10, 15]]
    assert load_task("lesion_size").answer(sample, view()) == "20.0, 6.0"


@pytest.mark.parametrize(
    ("axes", "options", "why"),
    [
        ([AxesLabel("tumour", 9.0, 12.0)], {}, "the major axis is shorter than the minor one"),
        ([AxesLabel("tumour", 9.0, 3.0)], {"min_axis_mm": 3.5}, "minor axis under 3.5 mm"),
        ([AxesLabel("tumour", 9.0, 3.0), AxesLabel("tumour", 8.0, 4.0)], {}, "several separate pieces on one slice"),
        (
            [AxesLabel("tumour", 9.0, 3.0), AxesLabel("tumour", 8.0, 4.0)],
            {"components": "union"},
            "several separate pieces on one slice",
        ),
    ],
)
def test_stated_axes_that_cannot_be_asked_about_are_left_out_with_a_reason(axes, options, why):
    skips = Skips()
    assert list(load_task("lesion_size", options).samples(record(*axes), "part", skips)) == []
    assert [reason for _, reason in skips] == [why]


def test_the_largest_of_several_stated_lesions_covers_most():
    task = load_task("lesion_size", {"components": "largest"})
    [sample] = made(task, AxesLabel("tumour", 9.0, 3.0), AxesLabel("tumour", 8.0, 4.0))
    assert sample.truth["major_mm"] == 8


def test_stated_axes_on_an_image_without_spacing_are_left_out():
    skips = Skips()
    unknown = record(AxesLabel("tumour", 9.0, 3.0), spacing=None)
    assert list(load_task("lesion_size").samples(unknown, "part", skips)) == []
    assert "pixel size unknown" in skips[0][1]


@pytest.mark.parametrize("length", [0.0, -3.0, float("nan"), float("inf")])
def test_an_impossible_stated_length_is_refused(length):
    with pytest.raises(GeometryError, match="minor axis of 'tumour'"):
        AxesLabel("tumour", 9.0, length)


def test_a_stated_measurement_counts_instead_of_the_points():
    lines = (("a", "b"),)
    marks = Landmarks({"a": (10, 10), "b": (16, 12)}, distances=lines, stated={lines: Stated(6.25)})
    task = load_task("angle_distance")
    [sample] = made(task, marks)
    assert task.answer(sample, view()) == "6.2"
    assert task.score(sample, view(), "5").values["absolute_error"] == pytest.approx(1.25)


def test_a_stated_distance_of_nothing_is_left_out():
    lines, skips = (("a", "b"),), Skips()
    marks = Landmarks({"a": (10, 10), "b": (16, 12)}, distances=lines, stated={lines: Stated(0.0)})
    assert list(load_task("angle_distance").samples(record(marks), "part", skips)) == []
    assert skips[0][1] == "the stated distance is not above 0"


@pytest.mark.parametrize(
    ("task", "options"), [("detection", {"coordinates": "pixel"}), ("angle_distance", {"directed": True})]
)
def test_options_that_contradict_the_preset_are_refused(task, options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        load_task(task, {"preset": "medvision-v1.0.0", **options})
