from __future__ import annotations

import gzip
import logging
import struct

import numpy as np
import pytest
import SimpleITK

from medft_bm.core.errors import DataError, GeometryError
from medft_bm.imaging.nifti import read_header, read_voxels
from medft_bm.imaging.read import read_geometry, read_volume


def affine_of(path) -> list:
    return read_geometry(path).ras_from_ijk.round(5).tolist()


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_voxels_are_indexed_i_j_k_in_their_stored_type(nifti, voxels, name):
    volume = read_volume(nifti(name=name))
    assert volume.array.dtype == np.int16
    assert (volume.array == voxels).all()
    assert not volume.array.flags.writeable
    assert volume.geometry.axis_codes == "RAS"
    assert volume.geometry.spacing_ijk == pytest.approx((0.7, 1.1, 3.0))


def test_an_uncompressed_file_is_mapped_and_not_loaded(nifti):
    path = nifti(name="a.nii")
    assert isinstance(read_voxels(path, read_header(path)), np.memmap)


@pytest.mark.parametrize("codes", [(1, 0), (0, 1), (1, 1), (2, 1)])
def test_a_file_by_simpleitk_has_the_affine_that_simpleitk_knows_for_every_choice_of_form(tmp_path, itk_image, codes):
    path = tmp_path / "a.nii"
    SimpleITK.WriteImage(itk_image, str(path))
    data = bytearray(path.read_bytes())
    struct.pack_into("<2h", data, 252, *codes)
    path.write_bytes(data)
    volume = read_volume(path)
    assert (volume.array == SimpleITK.GetArrayFromImage(itk_image).T).all()
    for index in ((0.0, 0.0, 0.0), (4.0, 6.0, 8.0), (1.25, 5.5, 0.75)):
        left, posterior, superior = itk_image.TransformContinuousIndexToPhysicalPoint(index)
        assert volume.geometry.ras(np.array([index]))[0] == pytest.approx((-left, -posterior, superior), abs=1e-4)


def test_a_mirrored_volume_keeps_its_handedness_through_the_qform(tmp_path, itk_image):
    mirrored = SimpleITK.Flip(itk_image, (False, False, True))
    path = tmp_path / "a.nii"
    SimpleITK.WriteImage(mirrored, str(path))
    data = bytearray(path.read_bytes())
    struct.pack_into("<2h", data, 252, 1, 0)
    path.write_bytes(data)
    x, y, z = mirrored.TransformContinuousIndexToPhysicalPoint((1.0, 2.0, 8.0))
    assert read_geometry(path).ras(np.array([[1.0, 2.0, 8.0]]))[0] == pytest.approx((-x, -y, z), abs=1e-4)


def test_big_endian_files_are_read(nifti, voxels, tmp_path):
    path = tmp_path / "big.nii"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(np.ascontiguousarray(voxels.T)), str(path))
    data = np.frombuffer(path.read_bytes(), np.uint8)
    swapped = bytearray(data)
    for start, stop, width in ((0, 4, 4), (40, 56, 2), (70, 74, 2), (76, 120, 4), (252, 256, 2), (256, 328, 4)):
        swapped[start:stop] = data[start:stop].reshape(-1, width)[:, ::-1].tobytes()
    swapped[352:] = voxels.astype(">i2").tobytes(order="F")
    path.write_bytes(swapped)
    volume = read_volume(path)
    assert (volume.array == voxels).all()
    assert volume.array.dtype.isnative


def test_nifti_2_is_read(tmp_path, voxels):
    head = bytearray(544)
    struct.pack_into("<i8s", head, 0, 540, b"n+2\0\r\n\032\n")
    struct.pack_into("<2h", head, 12, 4, 16)
    struct.pack_into("<8q", head, 16, 3, 4, 5, 6, 1, 1, 1, 1)
    struct.pack_into("<4d", head, 104, 1.0, 0.7, 1.1, 3.0)
    struct.pack_into("<q2d", head, 168, 544, 1.0, 0.0)
    struct.pack_into("<2i", head, 344, 0, 1)
    struct.pack_into("<12d", head, 400, -0.7, 0, 0, 9, 0, 1.1, 0, 8, 0, 0, 3.0, 7)
    struct.pack_into("<i", head, 500, 2)
    (tmp_path / "two.nii.gz").write_bytes(gzip.compress(bytes(head) + voxels.tobytes(order="F")))
    volume = read_volume(tmp_path / "two.nii.gz")
    assert (volume.array == voxels).all()
    assert volume.geometry.axis_codes == "LAS"
    assert volume.geometry.ras_from_ijk[:3, 3].tolist() == [9, 8, 7]


def test_a_rescale_slope_is_applied_and_a_slope_of_zero_or_nan_is_not(nifti, voxels):
    assert read_volume(nifti(scale=(0.5, -3.0))).array == pytest.approx(voxels * 0.5 - 3)
    for scale in ((0.0, 7.0), (float("nan"), 0.0), (1.0, 0.0)):
        volume = read_volume(nifti(scale=scale))
        assert volume.array.dtype == np.int16
        assert (volume.array == voxels).all()


@pytest.mark.parametrize(("units", "factor"), [(0, 1), (1, 1000), (2, 1), (3, 0.001), (10, 1)])
def test_metres_and_micrometres_become_millimetres(nifti, units, factor):
    srow = [[-0.7, 0, 0, 31], [0, 1.1, 0, -12], [0, 0, 3.0, 5]]
    geometry = read_geometry(nifti(units=units, srow=srow))
    assert geometry.spacing_ijk == pytest.approx((0.7 * factor, 1.1 * factor, 3.0 * factor))
    assert geometry.ras_from_ijk[:3, 3] == pytest.approx([31 * factor, -12 * factor, 5 * factor])


def test_a_slightly_sheared_sform_is_read_as_it_is(nifti):
    srow = np.array([[0.7, 0.02, 0.03, 1], [0, 1.1, 0.05, 2], [0, 0, 3, 3]])
    with pytest.raises(RuntimeError, match="orthonormal"):
        SimpleITK.ReadImage(str(nifti(srow=srow, name="a.nii")))
    assert affine_of(nifti(srow=srow))[0] == pytest.approx([0.7, 0.02, 0.03, 1])


def test_a_fourth_dimension_of_one_is_no_dimension(nifti, voxels):
    assert (read_volume(nifti(voxels[..., None])).array == voxels).all()
    assert read_geometry(nifti(voxels[..., :1])).shape_ijk == (4, 5, 1)


def test_a_file_without_orientation_is_read_with_a_warning(nifti, caplog):
    with caplog.at_level(logging.WARNING):
        assert read_geometry(nifti(codes=(0, 0))).axis_codes == "RAS"
    assert "states no orientation" in caplog.text


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf"), -0.7])
@pytest.mark.parametrize("codes", [(0, 0), (1, 0), (0, 1)])
def test_a_lost_voxel_size_is_refused_whatever_the_affine_says(nifti, position, value, codes):
    pixdim = [1.0, 0.7, 1.1, 3.0]
    pixdim[position + 1] = value
    with pytest.raises(GeometryError, match=r"pixdim.*must be positive and finite") as caught:
        read_geometry(nifti(pixdim=pixdim, codes=codes))
    assert caught.value.where.endswith("a.nii.gz")
    assert caught.value.fix


@pytest.mark.parametrize("srow", [np.full((3, 4), np.nan), np.zeros((3, 4)), np.diag([0.7, 0, 3, 1])[:3]])
def test_a_broken_affine_is_refused(nifti, srow):
    with pytest.raises(GeometryError, match="sform") as caught:
        read_geometry(nifti(srow=srow))
    assert caught.value.where.endswith("a.nii.gz")


def test_a_broken_origin_is_refused_with_the_file_named(nifti):
    srow = np.diag([0.7, 1.1, 3.0, 1.0])[:3]
    srow[1, 3] = np.nan
    with pytest.raises(GeometryError, match="finite") as caught:
        read_geometry(nifti(srow=srow))
    assert caught.value.where.endswith("a.nii.gz")


def test_a_header_that_contradicts_itself_is_refused(nifti):
    with pytest.raises(GeometryError, match=r"0.7.*pixdim.*1.4.*sform"):
        read_geometry(nifti(srow=np.diag([1.4, 1.1, 3, 1])[:3]))


def test_flat_and_moving_pictures_are_refused_with_shape_file_and_remedy(nifti, voxels):
    with pytest.raises(DataError, match=r"2-D shape \[4, 5\]") as flat:
        read_geometry(nifti(voxels[:, :, 0]))
    with pytest.raises(DataError, match=r"4-D shape \[4, 5, 3, 2\]") as moving:
        read_geometry(nifti(voxels.reshape(4, 5, 3, 2)))
    for caught in (flat, moving):
        assert caught.value.where.endswith("a.nii.gz")
        assert caught.value.fix


def test_colour_and_complex_voxels_are_refused(nifti):
    with pytest.raises(DataError, match="voxel type 128"):
        read_geometry(nifti(datatype=128))


def test_analyze_files_and_pairs_are_refused(nifti):
    with pytest.raises(DataError, match="Analyze"):
        read_geometry(nifti(magic=b"ni1\0"))


@pytest.mark.parametrize(("name", "cut"), [("a.nii", 1), ("a.nii", 200), ("a.nii.gz", 1), ("a.nii.gz", 60)])
def test_a_truncated_file_is_refused_although_its_header_is_fine(nifti, name, cut):
    path = nifti(np.random.default_rng(0).integers(0, 9999, (4, 5, 6)).astype(np.int16), name=name, cut=cut)
    assert read_geometry(path).shape_ijk == (4, 5, 6)
    with pytest.raises(DataError, match="truncated or damaged") as caught:
        read_volume(path)
    assert caught.value.where == str(path)


def test_one_flipped_bit_in_a_compressed_file_is_noticed(nifti):
    path = nifti(np.random.default_rng(0).integers(0, 9999, (40, 50, 6)).astype(np.int16))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match="truncated or damaged"):
        read_volume(path)


@pytest.mark.parametrize("content", [b"", b"not a volume at all" * 40, b"\x1f\x8b", gzip.compress(b"short", mtime=0)])
def test_a_file_that_is_no_nifti_is_refused(tmp_path, content):
    (tmp_path / "a.nii.gz").write_bytes(content)
    with pytest.raises(DataError, match="truncated or damaged"):
        read_geometry(tmp_path / "a.nii.gz")
