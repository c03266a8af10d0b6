from __future__ import annotations

import json

import numpy as np
import pytest

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.geometry import Size, Spacing, angle_deg, length_mm
from medft_bm.core.volume import VolumeGeometry
from medft_bm.imaging.read import read_geometry
from medft_bm.imaging.slices import render
from medft_bm.imaging.write import write_volume

SPINE = {"file": "points.json", "planes": ["sagittal"], "modality": "CT", "window": "min_max"}
LEVELS = {16: "T9", 17: "T10", 18: "T11", 19: "T12", 20: "L1", 21: "L2", 22: "L3", 23: "L4", 24: "L5"}


@pytest.fixture
def spine(real_data, tmp_path):
    """A real mask that stands for its CT, and the list of its vertebra centres; ``change`` may rewrite the entry."""
    name = "sub-verse004_seg-vert_msk.nii.gz"
    (tmp_path / name).symlink_to(real_data / "B_verse_spine" / name)
    centres = json.loads((real_data / "B_verse_spine/sub-verse004_seg-subreg_ctd.json").read_text())[1:]
    points = {LEVELS[centre["label"]]: [centre[axis] for axis in "XYZ"] for centre in centres}

    def write(change=lambda points, geometry: points) -> dict[str, list[float]]:
        moved = change(points, read_geometry(tmp_path / name))
        (tmp_path / "points.json").write_text(json.dumps([{"image": name, "points": moved}]))
        return points

    return write


@pytest.fixture
def volume(tmp_path):
    """RAS, 8 x 10 x 6 voxels of 0.7 x 1.3 x 2.9 mm, every voxel another value; and a way to list points in it."""
    geometry = VolumeGeometry((8, 10, 6), np.diag([0.7, 1.3, 2.9, 1.0]))
    values = np.arange(480, dtype=np.int16).reshape(8, 10, 6)
    write_volume(tmp_path / "v.nii.gz", values, geometry)

    def write(*entries: dict):
        made = [{"image": "v.nii.gz", **entry} for entry in entries]
        (tmp_path / "points.json").write_text(json.dumps(made))
        return tmp_path

    return write


PAIR = {"file": "points.json", "distances": [["a", "b"]]}


def test_real_vertebra_centres_are_measured_in_the_sagittal_slices_that_hold_them(read, spine, tmp_path):
    points = spine()
    records = read(
        "landmarks", tmp_path, **SPINE, distances=[["T9", "T10"], ["L4", "L5"], ["T9", "L5"]],
        angles=[[["T9", "T10"], ["T11", "T12"]]], names={"T9": "ninth thoracic vertebra"},
    )  # fmt: skip
    assert [record.image.index for record in records] == [29, 32]
    assert read.skipped == [("sub-verse004_seg-vert_msk.nii.gz T9-L5", "its points do not lie in one slice")]
    for record, (a, b) in zip(records, [("L4", "L5"), ("T9", "T10")], strict=True):
        (marks,) = record.annotations
        (said,) = marks.distances
        dx, dy, _ = np.subtract(points[a], points[b])  # P and I, both 1 mm; the third axis is R, 2 mm
        assert length_mm([marks.points[name] for name in said], record.spacing) == pytest.approx(
            np.hypot(dx, dy), rel=1e-3
        )
        assert (record.tags["plane"], record.size) == ("sagittal", Size(338, 161))
    upper = records[1].annotations[0]
    assert upper.distances == (("ninth thoracic vertebra", "T10"),)
    ((first, second),) = upper.angles
    u, v = np.subtract(points["T10"], points["T9"])[:2], np.subtract(points["T12"], points["T11"])[:2]
    expected = np.degrees(np.arccos(abs(u @ v) / np.linalg.norm(u) / np.linalg.norm(v)))
    lines = [[upper.points[name] for name in pair] for pair in (first, second)]
    assert angle_deg(*lines, records[1].spacing) == pytest.approx(expected, abs=0.01)


def test_a_real_vertebra_centre_lies_in_its_vertebra_on_the_rendered_slice(read, spine, tmp_path):
    spine()
    (record,) = read("landmarks", tmp_path, **SPINE, distances=[["L4", "L5"]])
    image = next(render(tmp_path, [record.image]))
    levels = {name: image[int(y), int(x)] for name, (y, x) in record.annotations[0].points.items()}
    assert levels["L5"] == 255  # label 24, the highest on the slice
    assert 0 < levels["L4"] < 255


@pytest.mark.parametrize("space", ["ras", "lps"])
def test_millimetres_name_the_same_places_as_voxels(read, spine, tmp_path, space):
    spine()
    options = {**SPINE, "distances": [["T9", "T10"]]}
    (expected,) = read("landmarks", tmp_path, **options)
    signs = np.array([-1, -1, 1] if space == "lps" else [1, 1, 1])
    spine(
        lambda points, geometry: {
            name: (geometry.ras(np.array([at]))[0] * signs).round(3).tolist() for name, at in points.items()
        }
    )
    (record,) = read("landmarks", tmp_path, **options, point_space=space)
    assert record.image == expected.image
    for name, yx in expected.annotations[0].points.items():
        assert record.annotations[0].points[name] == pytest.approx(yx, abs=2e-3)


def test_three_numbers_land_where_the_display_shows_the_voxel(read, volume):
    root = volume({"points": {"a": [1, 2, 3], "b": [6, 8, 3.4]}})
    (record,) = read("landmarks", root, **PAIR, window="min_max")
    assert (record.image.axis, record.image.index, record.size) == (2, 3, Size(10, 8))
    assert (record.spacing.y, record.spacing.x) == pytest.approx((1.3, 0.7), abs=1e-6)
    # Stored in R and A, shown with right on the left and anterior on top: both axes turn.
    assert record.annotations[0].points == {"a": (7.5, 6.5), "b": (1.5, 1.5)}


def test_the_order_and_the_origin_of_three_numbers_can_be_stated(read, volume):
    (expected,) = read("landmarks", volume({"points": {"a": [1, 2, 3], "b": [6, 8, 3]}}), **PAIR)
    turned = volume({"points": {"a": [3, 2, 1], "b": [3, 8, 6]}})
    assert read("landmarks", turned, **PAIR, point_order="yx") == [expected]
    cornered = volume({"points": {"a": [1.5, 2.5, 3.5], "b": [6.5, 8.5, 3.5]}})
    assert read("landmarks", cornered, **PAIR, point_origin="corner") == [expected]
    columns = {"a_x": 1, "a_y": 2, "a_z": 3, "b_x": 6, "b_y": 8, "b_z": 3}
    assert read("landmarks", volume(columns), **PAIR) == [expected]


@pytest.mark.parametrize(("depths", "index"), [((3, 3.5), 3), ((2.5, 3.5), 3), ((2.6, 3.4), 3), ((2.5, 2.5), 2)])
def test_points_within_half_a_voxel_of_a_slice_are_projected_onto_it(read, volume, depths, index):
    (record,) = read("landmarks", volume({"points": {"a": [1, 2, depths[0]], "b": [6, 8, depths[1]]}}), **PAIR)
    assert record.image.index == index
    assert record.annotations[0].points["a"] == (7.5, 6.5)


def test_points_further_apart_are_measured_only_in_a_plane_that_holds_them(read, volume):
    root = volume({"points": {"a": [1, 2, 2.4], "b": [6, 2.2, 3.6]}})
    assert read("landmarks", root, **PAIR) == []
    assert read.skipped == [("v.nii.gz a-b", "its points do not lie in one slice")]
    (record,) = read("landmarks", root, **PAIR, planes=["axial", "coronal"])
    assert (record.tags["plane"], record.image.axis, record.image.index) == ("coronal", 1, 2)
    assert record.annotations[0].points["b"] == pytest.approx((6 - 4.1, 1.5))


def test_missing_points_and_points_outside_the_volume_are_left_out_with_a_reason(read, volume):
    for other in (None, [1, 2, 5.6], [7.6, 2, 3], [1, -0.6, 3]):
        assert read("landmarks", volume({"points": {"a": [1, 2, 3], "b": other}}), **PAIR) == []
        assert read.skipped[-1] == ("v.nii.gz a-b", "a point is missing or outside the volume")


@pytest.mark.parametrize(
    ("named", "options"),
    [
        ({"slice": 3}, {}),
        ({"slice": "3", "plane": "axial"}, {"plane_field": "plane"}),
        ({"slice": 3.0, "plane": 2}, {"plane_field": "plane", "planes": ["coronal"]}),
    ],
)
def test_two_numbers_are_pixels_of_the_displayed_slice_that_the_entry_names(read, volume, named, options):
    root = volume({**named, "points": {"a": [6, 7], "b": [1, 1]}})
    (record,) = read("landmarks", root, **PAIR, slice_field="slice", **options)
    assert (record.image.axis, record.image.index) == (2, 3)
    assert record.annotations[0].points == {"a": (7.5, 6.5), "b": (1.5, 1.5)}


def test_a_named_slice_takes_three_numbers_only_from_within_half_a_voxel(read, volume):
    near = {"slice": 3, "points": {"a": [6, 7], "b": [6, 8, 3.5]}}
    far = {"slice": 4, "points": {"a": [6, 7], "b": [6, 8, 3.4]}}
    (record,) = read("landmarks", volume(near, far), **PAIR, slice_field="slice")
    assert record.image.index == 3
    assert record.annotations[0].points == {"a": (7.5, 6.5), "b": (1.5, 1.5)}
    assert read.skipped == [("v.nii.gz a-b", "its points do not lie in one slice")]


def test_the_slices_of_one_volume_are_one_unit_and_one_slice_is_listed_once(read, volume):
    points = {"points": {"a": [6, 7], "b": [1, 1]}}
    records = read("landmarks", volume({"slice": 1, **points}, {"slice": 4, **points}), **PAIR, slice_field="slice")
    assert [record.image.index for record in records] == [1, 4]
    assert {record.subject for record in records} == {"v"}
    with pytest.raises(DataError, match="listed twice"):
        read("landmarks", volume({"slice": 1, **points}, {"slice": 1, **points}), **PAIR, slice_field="slice")


def test_what_a_volume_cannot_mean_is_refused(read, volume):
    flat, deep = {"a": [6, 7], "b": [1, 1]}, {"a": [1, 2, 3], "b": [6, 8, 3]}
    with pytest.raises(DataError, match="two numbers, and its slice is not known"):
        read("landmarks", volume({"points": flat}), **PAIR)
    with pytest.raises(DataError, match="two or three finite numbers"):
        read("landmarks", volume({"points": {**deep, "a": [1, 2, 3, 4]}}), **PAIR)
    with pytest.raises(ConfigError, match="volumes state their own"):
        read("landmarks", volume({"points": deep}), **PAIR, pixel_size_mm=1.0)
    for wrong, match in ((6, "no slice 6"), (-1, "no slice -1"), (1.5, r"no slice 1\.5"), ("x", "one finite number,")):
        with pytest.raises(DataError, match=match):
            read("landmarks", volume({"slice": wrong, "points": flat}), **PAIR, slice_field="slice")
    with pytest.raises(DataError, match="no field 'slice'"):
        read("landmarks", volume({"points": flat}), **PAIR, slice_field="slice")
    entry = {"slice": 1, "plane": "axail", "points": flat}
    with pytest.raises(DataError, match="'axail' is not a plane; did you mean 'axial'"):
        read("landmarks", volume(entry), **PAIR, slice_field="slice", plane_field="plane")


def test_a_real_dicom_series_is_a_volume_too(read, real_data, tmp_path):
    (tmp_path / "ct").symlink_to(real_data / "D_dicom_sts003/STS_003/CT/image")
    entry = {"image": "ct", "points": {"a": [10, 20, 7], "b": [110, 20, 7]}}
    (tmp_path / "points.json").write_text(json.dumps([entry]))
    (record,) = read("landmarks", tmp_path, **PAIR, window="ct_soft_tissue")
    assert (record.image.path, record.image.axis, record.image.index) == ("ct", 2, 7)
    assert record.spacing == Spacing(0.976562, 0.976562)
    assert record.annotations[0].points == {"a": (20.5, 10.5), "b": (20.5, 110.5)}
