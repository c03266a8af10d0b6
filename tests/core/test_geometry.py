from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medft_bm.core.errors import GeometryError
from medft_bm.core.geometry import Box, PixelMap, Size, Spacing, angle_deg, length_mm

SPACING = Spacing(y=0.7, x=2.5)
sides = st.integers(1, 900)
sizes = st.builds(Size, sides, sides)
coordinates = st.floats(-500, 1500, allow_nan=False)
segments = st.lists(st.tuples(coordinates, coordinates), min_size=2, max_size=2)


@st.composite
def maps_from(draw: st.DrawFn, src: Size) -> PixelMap:
    kind = draw(st.sampled_from(["stretch", "crop", "flip"]))
    if kind == "stretch":
        return PixelMap.stretch(src, draw(sizes))
    if kind == "crop":
        return PixelMap.crop(src, draw(st.integers(-50, 50)), draw(st.integers(-50, 50)), draw(sizes))
    return PixelMap.flip(src, y=draw(st.booleans()), x=draw(st.booleans()))


@st.composite
def chains(draw: st.DrawFn) -> tuple[PixelMap, PixelMap, PixelMap]:
    first = draw(maps_from(draw(sizes)))
    second = draw(maps_from(first.dst))
    return first, second, draw(maps_from(second.dst))


@given(chains(), segments)
def test_a_map_and_its_inverse_lead_back(chain, yx):
    for one in chain:
        np.testing.assert_allclose(one.inverse.points(one.points(yx)), yx, atol=1e-6)
        assert (one.inverse.src, one.inverse.dst) == (one.dst, one.src)


@given(chains(), segments)
def test_chaining_maps_is_applying_them_in_turn_whatever_the_brackets(chain, yx):
    a, b, c = chain
    in_turn = c.points(b.points(a.points(yx)))
    np.testing.assert_allclose(a.then(b).then(c).points(yx), in_turn, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(a.then(b.then(c)).points(yx), in_turn, rtol=1e-9, atol=1e-6)


@given(chains(), segments)
def test_lengths_and_angles_in_mm_survive_every_map(chain, yx):
    whole = chain[0].then(chain[1]).then(chain[2])
    moved = length_mm(whole.points(yx), whole.spacing(SPACING))
    assert moved == pytest.approx(length_mm(yx, SPACING), rel=1e-6, abs=1e-6)
    other = np.array([[3.0, 4.0], [60.0, 25.0]])
    if length_mm(yx, SPACING) > 1:
        before = angle_deg(yx, other, SPACING)
        after = angle_deg(whole.points(yx), whole.points(other), whole.spacing(SPACING))
        assert after == pytest.approx(before, abs=1e-3)


def test_a_stretch_takes_the_corners_of_the_image_onto_the_corners():
    there = PixelMap.stretch(Size(30, 80), Size(60, 20))
    assert there.points([[0, 0], [30, 80], [0.5, 0.5]]).tolist() == [[0, 0], [60, 20], [1.0, 0.125]]
    assert there.spacing(Spacing(1.0, 2.0)) == Spacing(0.5, 8.0)


def test_a_flip_moves_the_first_pixels_centre_to_the_last_pixels_centre():
    assert PixelMap.flip(Size(30, 80), x=True).points([[0.5, 0.5]]).tolist() == [[0.5, 79.5]]
    assert PixelMap.flip(Size(30, 80), y=True).points([[0.5, 0.5]]).tolist() == [[29.5, 0.5]]


def test_a_flip_and_a_crop_agree_with_numpy_on_a_planted_pixel():
    image = np.zeros((7, 11))
    image[2, 9] = 1
    whole = PixelMap.flip(Size(7, 11), y=True).then(PixelMap.crop(Size(7, 11), 3, 5, Size(4, 6)))
    box = whole.box(Box.of_mask(image))
    assert box == Box.of_mask(image[::-1][3:, 5:]) == Box(1, 4, 2, 5)


def test_unknown_spacing_stays_unknown():
    assert PixelMap.stretch(Size(3, 5), Size(6, 7)).spacing(None) is None


def test_maps_between_other_images_cannot_be_chained():
    with pytest.raises(GeometryError, match="cannot chain"):
        PixelMap.identity(Size(3, 5)).then(PixelMap.identity(Size(5, 3)))


def test_the_box_of_a_mask_covers_its_pixels_whole():
    mask = np.zeros((9, 13), bool)
    mask[2:5, 7:12] = True
    mask[3, 1] = True
    assert Box.of_mask(mask) == Box(2, 1, 5, 12)
    assert Box.of_mask(mask[:, 7:] * 255) == Box(2, 0, 5, 5)


@pytest.mark.parametrize("corners", [(1, 1, 1, 2), (0, 3, 4, 2), (0, 0, math.nan, 2), (0, 0, math.inf, 2)])
def test_impossible_boxes_are_refused(corners):
    with pytest.raises(GeometryError):
        Box(*corners)


def test_an_empty_mask_has_no_box():
    with pytest.raises(GeometryError, match="empty mask"):
        Box.of_mask(np.zeros((3, 4)))


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_impossible_spacing_is_refused_on_either_axis(value):
    with pytest.raises(GeometryError, match="positive and finite"):
        Spacing(value, 1.0)
    with pytest.raises(GeometryError, match="positive and finite"):
        Spacing(1.0, value)


def test_a_size_needs_a_pixel_on_each_side_and_a_map_a_scale():
    with pytest.raises(GeometryError):
        Size(0, 4)
    with pytest.raises(GeometryError):
        PixelMap(Size(3, 4), Size(3, 4), 1.0, 0.0)


def test_a_length_weighs_each_axis_with_its_own_spacing():
    assert length_mm([[1, 1], [4, 1]], SPACING) == pytest.approx(2.1)
    assert length_mm([[1, 1], [1, 4]], SPACING) == pytest.approx(7.5)


def test_the_angle_is_the_one_on_the_patient_not_on_the_pixels():
    diagonal, vertical = [[0, 0], [25, 7]], [[0, 0], [10, 0]]  # 17.5 mm down, 17.5 mm across
    assert angle_deg(diagonal, vertical, SPACING) == pytest.approx(45)
    assert angle_deg(diagonal, vertical[::-1], SPACING) == pytest.approx(45)
    assert angle_deg(diagonal, vertical[::-1], SPACING, directed=True) == pytest.approx(135)


def test_a_line_without_length_has_no_angle():
    with pytest.raises(GeometryError, match="non-zero length"):
        angle_deg([[1, 1], [1, 1]], [[0, 0], [1, 0]], SPACING)


def test_a_point_that_is_not_a_number_has_no_angle():
    with pytest.raises(GeometryError):
        angle_deg([[1, math.nan], [1, 1]], [[0, 0], [1, 0]], SPACING)
