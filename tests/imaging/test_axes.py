from __future__ import annotations

import numpy as np
import pytest
import SimpleITK

from medft_bm.core.volume import VolumeGeometry
from medft_bm.imaging.axes import with_axes_of
from medft_bm.imaging.read import Volume, read_volume


@pytest.fixture
def stored(tmp_path, itk_image):
    """The oblique image as it is and stored along other axes."""

    def write(order=(0, 1, 2), flip=(False, False, False)) -> Volume:
        turned = SimpleITK.Flip(SimpleITK.PermuteAxes(itk_image, order), flip)
        SimpleITK.WriteImage(turned, str(tmp_path / "turned.nrrd"))
        return read_volume(tmp_path / "turned.nrrd")

    return write


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 0, 2), (2, 1, 0)])
@pytest.mark.parametrize("flip", [(False, False, False), (True, False, False), (False, True, True), (True, True, True)])
def test_an_oblique_volume_stored_along_other_axes_is_laid_out_as_before_without_a_copy(stored, order, flip):
    image, turned = stored(), stored(order, flip)
    back = with_axes_of(turned, image.geometry)
    assert (back.array == image.array).all()
    assert back.geometry.matches(image.geometry, 1e-3)
    assert np.shares_memory(back.array, turned.array)


def test_the_same_axes_change_nothing(stored):
    image = stored()
    assert with_axes_of(image, image.geometry) is image


@pytest.mark.parametrize("scale", [(2.0, 1, 1), (1, 0.4, 1)])
def test_other_steps_along_an_axis_are_left_for_the_comparison(stored, scale):
    image = stored((2, 0, 1))
    other = VolumeGeometry(image.geometry.shape_ijk, image.geometry.ras_from_ijk @ np.diag([*scale, 1]))
    assert with_axes_of(image, other) is image


def test_a_turn_that_is_not_a_quarter_is_left_for_the_comparison():
    angle = np.radians(40)
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    straight, turned = VolumeGeometry((4, 4, 4), np.eye(4)), VolumeGeometry((4, 4, 4), affine)
    volume = with_axes_of(Volume(np.zeros((4, 4, 4)), straight), turned)
    assert not volume.geometry.matches(turned)
