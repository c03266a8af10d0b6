from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import regionprops

from medft_bm.core.ellipse import axes_mm, lesion_axes
from medft_bm.core.errors import GeometryError
from medft_bm.core.geometry import PixelMap, Size, Spacing, length_mm


def drawn(shape, spacing: Spacing, centre_mm, radii_mm, angle) -> np.ndarray:
    """A tilted ellipse; ``angle`` from the x axis towards y, in mm."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    dy, dx = (y + 0.5) * spacing.y - centre_mm[0], (x + 0.5) * spacing.x - centre_mm[1]
    along, across = dx * np.cos(angle) + dy * np.sin(angle), -dx * np.sin(angle) + dy * np.cos(angle)
    return (along / radii_mm[0]) ** 2 + (across / radii_mm[1]) ** 2 <= 1


@pytest.mark.parametrize("angle", [0.0, 0.5, 1.2, 2.4])
def test_the_axes_agree_with_scikit_image_on_an_isotropic_upsampled_mask(angle):
    spacing = Spacing(y=0.5, x=2.0)
    mask = drawn((150, 60), spacing, (37.0, 61.0), (30.0, 16.0), angle)
    fine = regionprops(np.repeat(np.repeat(mask, 5, 0), 20, 1).astype(np.uint8))[0]  # 0.1 mm pixels
    major, minor = axes_mm(lesion_axes(mask, spacing), spacing)
    assert major == pytest.approx(fine.axis_major_length * 0.1, rel=1e-3)
    assert minor == pytest.approx(fine.axis_minor_length * 0.1, rel=1e-3)


def test_a_known_ellipse_has_its_lengths_direction_and_centre_in_mm():
    spacing = Spacing(y=0.5, x=2.0)
    axes = lesion_axes(drawn((150, 60), spacing, (37.0, 61.0), (30.0, 16.0), 0.5), spacing)
    assert axes_mm(axes, spacing) == pytest.approx((60.0, 32.0), rel=0.01)
    ends = np.array(axes.major) * (spacing.y, spacing.x)
    assert ends.mean(axis=0) == pytest.approx((37.0, 61.0), abs=0.1)
    dy, dx = ends[1] - ends[0]
    assert np.arctan2(dy, dx) % np.pi == pytest.approx(0.5, abs=0.02)


def test_the_longer_axis_in_mm_is_the_major_one_even_when_it_is_shorter_in_pixels():
    spacing = Spacing(y=0.5, x=4.0)
    mask = np.zeros((60, 30), bool)
    mask[10:40, 5:15] = True  # 30 pixels = 15 mm down, 10 pixels = 40 mm across
    (y0, x0), (y1, x1) = lesion_axes(mask, spacing).major
    assert abs(x1 - x0) > 1
    assert abs(y1 - y0) < 1e-9
    assert axes_mm(lesion_axes(mask, spacing), spacing) == pytest.approx((40 * 2 / 3**0.5, 15 * 2 / 3**0.5))


def test_the_axes_follow_the_image_through_a_flip():
    spacing = Spacing(y=0.8, x=1.9)
    mask = drawn((70, 50), spacing, (25.0, 50.0), (20.0, 9.0), 0.7)
    there = PixelMap.flip(Size(70, 50), x=True)
    moved = there.points(lesion_axes(mask, spacing).major)
    again = np.array(lesion_axes(mask[:, ::-1], spacing).major)
    assert sorted(map(tuple, moved.round(6))) == sorted(map(tuple, again.round(6)))
    assert length_mm(moved, spacing) == pytest.approx(length_mm(again, spacing))


@pytest.mark.parametrize("area", [np.s_[0:0, 0:0], np.s_[2:4, 2:4], np.s_[3, 1:9], np.s_[1:9, 3]])
def test_a_lesion_that_determines_no_ellipse_is_refused(area):
    mask = np.zeros((12, 15), bool)
    mask[area] = True
    with pytest.raises(GeometryError, match="do not determine an ellipse"):
        lesion_axes(mask, Spacing(0.7, 2.5))
