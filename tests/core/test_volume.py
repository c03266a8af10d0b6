from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from medft_bm.core.errors import GeometryError
from medft_bm.core.geometry import Size, Spacing
from medft_bm.core.volume import PLANES, VolumeGeometry

STEP = {"R": 0.7, "A": 1.3, "S": 2.9}
WORLD = {"R": 0, "A": 1, "S": 2}
OPPOSITE = {"L": "R", "P": "A", "I": "S"}
CODES = ["".join(letters) for order in permutations(("RL", "AP", "SI")) for letters in product(*order)]


def geometry_of(codes: str, shape=(5, 7, 11)) -> VolumeGeometry:
    affine = np.eye(4)
    affine[:3, :3] = 0
    affine[:3, 3] = (13.0, -40.0, 7.5)
    for axis, code in enumerate(codes):
        positive = OPPOSITE.get(code, code)
        affine[WORLD[positive], axis] = STEP[positive] * (1 if positive == code else -1)
    return VolumeGeometry(shape, affine)


def oblique(tilt=0.3, turn=0.4) -> VolumeGeometry:
    about_x = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    about_z = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = about_z @ about_x @ np.diag([-0.7, 1.3, 2.9])
    affine[:3, 3] = (13.0, -40.0, 7.5)
    return VolumeGeometry((5, 7, 11), affine)


@pytest.mark.parametrize("codes", CODES)
def test_axis_codes_and_spacing_are_those_the_affine_was_made_of(codes):
    geometry = geometry_of(codes)
    assert geometry.axis_codes == codes
    assert geometry.spacing_ijk == pytest.approx([STEP[OPPOSITE.get(code, code)] for code in codes])
    for plane in PLANES:
        assert geometry.plane_of(geometry.axis_of(plane)) == plane


@pytest.mark.parametrize("geometry", [*map(geometry_of, CODES), oblique()], ids=[*CODES, "oblique"])
@pytest.mark.parametrize("plane", PLANES)
def test_on_screen_right_is_left_and_anterior_and_superior_are_up(geometry, plane):
    layout = geometry.layout(geometry.axis_of(plane))
    size = geometry.slice_size(layout)
    corners = np.array([[0.5, 0.5], [0.5, size.w - 0.5], [size.h - 0.5, 0.5]])
    first, last_column, last_row = geometry.ras(geometry.slice_ijk(layout, 2, corners))
    across, down = last_column - first, last_row - first
    horizontal = {"axial": 0, "coronal": 0, "sagittal": 1}[plane]
    vertical = {"axial": 1, "coronal": 2, "sagittal": 2}[plane]
    assert np.argmax(np.abs(across)) == horizontal
    assert np.argmax(np.abs(down)) == vertical
    assert across[horizontal] < 0  # towards the patient's left, or posterior
    assert down[vertical] < 0  # towards posterior, or inferior


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("codes", CODES)
def test_the_spacing_of_a_slice_belongs_to_the_axes_on_screen(codes, plane):
    geometry = geometry_of(codes)
    y, x = {"axial": "AR", "coronal": "SR", "sagittal": "SA"}[plane]
    assert geometry.slice_spacing(geometry.layout(geometry.axis_of(plane))) == Spacing(STEP[y], STEP[x])


@pytest.mark.parametrize("frame", ["display", "stored"])
@pytest.mark.parametrize("geometry", [*map(geometry_of, CODES), oblique()], ids=[*CODES, "oblique"])
def test_a_planted_voxel_is_found_at_its_slice_coordinates_and_back(geometry, frame):
    voxel = (3, 1, 8)
    array = np.zeros(geometry.shape_ijk)
    array[voxel] = 1
    for axis in range(3):
        layout = geometry.layout(axis, frame)
        shown = layout.image(array[(slice(None),) * axis + (voxel[axis],)])
        assert Size(*shown.shape) == geometry.slice_size(layout)
        centre = geometry.slice_points(layout, np.array([voxel], float))
        assert (centre - 0.5).tolist() == np.argwhere(shown).tolist()
        assert geometry.slice_ijk(layout, voxel[axis], centre).tolist() == [list(voxel)]


def test_the_stored_frame_is_the_array_itself():
    array = np.arange(5 * 7 * 11).reshape(5, 7, 11)
    for axis in range(3):
        shown = geometry_of("LPS").layout(axis, "stored").image(array.take(4, axis))
        assert (shown == array.take(4, axis)).all()


def test_slice_points_do_not_change_what_they_are_given():
    geometry, points = geometry_of("RAS"), np.array([[1.0, 2.0, 3.0]])
    layout = geometry.layout(2)
    yx = geometry.slice_points(layout, points)
    kept = yx.copy()
    geometry.slice_ijk(layout, 3, yx)
    assert points.tolist() == [[1.0, 2.0, 3.0]]
    assert yx.tolist() == kept.tolist()


def test_the_same_grid_is_shape_and_place_together():
    geometry = geometry_of("LPS")
    moved = geometry.ras_from_ijk.copy()
    moved[1, 3] += 0.005
    assert geometry.matches(VolumeGeometry((5, 7, 11), moved))
    moved[1, 3] += 0.01
    assert not geometry.matches(VolumeGeometry((5, 7, 11), moved))
    assert not geometry.matches(geometry_of("LPS", (5, 7, 12)))
    assert not geometry.matches(geometry_of("RPS"))


@pytest.mark.parametrize("broken", [np.full((4, 4), np.nan), np.diag([0.7, 0.0, 2.9, 1]), np.eye(3)])
def test_impossible_affines_are_refused(broken):
    with pytest.raises(GeometryError):
        VolumeGeometry((3, 4, 5), broken)


def test_an_affine_that_flattens_the_volume_is_refused():
    affine = np.eye(4)
    affine[:3, :3] = [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, 0.8, 0.9]]  # the columns lie in one plane
    with pytest.raises(GeometryError):
        VolumeGeometry((3, 4, 5), affine)
