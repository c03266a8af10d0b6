import pytest
from hypothesis import given
from hypothesis import strategies as st

from medft_bm.core.geometry import Box, PixelMap, Size, Spacing
from medft_bm.metrics.boxes import (
    area,
    centre_error_mm,
    dice,
    edge_error_mm,
    intersection,
    iou,
    mean_over_thresholds,
)

coordinate = st.floats(-50, 500, allow_nan=False, width=32)
side = st.floats(0.5, 200, allow_nan=False, width=32)
boxes = st.builds(lambda y, x, h, w: Box(y, x, y + h, x + w), coordinate, coordinate, side, side)


def test_iou_of_a_hand_computed_pair():
    # 4 x 10 and 6 x 5 boxes that share 2 rows and 3 columns: 6 / (40 + 30 - 6)
    a, b = Box(0, 0, 4, 10), Box(2, 7, 8, 12)

    assert (area(a), area(b), intersection(a, b)) == (40, 30, 6)
    assert iou(a, b) == pytest.approx(6 / 64)


def test_boxes_that_touch_or_lie_apart_share_nothing():
    a = Box(0, 0, 4, 10)

    assert iou(a, Box(4, 0, 8, 10)) == 0
    assert iou(a, Box(20, 30, 21, 40)) == 0
    assert iou(a, Box(1, 30, 3, 40)) == 0  # same rows, other columns


@given(boxes, boxes)
def test_iou_is_symmetric_between_zero_and_one_and_one_for_itself(a, b):
    assert iou(a, b) == pytest.approx(iou(b, a))
    assert 0 <= iou(a, b) <= 1 + 1e-12
    assert iou(a, a) == pytest.approx(1)


@given(boxes, boxes)
def test_iou_does_not_depend_on_the_grid_it_is_measured_on(a, b):
    to_view = PixelMap.stretch(Size(40, 70), Size(224, 64)).then(PixelMap.flip(Size(224, 64), x=True))

    assert iou(to_view.box(a), to_view.box(b)) == pytest.approx(iou(a, b), abs=1e-6)


def test_dice_of_a_hand_computed_pair():
    assert dice(Box(0, 0, 4, 10), Box(2, 7, 8, 12)) == pytest.approx(2 * 6 / (40 + 30))


@given(boxes, boxes)
def test_dice_and_iou_say_the_same_on_different_scales(a, b):
    assert dice(a, b) == pytest.approx(2 * iou(a, b) / (1 + iou(a, b)))


@pytest.mark.parametrize(("overlap", "share"), [(1.0, 1.0), (0.95, 1.0), (0.949, 0.9), (0.5, 0.1), (0.499, 0.0)])
def test_ten_thresholds_from_one_half_are_reached_one_after_the_other(overlap, share):
    assert mean_over_thresholds(overlap) == pytest.approx(share)


def test_distances_in_mm_follow_each_axis_own_spacing():
    a, b, spacing = Box(0, 0, 4, 10), Box(2, 7, 8, 12), Spacing(y=0.5, x=2.0)

    # Centres (2, 5) and (5, 9.5); edges 2, 7, 4 and 2 pixels apart.
    assert centre_error_mm(a, b, spacing) == pytest.approx((1.5**2 + 9.0**2) ** 0.5)
    assert edge_error_mm(a, b, spacing) == pytest.approx((2 * 0.5 + 7 * 2.0 + 4 * 0.5 + 2 * 2.0) / 4)


@given(boxes, boxes)
def test_distances_in_mm_do_not_depend_on_the_grid_they_are_measured_on(a, b):
    spacing = Spacing(y=0.7, x=2.5)
    there = PixelMap.stretch(Size(40, 70), Size(224, 64)).then(PixelMap.flip(Size(224, 64), x=True))

    for error in (centre_error_mm, edge_error_mm):
        moved = error(there.box(a), there.box(b), there.spacing(spacing))
        assert moved == pytest.approx(error(a, b, spacing), abs=1e-6)
