"""Pictures (PNG, JPEG, TIFF, BMP, single DICOM images) as 8-bit arrays, upright and opaque."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, TiffImagePlugin, UnidentifiedImageError

from medft_bm.core.errors import DataError
from medft_bm.core.geometry import Size, Spacing
from medft_bm.imaging.dicom_files import picture_header_size, picture_header_spacing, read_picture_values
from medft_bm.imaging.windows import apply_window

DICOM_SUFFIXES = (".dcm", ".dicom")
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_THEIR_SIDE = (5, 6, 7, 8)


def read_picture(path: Path, window: str = "as_is") -> NDArray[np.uint8]:
    """The picture as shown: ``(h, w)`` grey or ``(h, w, 3)`` RGB.

    The EXIF orientation is applied, transparency is laid on white, palettes, CMYK and the like become RGB. One bit
    becomes black and white. Grey values of more than 8 bits need a window. Of DICOM, MONOCHROME1 is turned over so that
    high is bright, and the rescale slope and intercept are applied.

    Args:
        path: the file.
        window: see :mod:`medft_bm.imaging.windows`; ``as_is`` refuses more than 8 bits.

    Raises:
        DataError: missing, damaged, several pages, or more than 8 bits without a window.
    """
    if _is_dicom(path):
        return np.ascontiguousarray(apply_window(read_picture_values(path), window, where=str(path)))
    with _opened(path) as image:
        upright = None if image.format == "TIFF" else _UPRIGHT.get(_orientation(image))
        image.load()  # Pillow turns TIFF upright itself, here
        shown = image if upright is None else image.transpose(upright)
        values = np.asarray(shown if _deep(shown) else _opaque(shown))
    return np.ascontiguousarray(apply_window(values, window, where=str(path)))


def picture_size(path: Path) -> Size:
    """Size of the picture as :func:`read_picture` returns it, from the header alone.

    Raises:
        DataError: missing, not a picture, or several pages.
    """
    if _is_dicom(path):
        return picture_header_size(path)
    with _opened(path) as image:
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            width, height = int(image.tag_v2[256]), int(image.tag_v2[257])
        else:
            width, height = image.size
        turned = _orientation(image) in _ON_THEIR_SIDE
    return Size(width, height) if turned else Size(height, width)


def picture_spacing(path: Path) -> Spacing | None:
    """Pixel size that the picture's own header states: DICOM's, see :func:`picture_header_spacing`; others have none.

    The dots per inch of PNG, JPEG and TIFF are about printing and not looked at.

    Raises:
        DataError: a DICOM picture that is missing or damaged, or a pixel size that is not two positive numbers.
    """
    return picture_header_spacing(path) if _is_dicom(path) else None


def _is_dicom(path: Path) -> bool:
    return path.suffix.lower() in DICOM_SUFFIXES


def _deep(image: Image.Image) -> bool:
    return image.mode.startswith("I") or image.mode == "F"


def _opaque(image: Image.Image) -> Image.Image:
    if image.has_transparency_data:
        grey = image.mode in ("L", "LA", "La")
        layered = image.convert("RGBA")
        white = Image.new("RGBA", layered.size, "white")
        return Image.alpha_composite(white, layered).convert("L" if grey else "RGB")
    return image if image.mode in ("L", "RGB") else image.convert("L" if image.mode == "1" else "RGB")


def _orientation(image: Image.Image) -> int:
    if image.format != "PNG":
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    # Pillow's PNG getexif() decodes the whole picture when the header has no EXIF, which nearly none has.
    exif = Image.Exif()
    exif.load(image.info.get("exif", b""))
    return int(exif.get(ExifTags.Base.Orientation, 1))


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    try:
        # From a stream, not by name: by name Pillow 13.0 maps an uncompressed TIFF and scrambles it when it lies on its
        # side (EXIF orientation 5 to 8).
        with path.open("rb") as stream, Image.open(stream) as image:
            pages = getattr(image, "n_frames", 1)
            if pages > 1 and image.format != "MPO":
                raise DataError(
                    f"the picture has {pages} pages",
                    where=str(path),
                    fix="save each page as its own file, or a stack of slices as NIfTI",
                )
            yield image
    except FileNotFoundError as error:
        raise DataError("the picture does not exist", where=str(path), fix="check the path and the root") from error
    except UnidentifiedImageError as error:
        raise DataError("this is not a picture that can be read", where=str(path), fix="use PNG or JPEG") from error
    except Image.DecompressionBombError as error:
        what = f"the picture has more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels"
        fix = "cut tiles out of it, or make it smaller; of a whole slide take a level of lower resolution"
        raise DataError(what, where=str(path), fix=fix) from error
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(
            f"the picture cannot be read: {error}", where=str(path), fix="download or convert the file again"
        ) from error
