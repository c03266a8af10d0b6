from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.geometry import PixelMap, Size, Spacing
from medft_bm.core.records import AxesLabel, ClassLabel, Landmarks, Record, Region
from medft_bm.core.types import ImageRef, View
from medft_bm.tasks import load_task

SIZE, SPACING = Size(40, 60), Spacing(y=0.5, x=2.0)


class Skips(list):
    def __call__(self, what, why):
        self.append((what, why))


def record(*annotations, spacing=SPACING):
    return Record("p1", ImageRef("a/v.nii.gz", 2, 7), SIZE, spacing, annotations, {"modality": "MR", "plane": "axial"})


def view(h=80, w=30, coordinates="fraction"):
    there = PixelMap.stretch(SIZE, Size(h, w))
    return View(Size(h, w), there.spacing(SPACING), there, 4, coordinates)


def mask(*windows):
    made = np.zeros((SIZE.h, SIZE.w), bool)
    for y0, y1, x0, x1 in windows:
        made[y0:y1, x0:x1] = True
    return made


def only(task, made, skip=None):
    [sample] = task.samples(made, "part", skip if skip is not None else Skips())
    return sample


def test_a_box_covers_the_last_row_and_column_of_the_mask_whole():
    sample = only(load_task("detection"), record(Region("liver", mask((4, 12, 6, 36)))))
    assert sample.truth["box"] == [4, 6, 12, 36]


def test_box_text_is_x_first_in_fractions_or_in_pixels_of_the_view():
    task = load_task("detection")
    sample = only(task, record(Region("liver", mask((4, 12, 6, 36)))))
    assert task.answer(sample, view()) == "[0.100, 0.100, 0.600, 0.300]"
    assert task.answer(sample, view(coordinates="pixel")) == "[3, 8, 18, 24]"


def test_thousandths_are_whole_and_the_same_in_every_view():
    task = load_task("detection")
    sample = only(task, record(Region("liver", mask((4, 12, 6, 36)))))
    assert "from 0 to 1000" in task.prompt(sample, view(coordinates="thousandth"))
    for seen in (view(coordinates="thousandth"), view(h=32, w=64, coordinates="thousandth")):
        assert task.answer(sample, seen) == "[100, 100, 600, 300]"
        score = task.score(sample, seen, "[100, 200, 600, 400]")
        assert score.predicted == pytest.approx([8, 6, 16, 36])


def test_thousandths_from_below_count_upwards():
    task = load_task("detection", {"origin": "lower_left", "coordinates": "thousandth"})
    sample = only(task, record(Region("liver", mask((4, 12, 6, 36)))))
    assert task.answer(sample, view()) == "[100, 700, 600, 900]"
    assert task.score(sample, view(), "[100, 700, 600, 900]").values["iou"] == pytest.approx(1)


def test_the_mix_can_overrule_the_family_s_box_convention():
    task = load_task("detection", {"coordinates": "fraction"})
    sample = only(task, record(Region("liver", mask((4, 12, 6, 36)))))
    assert task.answer(sample, view(coordinates="pixel")) == "[0.100, 0.100, 0.600, 0.300]"
    assert "fractions" in task.prompt(sample, view(coordinates="pixel"))


def test_iou_is_computed_by_hand():
    task = load_task("detection")
    sample = only(task, record(Region("liver", mask((4, 12, 6, 36)))))
    score = task.score(sample, view(), "[0.1, 0.2, 0.6, 0.4]")  # half of it below the truth: 4 of 12 rows shared
    assert score.values["iou"] == pytest.approx(1 / 3)
    assert score.values["iou_over_0.5"] == 0
    assert score.predicted == pytest.approx([8, 6, 16, 36])


def test_every_number_about_a_box_is_computed_by_hand():
    task = load_task("detection")
    sample = only(task, record(Region("liver", mask((4, 12, 6, 36)))))
    score = task.score(sample, view(), "[0.1, 0.1, 0.5, 0.4]")  # rows 4..16, columns 6..30: 8 x 24 shared
    union = 8 * 30 + 12 * 24 - 8 * 24
    assert score.values == pytest.approx(
        {
            "iou": 192 / union,  # 0.571
            "iou_over_0.5": 1,
            "iou_over_0.75": 0,
            "iou_over_0.5_to_0.95": 0.2,  # 0.5 and 0.55
            "dice": 2 * 192 / (240 + 288),
            "precision": 192 / 288,
            "recall": 192 / 240,
            "centre_error": math.hypot(2 * 0.5, 3 * 2.0),
            "edge_error": (0 + 4 * 0.5 + 0 + 6 * 2.0) / 4,
        }
    )


def test_boxes_on_an_image_of_unknown_pixel_size_have_no_errors_in_mm():
    task = load_task("detection")
    sample = only(task, record(Region("liver", mask((4, 12, 6, 36))), spacing=None))
    values = task.score(sample, replace(view(), spacing=None), "[0.1, 0.1, 0.5, 0.4]").values
    assert set(values) == {metric.name for metric in task.metrics if not metric.unit}


def test_a_drawn_box_lies_in_the_image_and_may_be_anywhere_in_it():
    task = load_task("detection")
    sample = only(task, record(Region("liver", mask((4, 12, 6, 36)))))
    boxes = np.array([task.drawn(sample, np.random.default_rng(seed)).truth["box"] for seed in range(4000)])
    assert boxes.min() >= 0
    assert (boxes.max(axis=0) <= [40, 60, 40, 60]).all()
    assert (boxes[:, 2:] - boxes[:, :2]).mean(axis=0) == pytest.approx([20, 30], rel=0.05)
    assert boxes.mean(axis=0) == pytest.approx([10, 15, 30, 45], rel=0.05)
    rest = [40, 60] - (boxes[:, 2:] - boxes[:, :2])
    assert (boxes[:, :2] / rest).std(axis=0) == pytest.approx([12**-0.5] * 2, rel=0.05)  # as a uniform number's


def test_corners_in_any_order_make_the_same_box_but_a_flat_one_makes_none():
    task = load_task("detection")
    sample = only(task, record(Region("liver", mask((4, 12, 6, 36)))))
    assert task.score(sample, view(), "[0.6, 0.3, 0.1, 0.1]").values["iou"] == pytest.approx(1)
    assert task.score(sample, view(), "[0.1, 0.1, 0.1, 0.3]").values is None


def test_a_box_thinner_than_a_pixel_of_the_view_is_not_written_empty():
    task = load_task("detection")
    sample = only(task, record(Region("line", mask((4, 6, 6, 36)))))
    answer = task.answer(sample, view(h=4, w=30, coordinates="pixel"))
    assert answer == "[3, 0, 18, 1]"


@pytest.mark.parametrize(("rule", "box"), [("largest", [4, 6, 12, 36]), ("union", [4, 6, 22, 44]), ("single", None)])
def test_a_label_in_two_pieces_follows_the_rule(rule, box):
    skips = Skips()
    two = record(Region("liver", mask((4, 12, 6, 36), (20, 22, 40, 44))))
    samples = list(load_task("detection", {"components": rule}).samples(two, "part", skips))
    assert [sample.truth["box"] for sample in samples] == ([box] if box else [])
    assert bool(skips) == (box is None)


def test_pixels_that_touch_at_a_corner_are_one_piece():
    touching = record(Region("liver", mask((4, 6, 6, 9), (6, 8, 9, 12))))
    assert only(load_task("detection"), touching).truth["box"] == [4, 6, 8, 12]


def test_lesion_axes_are_in_mm_with_the_longer_first_even_when_it_is_shorter_in_pixels():
    # 24 rows of 0.5 mm are 12 mm; 9 columns of 2 mm are 18 mm: the longer side has fewer pixels.
    task = load_task("lesion_size")
    sample = only(task, record(Region("tumour", mask((4, 28, 6, 15)))))
    major, minor = (float(word) for word in task.answer(sample, view()).split(", "))
    assert (major, minor) == pytest.approx((4 * 18 / 12**0.5, 4 * 12 / 12**0.5), abs=0.06)


def test_axes_said_in_the_wrong_order_are_sorted_before_scoring():
    task = load_task("lesion_size")
    sample = only(task, record(Region("tumour", mask((4, 28, 6, 15)))))
    major, minor = task.answer(sample, view()).split(", ")
    assert task.score(sample, view(), f"{minor}, {major}").values["absolute_error"] == pytest.approx(0, abs=0.06)


def test_each_axis_of_a_lesion_has_an_error_of_its_own():
    task = load_task("lesion_size")
    sample = only(task, record(AxesLabel("tumour", 20.0, 10.0)))
    score = task.score(sample, view(), "26, 9")
    assert score.values == pytest.approx(
        {
            "absolute_error": 3.5,
            "relative_error": 0.2,  # (0.3 + 0.1) / 2
            "normalised_error": 3.5 / math.hypot(20, 120),
            "within_10_percent": 0,
            "within_20_percent": 0,  # both axes have to be
            "within_30_percent": 1,
            "within_2_mm": 0,
            "within_5_mm": 0,
            "major_axis_error": 6,
            "minor_axis_error": 1,
        }
    )
    assert task.measured(sample, score) == {"major axis": (26, 20), "minor axis": (9, 10)}


def test_a_lesion_that_determines_no_ellipse_is_left_out_with_a_reason():
    skips = Skips()
    thin = record(Region("tumour", mask((4, 5, 6, 36))))
    assert list(load_task("lesion_size").samples(thin, "part", skips)) == []
    assert "do not determine an ellipse" in skips[0][1]


def test_a_size_without_spacing_is_left_out_with_a_reason():
    skips = Skips()
    unknown = record(Region("tumour", mask((4, 28, 6, 15))), spacing=None)
    assert list(load_task("lesion_size").samples(unknown, "part", skips)) == []
    assert "pixel size unknown" in skips[0][1]


def test_a_distance_is_measured_in_mm_on_anisotropic_pixels():
    task = load_task("angle_distance")
    marks = Landmarks({"a": (10, 10), "b": (16, 12)}, distances=(("a", "b"),))  # 3 mm down, 4 mm right
    sample = only(task, record(marks))
    assert task.answer(sample, view()) == "5.0"
    score = task.score(sample, view(), "0.6 cm")
    assert score.values == pytest.approx(
        {
            "absolute_error": 1.0,
            "relative_error": 0.2,
            "normalised_error": 1 / math.hypot(20, 120),  # 40 rows of 0.5 mm, 60 columns of 2 mm
            "within_10_percent": 0,
            "within_20_percent": 1,
            "within_30_percent": 1,
            "within_2_mm": 1,
            "within_5_mm": 1,
        }
    )
    assert task.measured(sample, score) == {"distance": (6.0, 5.0)}


@pytest.mark.parametrize(("directed", "expected"), [(False, "45.0"), (True, "135.0")])
def test_an_angle_is_measured_in_mm_space_acute_or_directed_as_the_prompt_says(directed, expected):
    task = load_task("angle_distance", {"measure": "angle", "directed": directed})
    # a-b runs 4 mm right; c-d runs 4 mm left and 4 mm down (8 rows of 0.5 mm, 2 columns of 2 mm).
    marks = Landmarks({"a": (10, 10), "b": (10, 12), "c": (20, 20), "d": (28, 18)}, angles=((("a", "b"), ("c", "d")),))
    sample = only(task, record(marks))
    assert task.answer(sample, view()) == expected
    assert ("directed" in task.prompt(sample, view())) == directed


def test_an_angle_is_near_within_two_and_five_degrees():
    task = load_task("angle_distance", {"measure": "angle"})
    marks = Landmarks({"a": (10, 10), "b": (10, 12), "c": (20, 20), "d": (28, 22)}, angles=((("a", "b"), ("c", "d")),))
    sample = only(task, record(marks))  # 45 degrees
    near, far = (task.score(sample, view(), said).values for said in ("43", "50.5"))
    assert near == pytest.approx({"absolute_error": 2, "within_2_degrees": 1, "within_5_degrees": 1})
    assert far == pytest.approx({"absolute_error": 5.5, "within_2_degrees": 0, "within_5_degrees": 0})


def test_an_angle_outside_the_range_asked_for_is_no_answer():
    task = load_task("angle_distance", {"measure": "angle"})
    marks = Landmarks({"a": (1, 1), "b": (1, 9), "c": (2, 2), "d": (9, 3)}, angles=((("a", "b"), ("c", "d")),))
    assert task.score(only(task, record(marks)), view(), "120").values is None


def test_an_unknown_landmark_is_an_error_with_the_known_ones():
    marks = Landmarks({"a": (1, 1)}, distances=(("a", "z"),))
    with pytest.raises(DataError, match="no landmark named z") as caught:
        list(load_task("angle_distance").samples(record(marks), "part", Skips()))
    assert "a" in caught.value.fix


def test_a_class_outside_the_list_is_an_error():
    with pytest.raises(DataError, match="class 3 is not one of the 2 classes"):
        list(load_task("classification").samples(record(ClassLabel(3, ("a", "b"))), "part", Skips()))


def test_the_majority_class_is_the_trivial_guess_with_ties_by_name():
    task = load_task("classification")
    classes = ("fat", "bone")
    train = [only(task, record(ClassLabel(i, classes))) for i in (0, 1, 1, 0)]
    assert task.baseline(train)(train[0], view()) == "bone"


def test_the_baseline_box_is_the_median_per_label_as_a_fraction_of_the_image():
    task = load_task("detection")
    rows = [(0, 10, 0, 6), (10, 20, 6, 12), (24, 38, 14, 24)]  # the mean is another box
    train = [only(task, record(Region("liver", mask(row)))) for row in rows]
    assert task.baseline(train)(train[0], view()) == "[0.100, 0.250, 0.200, 0.500]"


def test_an_unknown_task_or_option_suggests_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'detection'"):
        load_task("detecton")
    with pytest.raises(ConfigError, match="did you mean 'components'"):
        load_task("detection", {"component": "union"})
    with pytest.raises(ConfigError, match="components"):
        load_task("detection", {"components": "both"})
