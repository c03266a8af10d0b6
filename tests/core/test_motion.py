from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medft_bm.core.errors import GeometryError
from medft_bm.core.geometry import Box, PixelMap, Size, Spacing, angle_deg, length_mm
from medft_bm.core.motion import Motion

SIZE, SPACING = Size(60, 84), Spacing(y=0.7, x=2.5)
coordinates = st.floats(-50, 150, allow_nan=False)
segments = st.lists(st.tuples(coordinates, coordinates), min_size=2, max_size=2)


@st.composite
def motions(draw: st.DrawFn, spacing: Spacing | None = SPACING) -> Motion:
    return Motion.window(
        SIZE,
        spacing,
        dst=Size(draw(st.integers(1, 200)), draw(st.integers(1, 200))),
        centre=(draw(coordinates), draw(coordinates)),
        scale=draw(st.floats(0.5, 2)),
        turn_deg=draw(st.floats(-180, 180)),
        flip_y=draw(st.booleans()),
        flip_x=draw(st.booleans()),
    )


@given(motions(), segments)
def test_lengths_and_angles_in_mm_survive_every_motion(motion, yx):
    assert length_mm(motion.points(yx), motion.spacing) == pytest.approx(length_mm(yx, SPACING), rel=1e-9, abs=1e-9)
    other = np.array([[3.0, 4.0], [60.0, 25.0]])
    if length_mm(yx, SPACING) > 1:
        moved = [motion.points(line) for line in (yx, other)]
        for directed in (False, True):
            after = angle_deg(*moved, motion.spacing, directed=directed)
            assert after == pytest.approx(angle_deg(yx, other, SPACING, directed=directed), abs=1e-5)


@given(motions(), segments)
def test_a_motion_and_its_inverse_lead_back(motion, yx):
    back, shift = motion.inverse
    np.testing.assert_allclose(motion.points(yx) @ back.T + shift, yx, atol=1e-8)


@given(motions(spacing=None), segments)
def test_with_unknown_spacing_pixels_count_as_squares(motion, yx):
    assert motion.spacing is None
    (yy, yx_), (xy, xx) = motion.matrix
    assert np.hypot(yy, xy) == pytest.approx(np.hypot(yx_, xx))


def test_a_motion_that_only_flips_or_cuts_is_the_pixel_map_of_that_name():
    points = [[0.5, 0.5], [30.25, 81.0]]
    for flips in ({"flip_y": True}, {"flip_x": True}):
        flipped = Motion.window(SIZE, SPACING, **flips)
        same = PixelMap.flip(SIZE, **{name[-1]: True for name in flips})
        np.testing.assert_allclose(flipped.points(points), same.points(points))
        assert flipped.spacing == SPACING
        assert flipped.lossless
    cut = Motion.window(SIZE, SPACING, dst=Size(21, 30), centre=(7 + 10.5, 9 + 15))
    np.testing.assert_allclose(cut.points(points), PixelMap.crop(SIZE, 7, 9, Size(21, 30)).points(points))
    assert cut.lossless


def test_a_positive_turn_is_counter_clockwise_on_the_screen():
    motion = Motion.window(SIZE, Spacing(1.0, 1.0), turn_deg=90)
    np.testing.assert_allclose(motion.points([[30, 42], [30, 52]]), [[30, 42], [20, 42]], atol=1e-9)


def test_a_turn_is_one_of_the_patient_not_of_the_pixels():
    motion = Motion.window(SIZE, SPACING, turn_deg=90)
    np.testing.assert_allclose(motion.points([[30, 49]]), [[30 - 7 * 2.5 / 0.7, 42]], atol=1e-9)


def test_a_larger_pixel_shows_more():
    motion = Motion.window(SIZE, SPACING, scale=1.25)
    assert motion.spacing == Spacing(0.875, 3.125)
    np.testing.assert_allclose(motion.points([[0, 0], [60, 84]]), [[6, 8.4], [54, 75.6]])
    assert not motion.lossless


def test_what_happens_is_named():
    plain, turned = Motion.window(SIZE, SPACING), Motion.window(SIZE, SPACING, turn_deg=5, flip_x=True)
    assert (plain.turns, plain.flips_y, plain.flips_x, plain.lossless) == (False, False, False, True)
    assert (turned.turns, turned.flips_y, turned.flips_x, turned.lossless) == (True, False, True, False)


def test_a_box_goes_along_with_a_flip_and_not_with_a_turn():
    box = Box(2, 3, 10, 20)
    assert Motion.window(SIZE, SPACING, flip_x=True).box(box) == Box(2, 64, 10, 81)
    with pytest.raises(GeometryError, match="cannot be turned"):
        Motion.window(SIZE, SPACING, turn_deg=1e-6).box(box)


def test_points_are_kept_with_a_margin_or_as_near_the_edge_as_they_were():
    cut = Motion.window(SIZE, SPACING, dst=Size(50, 74), centre=(30, 42))  # 5 off each side
    assert cut.keeps([[30, 42], [20, 9]], margin=4)
    assert not cut.keeps([[30, 42], [20, 8]], margin=4)
    at_the_edge = [[0.0, 42.0]]
    assert Motion.window(SIZE, SPACING, flip_y=True).keeps(at_the_edge, margin=4)
    assert not cut.keeps(at_the_edge, margin=4)


@pytest.mark.parametrize("wrong", [{"scale": 0.0}, {"scale": float("nan")}, {"turn_deg": float("inf")}])
def test_impossible_motions_are_refused(wrong):
    with pytest.raises(GeometryError, match="positive scale and a finite angle"):
        Motion.window(SIZE, SPACING, **wrong)
