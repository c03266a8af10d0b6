import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medft_bm.core.geometry import Size, Spacing, angle_deg, length_mm
from medft_bm.core.types import ImageRef, Sample
from medft_bm.evaluate.report.marks import predicted_marks, scale_bar_mm, shown_size, truth_marks

SPACING = Spacing(y=0.7, x=2.5)


def sample(truth) -> Sample:
    return Sample("u", "t", "s", "p", ImageRef("a.png"), Size(120, 60), SPACING, truth)


LESION = {"major": [[20.0, 10.0], [70.0, 30.0]], "minor": [[40.0, 25.0], [50.0, 15.0]], "label": "tumour"}
DISTANCE = {"kind": "distance", "points": {"a": [10.0, 20.0], "b": [90.0, 35.0]}, "lines": [["a", "b"]]}
POINTS = {"a": [10.0, 20.0], "b": [90.0, 35.0], "c": [30.0, 50.0], "d": [60.0, 12.0]}


def angle(directed) -> dict[str, object]:
    return {"kind": "angle", "points": POINTS, "lines": [["a", "b"], ["c", "d"]], "directed": directed}


def test_a_box_is_drawn_where_it_was_predicted():
    truth, said = sample({"box": [5, 10, 25, 40]}), [6.0, 11.0, 20.0, 44.0]

    assert [mark.yx.tolist() for mark in truth_marks(truth)] == [[[5, 10], [5, 40], [25, 40], [25, 10]]]
    assert [mark.yx.min(axis=0).tolist() for mark in predicted_marks(truth, said)] == [[6, 11]]
    assert [mark.yx.max(axis=0).tolist() for mark in predicted_marks(truth, said)] == [[20, 44]]


def test_predicted_axes_have_their_length_in_mm_and_the_direction_of_the_true_ones():
    marks = predicted_marks(sample(LESION), [33.0, 12.5])

    assert [length_mm(mark.yx, SPACING) for mark in marks] == pytest.approx([33.0, 12.5])
    for mark, axis in zip(marks, ("major", "minor"), strict=True):
        assert angle_deg(mark.yx, LESION[axis], SPACING) == pytest.approx(0, abs=1e-4)


@given(st.floats(0.1, 500))
def test_a_predicted_distance_lies_beside_the_true_line_with_its_own_length(millimetres):
    (mark,) = predicted_marks(sample(DISTANCE), millimetres)
    true_mm = np.array([DISTANCE["points"]["a"], DISTANCE["points"]["b"]]) * [SPACING.y, SPACING.x]
    middle_mm = mark.yx.mean(axis=0) * [SPACING.y, SPACING.x]

    assert length_mm(mark.yx, SPACING) == pytest.approx(millimetres)
    assert angle_deg(mark.yx, true_mm / [SPACING.y, SPACING.x], SPACING) == pytest.approx(0, abs=1e-4)
    beside_mm = middle_mm - true_mm.mean(axis=0)
    assert beside_mm @ (true_mm[1] - true_mm[0]) == pytest.approx(0, abs=1e-6)
    assert 1 < np.linalg.norm(beside_mm) < 10


@given(st.floats(1, 89), st.booleans())
def test_a_predicted_angle_turns_the_second_line_about_its_middle(degrees, directed):
    truth = sample(angle(directed))
    first, second = (mark.yx for mark in truth_marks(truth))

    (mark,) = predicted_marks(truth, degrees)

    assert angle_deg(first, mark.yx, SPACING, directed=directed) == pytest.approx(degrees, abs=1e-3)
    assert mark.yx.mean(axis=0) == pytest.approx(second.mean(axis=0))
    assert length_mm(mark.yx, SPACING) == pytest.approx(length_mm(second, SPACING))


@pytest.mark.parametrize("truth", [LESION, DISTANCE, angle(True), {"box": [1, 2, 3, 4]}, {"class_id": 1}])
def test_nothing_is_drawn_for_a_reply_without_an_answer(truth):
    assert predicted_marks(sample(truth), None) == []


def test_a_class_and_a_truth_of_a_plug_in_task_have_no_marks():
    for truth in ({"class_id": 1, "classes": ["a", "b"]}, {"volume_ml": 3}):
        assert truth_marks(sample(truth)) == []
        assert predicted_marks(sample(truth), 1) == []


def test_a_lesion_of_stated_lengths_alone_has_no_place_to_be_drawn_at():
    stated = sample({"major_mm": 21.0, "minor_mm": 9.5, "label": "tumour"})
    assert truth_marks(stated) == []
    assert predicted_marks(stated, [20.0, 10.0]) == []
    placed = sample({"major_mm": 21.0, "minor_mm": 9.5, **LESION})
    assert [mark.yx.tolist() for mark in truth_marks(placed)] == [LESION["major"], LESION["minor"]]


@pytest.mark.parametrize(
    ("width_mm", "bar_mm"), [(40, 10), (39.9, 5), (180, 20), (200, 50), (7, 1), (0.9, 0.2), (4000, 1000)]
)
def test_a_scale_bar_is_round_and_at_most_a_quarter_of_the_width(width_mm, bar_mm):
    assert scale_bar_mm(width_mm) == pytest.approx(bar_mm)


def test_a_slice_is_shown_in_its_true_proportions():
    assert shown_size(Size(120, 60), SPACING, 300) == Size(168, 300)  # 84 mm x 150 mm
    assert shown_size(Size(120, 60), None, 300) == Size(300, 150)
