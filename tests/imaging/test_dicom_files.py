from __future__ import annotations

import locale
import logging

import numpy as np
import pytest
import SimpleITK

from medft_bm.core.errors import DataError, GeometryError
from medft_bm.core.geometry import Size, Spacing
from medft_bm.core.types import ImageRef
from medft_bm.imaging import dicom_files
from medft_bm.imaging.pictures import picture_size, picture_spacing, read_picture
from medft_bm.imaging.read import read_volume
from medft_bm.imaging.slices import render

STORED = np.arange(12, dtype=np.uint16).reshape(3, 4) * 300


@pytest.fixture
def xray(tmp_path):
    """Write a 2-D DICOM image without a position; tags as ``gggg|eeee``, and bytes to replace afterwards."""
    kept = locale.setlocale(locale.LC_ALL)

    def write(array=STORED, tags=None, swap=(), name="a.dcm", compressor="", spacing=(0.2, 0.3)) -> object:
        image = SimpleITK.GetImageFromArray(array, isVector=array.ndim == 3)
        image.SetSpacing(spacing)
        for tag, value in {"0008|0060": "DX", **(tags or {})}.items():
            image.SetMetaData(tag, value)
        writer = SimpleITK.ImageFileWriter()
        writer.SetFileName(str(tmp_path / name))
        writer.SetUseCompression(bool(compressor))
        writer.SetCompressor(compressor)
        writer.Execute(image)
        data = (tmp_path / name).read_bytes()
        for old, new in swap:
            assert data.count(old) == 1
            data = data.replace(old, new)
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    yield write
    locale.setlocale(locale.LC_ALL, kept)  # writing DICOM leaves the process in the locale C


INVERTED = (b"MONOCHROME2", b"MONOCHROME1")
SIGNED_BITS = b"\x28\x00\x01\x01\x02\x00\x00\x00"
TWELVE_BITS = (SIGNED_BITS + b"\x10", SIGNED_BITS + b"\x0c")
HIGH_BIT = (b"\x28\x00\x02\x01\x02\x00\x00\x00\x0f", b"\x28\x00\x02\x01\x02\x00\x00\x00\x0b")


def test_an_x_ray_is_a_picture(xray):
    path = xray()
    assert picture_size(path) == Size(3, 4)
    with pytest.raises(DataError, match="needs 8-bit values") as caught:
        read_picture(path)
    assert caught.value.where == str(path)
    assert read_picture(path, "min_max").tolist() == np.rint(np.arange(12) * 255 / 11).reshape(3, 4).tolist()
    assert (next(render(path.parent, [ImageRef("a.dcm", window="min_max")])) == read_picture(path, "min_max")).all()


def test_eight_bits_and_colour_come_back_as_they_were(xray):
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert (read_picture(xray(grey)) == grey).all()
    colour = np.random.default_rng(0).integers(0, 256, (5, 4, 3)).astype(np.uint8)
    path = xray(colour, {"0008|0060": "US"}, name="b.DICOM")
    assert picture_size(path) == Size(5, 4)
    assert (read_picture(path) == colour).all()


@pytest.mark.parametrize("compressor", ["", "JPEG", "JPEG2000"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int16])
def test_monochrome1_is_turned_over_so_that_bone_is_bright(xray, kind, compressor):
    film = np.random.default_rng(1).integers(0, 200, (16, 24)).astype(kind)  # low where bone kept the rays away
    film[4:8, 5:9] = 0
    shown = read_picture(xray(film, swap=[INVERTED], compressor=compressor), "min_max")
    plain = read_picture(xray(film, compressor=compressor, name="b.dcm"), "min_max")
    assert (shown[4:8, 5:9] == 255).all()
    assert (shown.astype(int) + plain == 255).all()


def test_twelve_bits_of_monochrome1_turn_over_in_twelve_bits(xray):
    path = xray(swap=[INVERTED, TWELVE_BITS, HIGH_BIT])
    assert (dicom_files.read_picture_values(path) == 4095 - STORED).all()


def test_slope_and_intercept_are_applied(xray):
    tags = {"0008|0060": "CT", "0028|1052": "-1000", "0028|1053": "2"}
    assert (dicom_files.read_picture_values(xray(STORED, tags)) == STORED).all()  # stored as (value + 1000) / 2
    other = [(b"-1000 ", b"-1024 ")]
    assert (dicom_files.read_picture_values(xray(STORED, tags, other)) == STORED.astype(int) - 24).all()


@pytest.mark.parametrize("kind", [np.uint16, np.int16])
def test_hounsfield_units_stay_what_they_are_in_monochrome1(xray, kind):
    tags = {"0008|0060": "CT", "0028|1052": "-1024", "0028|1053": "1"}
    plain = dicom_files.read_picture_values(xray(STORED.astype(kind), tags))
    turned = dicom_files.read_picture_values(xray(STORED.astype(kind), tags, [INVERTED], name="b.dcm"))
    assert (turned == plain).all()
    assert (plain == STORED).all()


def test_a_real_ct_series_in_monochrome1_keeps_its_hounsfield_units(real_data, tmp_path):
    folder = real_data / "D_dicom_sts003/STS_003/CT/image"
    for file in sorted(folder.iterdir())[:6]:
        data = file.read_bytes()
        assert data.count(b"MONOCHROME2") == 1
        for name, content in (("as_is", data), ("turned", data.replace(*INVERTED))):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / file.name).write_bytes(content)
    plain, turned = read_volume(tmp_path / "as_is"), read_volume(tmp_path / "turned")
    assert (plain.array == turned.array).all()
    assert plain.array.dtype == turned.array.dtype
    assert plain.array.min() < -900
    assert not turned.array.flags.writeable


def test_a_real_mr_series_in_monochrome1_is_turned_over(real_data, tmp_path):
    for file in sorted((real_data / "D_dicom_cmb_crc_adc/image").iterdir())[:5]:
        data = file.read_bytes()
        assert data.count(b"MONOCHROME2") == 1
        for name, content in (("as_is", data), ("turned", data.replace(*INVERTED))):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / file.name).write_bytes(content)
    plain, turned = read_volume(tmp_path / "as_is").array, read_volume(tmp_path / "turned").array
    total = plain.astype(int) + turned
    assert (total == -1).all()  # signed: the stored bits turned over


def test_the_pixel_size_is_the_one_in_the_patient(xray, caplog):
    dicom_files._say_detector.cache_clear()
    both = {"0028|0030": "0.31\\0.17"}
    assert picture_spacing(xray(tags=both)) == Spacing(y=0.31, x=0.17)
    assert picture_spacing(xray(tags={"0018|1114": "1.25"})) == pytest.approx(Spacing(0.3 / 1.25, 0.2 / 1.25))
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        assert picture_spacing(xray()) == Spacing(y=0.3, x=0.2)
        assert picture_spacing(xray(name="b.dcm")) == Spacing(y=0.3, x=0.2)
    assert len(caplog.records) == 1
    assert "at the detector only" in caplog.text


def test_no_pixel_size_is_unknown_and_a_wrong_one_is_refused(xray, tmp_path):
    hidden = (b"\x18\x00\x64\x11", b"\x18\x00\x64\x21")  # ImagerPixelSpacing, under a tag that means nothing
    assert picture_spacing(xray(swap=[hidden])) is None
    for value in ("0\\0.2", "0.2", "-1\\1"):
        with pytest.raises(GeometryError) as caught:
            picture_spacing(xray(tags={"0028|0030": value}))
        assert caught.value.where.endswith("a.dcm")
    assert picture_spacing(tmp_path / "a.png") is None


def test_missing_foreign_and_truncated_pictures_are_refused(xray, tmp_path):
    for read in (read_picture, picture_size, picture_spacing):
        with pytest.raises(DataError, match="does not exist"):
            read(tmp_path / "no.dcm")
    (tmp_path / "text.dcm").write_text("hello")
    with pytest.raises(DataError, match="the picture cannot be read"):
        picture_size(tmp_path / "text.dcm")
    path = xray(np.zeros((64, 64), np.uint16))
    path.write_bytes(path.read_bytes()[:-4000])
    with pytest.raises(DataError, match="the picture cannot be read") as caught:
        read_picture(path, "min_max")
    assert caught.value.where == str(path)


def test_several_frames_are_not_one_picture(tmp_path, xray):
    image = SimpleITK.GetImageFromArray(np.zeros((3, 8, 9), np.uint8))
    image.SetMetaData("0008|0060", "US")
    SimpleITK.WriteImage(image, str(tmp_path / "cine.dcm"))
    with pytest.raises(DataError, match=r"3 frame\(s\)"):
        picture_size(tmp_path / "cine.dcm")
