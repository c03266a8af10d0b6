from __future__ import annotations

import re

import numpy as np
import pytest
import SimpleITK

from medft_bm.core.errors import DataError, GeometryError
from medft_bm.core.volume import PLANES
from medft_bm.imaging.read import read_geometry, read_volume
from medft_bm.imaging.slices import slice_array

FORMATS = ["nii", "nii.gz", "nrrd", "mha", "mhd"]
ORIENTATIONS = ["RAS", "LAS", "LPS", "ASR", "PIR"]


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("codes", [None, *ORIENTATIONS])
def test_voxels_are_where_simpleitk_says_in_every_format_and_orientation(tmp_path, itk_image, suffix, codes):
    if codes:
        itk_image.SetDirection(np.eye(3).ravel())
        itk_image = SimpleITK.DICOMOrient(itk_image, codes)
    path = tmp_path / f"a.{suffix}"
    SimpleITK.WriteImage(itk_image, str(path))
    volume = read_volume(path)
    assert codes in (None, volume.geometry.axis_codes)
    assert volume.array.shape == volume.geometry.shape_ijk == itk_image.GetSize()
    for index in ((0, 0, 0), (2, 1, 3), tuple(n - 1 for n in itk_image.GetSize())):
        assert volume.array[index] == itk_image.GetPixel(index)
    for point in np.random.default_rng(1).uniform(-1, 9, (5, 3)):
        x, y, z = itk_image.TransformContinuousIndexToPhysicalPoint(point.tolist())
        assert volume.geometry.ras(point[None])[0] == pytest.approx((-x, -y, z), abs=1e-4)


@pytest.mark.parametrize("suffix", ["nii.gz", "nrrd"])
@pytest.mark.parametrize("codes", ORIENTATIONS)
@pytest.mark.parametrize("plane", PLANES)
def test_the_patients_right_anterior_top_corner_is_the_first_pixel_on_screen(tmp_path, plane, codes, suffix):
    voxels = np.zeros((9, 7, 5), np.uint8)  # in LPS, z y x: the first x is right, the first y anterior, the last z top
    voxels[8, 0, 0] = 255
    image = SimpleITK.GetImageFromArray(voxels)
    image.SetSpacing((0.7, 1.3, 2.9))
    path = tmp_path / f"a.{suffix}"
    SimpleITK.WriteImage(SimpleITK.DICOMOrient(image, codes), str(path))
    volume = read_volume(path)
    axis = volume.geometry.axis_of(plane)
    bright = [
        slice_array(volume, axis, index) for index in range(volume.geometry.shape_ijk[axis])
        if slice_array(volume, axis, index).any()
    ]  # fmt: skip
    assert len(bright) == 1
    assert np.argwhere(bright[0]).tolist() == [[0, 0]]
    assert bright[0].shape == {"axial": (7, 5), "coronal": (9, 5), "sagittal": (9, 7)}[plane]


def test_the_array_outlives_the_image_it_came_from(tmp_path, itk_image):
    SimpleITK.WriteImage(itk_image, str(tmp_path / "a.nrrd"))
    arrays = [read_volume(tmp_path / "a.nrrd").array for _ in range(5)]
    assert len({array.ctypes.data for array in arrays}) == 5  # freed memory would be given out again
    assert all((array == SimpleITK.GetArrayFromImage(itk_image).T).all() for array in arrays)
    assert not arrays[0].flags.writeable
    with pytest.raises(ValueError, match="WRITEABLE"):
        arrays[0].setflags(write=True)


@pytest.mark.parametrize("suffix", ["nrrd", "mha"])
def test_a_spacing_that_is_not_stated_is_not_one_millimetre(tmp_path, itk_image, suffix):
    path = tmp_path / f"a.{suffix}"
    SimpleITK.WriteImage(itk_image, str(path))
    path.write_bytes(re.sub(rb"(space directions|ElementSpacing)[^\n]*\n", b"", path.read_bytes()))
    with pytest.raises(GeometryError, match="states no voxel spacing") as caught:
        read_geometry(path)
    assert caught.value.where == str(path)


@pytest.mark.parametrize("value", [b"0", b"nan"])
def test_a_zero_or_nan_spacing_is_one_clear_error(tmp_path, itk_image, value):
    path = tmp_path / "a.mha"
    SimpleITK.WriteImage(itk_image, str(path))
    path.write_bytes(re.sub(rb"ElementSpacing = [0-9.]+", b"ElementSpacing = " + value, path.read_bytes()))
    for read in (read_geometry, read_volume):
        with pytest.raises(DataError, match="spacing") as caught:
            read(path)
        assert caught.value.where == str(path)


@pytest.mark.parametrize("suffix", ["nrrd", "mha"])
def test_a_truncated_file_is_one_clear_error(tmp_path, itk_image, suffix):
    path = tmp_path / f"a.{suffix}"
    SimpleITK.WriteImage(itk_image, str(path))
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DataError, match="cannot be read") as caught:
        read_volume(path)
    assert caught.value.where == str(path)
    assert "\n" not in caught.value.what


@pytest.mark.parametrize(
    "image",
    [
        SimpleITK.Image([4, 5], SimpleITK.sitkUInt8),
        SimpleITK.Image([4, 5, 6, 2], SimpleITK.sitkInt16),
        SimpleITK.Image([4, 5, 6], SimpleITK.sitkVectorUInt8, 3),
    ],
    ids=["2-D", "4-D", "colour"],
)
def test_what_is_not_one_grey_volume_is_refused_with_its_shape(tmp_path, image):
    SimpleITK.WriteImage(image, str(tmp_path / "a.nrrd"))
    with pytest.raises(DataError, match=r"expected one 3-D volume of grey values, got shape \(4, 5"):
        read_geometry(tmp_path / "a.nrrd")


def test_missing_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_volume(tmp_path / "no.nii.gz")
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(DataError, match=r"not a volume file"):
        read_volume(tmp_path / "a.txt")
    (tmp_path / "a.nrrd").write_text("hello\nspacings: 1 1 1\n")
    with pytest.raises(DataError, match="cannot be read"):
        read_geometry(tmp_path / "a.nrrd")


def test_a_file_the_system_cannot_read_is_one_clear_error(tmp_path):
    (tmp_path / "loop.nii.gz").symlink_to("/proc/self/mem")  # it exists and can be opened, and reading it fails
    with pytest.raises(DataError, match="cannot be read") as caught:
        read_geometry(tmp_path / "loop.nii.gz")
    assert caught.value.where.endswith("loop.nii.gz")


def test_a_real_sarcoma_ct_is_lps_with_the_spacing_of_its_readme(real_data):
    geometry = read_geometry(real_data / "B_sts_tumour/STS_002/CT_image.nii.gz")
    assert geometry.axis_codes == "LPS"
    assert geometry.shape_ijk == (161, 143, 48)
    assert geometry.spacing_ijk == pytest.approx((0.977, 0.977, 3.27), abs=5e-4)


def test_a_real_nrrd_pair_shares_its_grid_and_has_143_label_voxels(real_data):
    image = read_volume(real_data / "D_nrrd_pyradiomics/breast1_image.nrrd")
    label = read_volume(real_data / "D_nrrd_pyradiomics/breast1_label.nrrd")
    assert image.geometry.matches(label.geometry)
    assert label.geometry.shape_ijk == (45, 120, 21)
    assert label.geometry.spacing_ijk == pytest.approx((0.6641, 0.6641, 2.1), abs=1e-4)
    assert int(np.count_nonzero(label.array == 1)) == 143
    assert label.array.dtype.kind in "iu"


def test_real_vertebra_centres_lie_in_their_own_labels_of_a_pir_volume(real_data):
    import json

    mask = read_volume(real_data / "B_verse_spine/sub-verse004_seg-vert_msk.nii.gz")
    assert mask.geometry.axis_codes == "PIR"
    assert mask.geometry.spacing_ijk == pytest.approx((1.0, 1.0, 2.0), abs=1e-3)
    centres = json.loads((real_data / "B_verse_spine/sub-verse004_seg-subreg_ctd.json").read_text())[1:]
    assert len(centres) == 9
    for centre in centres:
        voxel = tuple(round(centre[axis]) for axis in "XYZ")
        assert mask.array[voxel] == centre["label"]
    heights = [mask.geometry.ras(np.array([[c["X"], c["Y"], c["Z"]]]))[0, 2] for c in centres]
    assert heights == sorted(heights, reverse=True)  # T9 down to L5


def test_every_real_volume_matches_simpleitks_own_geometry_and_voxels(real_data):
    paths = [*sorted(real_data.glob("B_sts_tumour/*/*.nii.gz")), *sorted(real_data.glob("B_msd*/*/*_00*.nii.gz"))]
    assert len(paths) >= 30
    for path in paths:
        volume, image = read_volume(path), SimpleITK.ReadImage(str(path))
        assert (volume.array == SimpleITK.GetArrayViewFromImage(image).T).all()
        last = [n - 1.0 for n in image.GetSize()]
        x, y, z = image.TransformContinuousIndexToPhysicalPoint(last)
        assert volume.geometry.ras(np.array([last]))[0] == pytest.approx((-x, -y, z), abs=1e-2)
