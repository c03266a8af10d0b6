"""Which image is meant, and that it is shown as preparation shows it."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.geometry import Size, Spacing
from medft_bm.core.types import ImageRef
from medft_bm.imaging.slices import render
from medft_bm.predict.place import find, show, usual_window

CT = "B_sts_tumour/STS_002/CT_image.nii.gz"
SERIES = "D_dicom_sts003/STS_003/CT/image"


@pytest.mark.parametrize(
    ("file", "wanted", "size", "spacing"),
    [
        (CT, "axial:20", Size(143, 161), (0.977, 0.977)),
        (CT, "coronal:3", Size(48, 161), (3.27, 0.977)),
        (CT, "0:3", Size(48, 143), (3.27, 0.977)),
        (SERIES, "axial:7", Size(158, 154), (0.977, 0.977)),
        ("D_nrrd_pyradiomics/breast1_image.nrrd", "2:4", Size(120, 45), (0.664, 0.664)),
    ],
)
def test_a_slice_of_a_real_volume_is_what_preparation_renders(real_data, file, wanted, size, spacing):
    place = find(real_data / file, wanted)
    shown = show(place, "percentile")

    ref = ImageRef(file, place.axis, place.index, "display", "percentile")
    expected = next(render(real_data, [ref]))
    assert (shown.size, shown.spacing.y, shown.spacing.x) == (size, *(pytest.approx(mm, abs=1e-3) for mm in spacing))
    assert np.array_equal(np.asarray(shown.image)[:, :, 0], expected)
    assert shown.ref.path == "image"  # the file's own name may be a patient's


def test_a_dicom_picture_states_its_pixel_size_and_a_png_does_not(real_data, tmp_path):
    dicom = find(sorted((real_data / "D_dicom_cmb_crc_adc/image").glob("*.dcm"))[0])
    assert usual_window(dicom) == "percentile"
    assert show(dicom, "percentile").spacing == Spacing(1.5625, 1.5625)

    Image.new("L", (30, 20)).save(tmp_path / "a.png", dpi=(254, 254))  # 0.1 mm, about printing
    png = find(tmp_path / "a.png")
    assert usual_window(png) == "as_is"
    assert show(png, "as_is").spacing is None
    assert show(png, "as_is", spacing=Spacing(0.3, 0.2)).spacing == Spacing(0.3, 0.2)


def test_pictures_of_more_than_8_bits_get_a_window(tmp_path):
    Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30) * 100).save(tmp_path / "deep.png")
    place = find(tmp_path / "deep.png")

    assert usual_window(place) == "percentile"
    assert np.ptp(np.asarray(show(place, usual_window(place)).image)) == 255


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("", "48 axial"),
        ("axial", "which axial slice"),
        ("axial:48", "no slice '48'"),
        ("axial:-1", "no slice '-1'"),
        ("axal:3", "planes are sagittal, coronal, axial"),
        ("20", "like axial:24"),
        ("3:1", "neither a plane nor an axis"),
    ],
)
def test_a_slice_that_is_not_there_is_refused_with_those_that_are(real_data, wanted, said):
    with pytest.raises(ConfigError, match="axial") as error:
        find(real_data / CT, wanted)
    assert said in str(error.value)


def test_a_volume_of_one_slice_needs_no_slice(real_data, tmp_path):
    series = tmp_path / "series"
    series.mkdir()
    shutil.copy(sorted((real_data / SERIES).glob("*.dcm"))[0], series)

    place = find(series)

    assert (place.plane, place.index) == ("axial", 0)


def test_what_does_not_go_with_the_file_is_refused(real_data, tmp_path):
    slide = next((real_data / "A_breakhis").rglob("*.png"))
    with pytest.raises(ConfigError, match="a picture has no slices"):
        find(slide, "axial:1")
    with pytest.raises(ConfigError, match="states its own pixel size"):
        show(find(real_data / CT, "axial:1"), "percentile", spacing=Spacing(1.0, 1.0))
    shutil.copy(sorted((real_data / SERIES).glob("*.dcm"))[0], tmp_path / "IM0001")
    with pytest.raises(DataError, match=r"without the suffix \.dcm"):
        find(tmp_path / "IM0001")
    for name in ("nothing.png", "nothing"):
        with pytest.raises(DataError, match="no such file or folder"):
            find(tmp_path / name, "axial:1")
    (tmp_path / "sub").mkdir()
    with pytest.raises(DataError, match="in which the slices of a series lie"):
        find(tmp_path / "sub", "axial:1")


def test_a_pixel_size_that_contradicts_the_header_is_taken_and_said(real_data):
    dicom = find(sorted((real_data / "D_dicom_cmb_crc_adc/image").glob("*.dcm"))[0])

    other = show(dicom, "percentile", spacing=Spacing(0.5, 2.0))
    same = show(dicom, "percentile", spacing=Spacing(1.5625, 1.5625))

    assert (other.spacing, same.notes) == (Spacing(0.5, 2.0), ())
    assert other.notes == ("the file states another pixel size: 1.562 x 1.562 mm (height x width)",)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_says_so(tmp_path):
    (tmp_path / "locked.png").touch(mode=0o000)

    with pytest.raises(DataError, match="may not be read"):
        find(tmp_path / "locked.png")


def test_a_text_file_named_dicom_is_refused_in_words_without_addresses_in_memory(tmp_path):
    (tmp_path / "text.dcm").write_text("hello")
    place = find(tmp_path / "text.dcm")

    with pytest.raises(DataError, match="cannot be read") as error:
        show(place, "as_is")
    assert "0x" not in str(error.value)
    assert "ITK" not in str(error.value)


def test_a_whole_slide_is_refused_with_what_to_do_instead(tmp_path, monkeypatch):
    Image.new("L", (30, 20)).save(tmp_path / "slide.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200)
    place = find(tmp_path / "slide.png")

    with pytest.raises(DataError, match="more than 400 pixels") as error:
        show(place, usual_window(place))
    assert "a level of lower resolution" in str(error.value)
