from __future__ import annotations

import locale

import numpy as np
import pytest
import SimpleITK

from medft_bm.core.errors import DataError, GeometryError
from medft_bm.imaging.read import read_geometry, read_volume


@pytest.fixture
def kept_locale():
    """Writing DICOM leaves the process in the locale C, in which later tests could not write UTF-8."""
    kept = locale.setlocale(locale.LC_ALL)
    yield
    locale.setlocale(locale.LC_ALL, kept)


@pytest.fixture
def series(tmp_path, itk_image, kept_locale):
    """An oblique anisotropic series; ``change(index, slice image)`` may spoil a slice, or drop it by returning None."""

    def write(change=lambda index, image: image, name="series", uid="1.2.3.4") -> object:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        direction = itk_image.GetDirection()
        for index in range(itk_image.GetSize()[2]):
            image = itk_image[:, :, index]
            flat = SimpleITK.JoinSeries(image)
            flat.SetSpacing((*itk_image.GetSpacing()[:2], 1.0))
            tags = {
                "0008|0060": "MR",
                "0020|000e": uid,
                "0020|0013": str(100 - index),
                "0018|0050": "9.5",
                "0020|0032": "\\".join(f"{v:.10g}" for v in itk_image.TransformIndexToPhysicalPoint((0, 0, index))),
                "0020|0037": "\\".join(f"{direction[k]:.10g}" for k in (0, 3, 6, 1, 4, 7)),
            }
            for tag, value in tags.items():
                flat.SetMetaData(tag, value)
            changed = change(index, flat)
            if changed is None:
                continue
            writer = SimpleITK.ImageFileWriter()
            writer.KeepOriginalImageUIDOn()
            writer.SetFileName(str(folder / f"{uid}_{(index * 5) % 9}.dcm"))  # names in another order than positions
            writer.Execute(changed)
        return folder

    return write


def test_an_oblique_series_is_ordered_and_placed_by_its_positions(series, itk_image):
    folder = series()
    volume = read_volume(folder)
    assert volume.geometry.spacing_ijk == pytest.approx((0.7, 1.3, 2.9), abs=1e-5)  # never the thickness, 9.5
    assert (volume.array == SimpleITK.GetArrayFromImage(itk_image).T).all()
    for index in ((0.0, 0.0, 0.0), (4.0, 6.0, 8.0), (1.25, 5.5, 0.75)):
        x, y, z = itk_image.TransformContinuousIndexToPhysicalPoint(index)
        assert volume.geometry.ras(np.array([index]))[0] == pytest.approx((-x, -y, z), abs=1e-4)


def test_a_sagittal_series_whose_slices_are_all_at_one_height_is_ordered_across_them(series, itk_image):
    itk_image.SetDirection((0, 0, -1, 1, 0, 0, 0, -1, 0))  # along rows to posterior, along columns to inferior
    volume = read_volume(series())
    assert volume.geometry.axis_codes == "PIR"
    assert (volume.array == SimpleITK.GetArrayFromImage(itk_image).T).all()


def test_a_real_series_equals_its_nifti_twin_voxel_for_voxel_and_in_affine(real_data):
    folder = real_data / "D_dicom_sts003/STS_003"
    series = read_volume(folder / "CT/image")
    twin = read_volume(folder / "nifti_same_volume/CT_image.nii.gz")
    assert series.geometry.shape_ijk == twin.geometry.shape_ijk == (154, 158, 51)
    assert np.allclose(series.geometry.ras_from_ijk, twin.geometry.ras_from_ijk, atol=1e-4)
    assert series.geometry.matches(twin.geometry)
    assert series.array.dtype == np.int16
    assert (series.array == twin.array).all()


def test_real_slices_seven_millimetres_apart_and_six_thick_are_seven_apart(real_data):
    geometry = read_geometry(real_data / "D_dicom_cmb_crc_adc/image")
    assert geometry.shape_ijk == (256, 288, 36)
    assert geometry.spacing_ijk == pytest.approx((1.5625, 1.5625, 7.0), abs=1e-5)


def test_a_missing_slice_is_noticed(series):
    with pytest.raises(DataError, match=r"5\.800 mm from .* 2\.900 mm between most slices"):
        read_geometry(series(lambda index, image: None if index == 4 else image))


def test_two_slices_at_one_position_are_noticed(series):
    def twice(index, image):
        if index == 5:
            image.SetMetaData("0020|0032", series_position)
        return image

    def remember(index, image):
        nonlocal series_position
        if index == 4:
            series_position = image.GetMetaData("0020|0032")
        return image

    series_position = ""
    series(remember)
    with pytest.raises(DataError, match="at the same position"):
        read_geometry(series(twice))


def test_two_series_in_one_folder_are_named(series):
    series()
    with pytest.raises(DataError, match=r"2 DICOM series: 1\.2\.3\.4.*1\.2\.3\.5"):
        read_geometry(series(uid="1.2.3.5"))


def test_a_damaged_slice_at_the_end_does_not_just_shorten_the_volume(series):
    folder = series()
    last = folder / f"1.2.3.4_{(8 * 5) % 9}.dcm"
    last.write_bytes(last.read_bytes()[:300])
    with pytest.raises(DataError, match="not readable slices") as caught:
        read_volume(folder)
    assert last.name in caught.value.what


def test_slices_of_different_spacing_are_refused(series):
    def stretch(index, image):
        if index == 3:
            image.SetSpacing((0.7, 1.4, 1.0))
        return image

    with pytest.raises(DataError, match="PixelSpacing is"):
        read_geometry(series(stretch))


def test_a_single_slice_takes_its_thickness(series):
    folder = series(lambda index, image: image if index == 2 else None)
    assert read_geometry(folder).spacing_ijk == pytest.approx((0.7, 1.3, 9.5), abs=1e-5)


def test_other_files_in_the_folder_do_not_matter_and_an_empty_folder_does(series, tmp_path):
    folder = series()
    (folder / "LICENSE.txt").write_text("free")
    assert read_geometry(folder).shape_ijk == (5, 7, 9)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no DICOM series"):
        read_geometry(tmp_path / "empty")


def test_a_series_without_pixel_spacing_is_refused(real_data, tmp_path):
    for source in sorted((real_data / "D_dicom_cmb_crc_adc/image").iterdir())[:3]:
        data = source.read_bytes()
        assert data.count(b"\x28\x00\x30\x00DS") == 1
        (tmp_path / source.name).write_bytes(data.replace(b"\x28\x00\x30\x00DS", b"\x28\x00\x31\x00DS"))
    with pytest.raises(GeometryError, match="PixelSpacing must be 2 numbers"):
        read_geometry(tmp_path)
