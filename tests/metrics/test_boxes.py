import pytest
from hypothesis import given
from hypothesis import strategies as st

from medft_bm.core.geometry import Box, PixelMap, Size
from medft_bm.metrics.boxes import area, intersection, iou

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
