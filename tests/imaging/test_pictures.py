from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageOps

from medft_bm.core.errors import DataError
from medft_bm.core.geometry import Size
from medft_bm.imaging.pictures import picture_size, read_picture


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (24, 40, 3)).astype(np.uint8)


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_lossless_pictures_come_back_as_they_were(tmp_path, pixels, suffix):
    for array in (pixels, pixels[..., 0]):
        path = tmp_path / f"a.{suffix}"
        Image.fromarray(array).save(path)
        assert (read_picture(path) == array).all()
        assert picture_size(path) == Size(24, 40)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
def test_the_exif_orientation_is_applied_and_the_size_in_the_header_agrees(tmp_path, suffix, orientation):
    corners = np.zeros((24, 40), np.uint8)
    corners[:8, :8], corners[:8, -8:], corners[-8:, :8] = 250, 170, 90
    image, path = Image.fromarray(corners), tmp_path / f"a.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(path, exif=exif)
    tagged = Image.fromarray(corners)
    tagged.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(tagged))
    shown = read_picture(path)
    assert shown.shape == expected.shape == ((24, 40) if orientation < 5 else (40, 24))
    assert np.abs(shown.astype(int) - expected).max() < 20  # JPEG
    assert picture_size(path) == Size(*shown.shape)


def test_transparency_is_laid_on_white(tmp_path):
    layered = np.zeros((4, 6, 4), np.uint8)
    layered[:, :3] = (200, 10, 10, 255)
    layered[:, 3:5] = (0, 0, 0, 128)
    Image.fromarray(layered).save(tmp_path / "a.png")
    shown = read_picture(tmp_path / "a.png")
    assert shown[0, 0].tolist() == [200, 10, 10]
    assert shown[0, 3].tolist() == pytest.approx([127, 127, 127], abs=1)
    assert shown[0, 5].tolist() == [255, 255, 255]
    Image.fromarray(layered).convert("LA").save(tmp_path / "grey.png")
    assert read_picture(tmp_path / "grey.png").shape == (4, 6)


def test_palettes_cmyk_and_black_and_white_are_converted(tmp_path):
    flat = Image.new("RGB", (6, 4), (200, 30, 60))
    flat.convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "p.png")
    flat.convert("CMYK").save(tmp_path / "c.tif")
    flat.convert("CMYK").save(tmp_path / "c.jpg", quality=95)
    for name in ("p.png", "c.tif", "c.jpg"):
        assert read_picture(tmp_path / name)[2, 3].tolist() == pytest.approx([200, 30, 60], abs=4)
    line = np.zeros((4, 6), bool)
    line[1] = True
    Image.fromarray(line).save(tmp_path / "l.png")
    assert read_picture(tmp_path / "l.png").tolist() == (line * 255).tolist()


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_deep_grey_values_need_a_window(tmp_path, kind):
    values = np.linspace(0, 4095, 24).reshape(4, 6).astype(kind)
    path = tmp_path / ("a.png" if kind == np.uint16 else "a.tif")
    Image.fromarray(values).save(path)
    with pytest.raises(DataError, match="needs 8-bit values") as caught:
        read_picture(path)
    assert caught.value.where == str(path)
    shown = read_picture(path, "min_max")
    assert shown[0, 0] == 0
    assert shown[-1, -1] == 255
    assert picture_size(path) == Size(4, 6)


def test_pages_are_not_silently_dropped(tmp_path):
    page = Image.new("L", (6, 4))
    page.save(tmp_path / "a.tif", save_all=True, append_images=[page])
    for read in (read_picture, picture_size):
        with pytest.raises(DataError, match="2 pages"):
            read(tmp_path / "a.tif")


def test_missing_foreign_and_truncated_files_are_refused(tmp_path, pixels):
    with pytest.raises(DataError, match="does not exist"):
        picture_size(tmp_path / "no.png")
    (tmp_path / "a.png").write_bytes(b"not a picture")
    with pytest.raises(DataError, match="not a picture"):
        picture_size(tmp_path / "a.png")
    for name in ("b.png", "b.jpg"):
        path = tmp_path / name
        Image.fromarray(pixels).save(path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(DataError, match="cannot be read") as caught:
            read_picture(path)
        assert caught.value.where == str(path)


def test_the_size_of_a_real_tile_is_read_from_its_header(real_data):
    path = next((real_data / "A_breakhis").rglob("SOB_M_DC*.png"))
    assert picture_size(path) == Size(460, 700)
    assert read_picture(path).shape == (460, 700, 3)
