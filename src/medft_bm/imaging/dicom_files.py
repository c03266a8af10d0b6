"""DICOM files: the slices of a series, and single pictures such as X-rays.

MONOCHROME1 says that low stored values are to be shown bright. GDCM, inside SimpleITK, turns the stored bits of such an
image over while it decodes (measured for raw, JPEG, JPEG 2000, 12 and 16 bits, signed and not), so high is always
bright here. Only CT must not be turned: Hounsfield units say by themselves what is bright, and are restored.
"""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medft_bm.core.errors import DataError, GeometryError
from medft_bm.core.geometry import Size, Spacing
from medft_bm.core.volume import VolumeGeometry
from medft_bm.imaging.dicom import SliceHeader, stack
from medft_bm.imaging.itk import run, simpleitk, voxels

log = logging.getLogger(__name__)

_NOT_A_PLACE = "without it the slice has no place in millimetres; export the series again"
_NOT_A_SIZE = "export the picture again, or remove the tag and give the pixel size to the source"


def read_series_header(folder: Path) -> tuple[list[SliceHeader], VolumeGeometry]:
    """Sorted slices and geometry of the one DICOM series in a folder.

    Raises:
        DataError: no series, several, a damaged slice, or slices that do not make a volume.
    """
    reader = simpleitk().ImageSeriesReader
    series = list(reader.GetGDCMSeriesIDs(str(folder)))
    if len(series) != 1:
        found = f"{len(series)} DICOM series: {', '.join(series)}" if series else "no DICOM series"
        fix = "keep one series per folder" if series else "give the folder in which the slices of a series lie"
        raise DataError(f"the folder holds {found}", where=str(folder), fix=fix)
    files = [Path(name) for name in reader.GetGDCMSeriesFileNames(str(folder), series[0])]
    strays = sorted({file.name for file in folder.iterdir() if _is_dicom(file)} - {file.name for file in files})
    if strays:
        raise DataError(
            f"{len(strays)} DICOM file(s) are not readable slices of the series: {', '.join(strays[:3])}",
            where=str(folder),
            fix="download a damaged slice again; move structure sets and reports out of the folder",
        )
    return stack(folder, [_slice_header(file) for file in files])


def read_series(folder: Path) -> tuple[NDArray[Any], VolumeGeometry]:
    """Voxels ``[i, j, k]`` of the one DICOM series in a folder, rescaled as its files say, read-only; and geometry.

    Raises:
        DataError: as :func:`read_series_header`.
    """
    slices, geometry = read_series_header(folder)
    sitk = simpleitk()
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(header.path) for header in slices])
    if len({header.pixel_type for header in slices}) > 1:
        # SimpleITK takes the first slice's type for all: a later fractional rescale slope would be cut to integers.
        reader.SetOutputPixelType(sitk.sitkFloat32)
    array = voxels(run(reader.Execute, folder))
    turns = {k: header.turn for k, header in enumerate(slices) if header.turn is not None}
    if turns:
        array = array.copy(order="K")
        for k, turn in turns.items():
            array[:, :, k] = turn - array[:, :, k]
        array.setflags(write=False)
    return array, geometry


def read_picture_values(path: Path) -> NDArray[Any]:
    """One DICOM picture in stored or rescaled values, ``(h, w)`` or ``(h, w, 3)``; high is bright.

    Raises:
        DataError: damaged, several frames, or a number of values per pixel that is neither 1 nor 3.
    """
    reader = _picture(path)
    image = run(reader.Execute, path, "picture")
    values: NDArray[Any] = simpleitk().GetArrayFromImage(image)
    columns, rows = image.GetSize()[:2]
    turn = _hounsfield_turn(reader)
    values = values.reshape((rows, columns, 3) if image.GetNumberOfComponentsPerPixel() == 3 else (rows, columns))
    return values if turn is None else (turn - values).astype(values.dtype)


def picture_header_size(path: Path) -> Size:
    """Size of one DICOM picture, from its header.

    Raises:
        DataError: as :func:`read_picture_values`.
    """
    columns, rows = _picture(path).GetSize()[:2]
    return Size(int(rows), int(columns))


def picture_header_spacing(path: Path) -> Spacing | None:
    """Pixel size that the header of one DICOM picture states, or ``None``.

    PixelSpacing is the size in the patient. Where a projection X-ray states ImagerPixelSpacing only, that is the size
    at the detector, where everything is larger than in the patient by the magnification: it is divided by
    EstimatedRadiographicMagnificationFactor where that is stated, and taken as it is, as viewers do, with one warning
    where it is not (angles do not suffer, lengths are that factor too long).

    Raises:
        DataError: damaged.
        GeometryError: a stated size that is not two positive numbers.
    """
    reader = _picture(path)
    if _text(reader, "0028|0030"):
        y, x = _numbers(reader, path, "0028|0030", "PixelSpacing", 2, _NOT_A_SIZE)
    elif _text(reader, "0018|1164"):
        y, x = _numbers(reader, path, "0018|1164", "ImagerPixelSpacing", 2, _NOT_A_SIZE)
        if _text(reader, "0018|1114"):
            name = "EstimatedRadiographicMagnificationFactor"
            (factor,) = _numbers(reader, path, "0018|1114", name, 1, _NOT_A_SIZE)
            y, x = (y / factor, x / factor) if factor > 0 else (0.0, 0.0)
        else:
            _say_detector()
    else:
        return None
    try:
        return Spacing(y, x)
    except GeometryError as error:
        raise GeometryError(error.what, where=str(path), fix=_NOT_A_SIZE) from error


@cache
def _say_detector() -> None:
    log.warning(
        "some X-rays state their pixel size at the detector only: lengths in the patient are shorter by the "
        "magnification, which they do not state"
    )


def _is_dicom(file: Path) -> bool:
    if not file.is_file():
        return False
    with file.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def _header(file: Path, what: str) -> Any:
    reader = simpleitk().ImageFileReader()
    reader.SetFileName(str(file))
    reader.SetImageIO("GDCMImageIO")
    run(reader.ReadImageInformation, file, what)
    return reader


def _picture(path: Path) -> Any:
    if not path.is_file():
        raise DataError("the picture does not exist", where=str(path), fix="check the path and the root")
    reader = _header(path, "picture")
    frames, values = (*reader.GetSize(), 1)[2], reader.GetNumberOfComponents()
    if frames != 1 or values not in (1, 3):
        raise DataError(
            f"the picture has {frames} frame(s) of {values} value(s) per pixel",
            where=str(path),
            fix="save each frame as its own file",
        )
    return reader


def _slice_header(file: Path) -> SliceHeader:
    reader = _header(file, "volume")
    columns, rows, frames = (*(int(n) for n in reader.GetSize()), 1)[:3]
    if frames != 1 or reader.GetNumberOfComponents() != 1:
        raise DataError(
            f"{frames} frame(s) of {reader.GetNumberOfComponents()} value(s) per pixel in one DICOM file",
            where=str(file),
            fix="convert enhanced, multi-frame or colour DICOM to NIfTI, for example with dcm2niix",
        )
    position = _numbers(reader, file, "0020|0032", "ImagePositionPatient", 3, _NOT_A_PLACE)
    orientation = _numbers(reader, file, "0020|0037", "ImageOrientationPatient", 6, _NOT_A_PLACE)
    spacing = _numbers(reader, file, "0028|0030", "PixelSpacing", 2, _NOT_A_PLACE)
    thickness = _text(reader, "0018|0050")
    return SliceHeader(
        path=file,
        size=(columns, rows),
        position=(position[0], position[1], position[2]),
        orientation=tuple(orientation),  # type: ignore[arg-type]
        spacing=(spacing[0], spacing[1]),
        thickness=float(thickness) if thickness else None,
        pixel_type=int(reader.GetPixelID()),
        turn=_hounsfield_turn(reader),
    )


def _hounsfield_turn(reader: Any) -> float | None:
    """For CT in MONOCHROME1: a Hounsfield unit plus what GDCM makes of it."""
    if _text(reader, "0008|0060") != "CT" or _text(reader, "0028|0004") != "MONOCHROME1":
        return None
    signed = _text(reader, "0028|0103") == "1"
    bits_sum = -1 if signed else 2 ** int(_text(reader, "0028|0101")) - 1
    intercept, slope = _text(reader, "0028|1052") or "0", _text(reader, "0028|1053") or "1"
    return float(slope) * bits_sum + 2 * float(intercept)


def _text(reader: Any, tag: str) -> str:
    return str(reader.GetMetaData(tag)).strip(" \0") if reader.HasMetaDataKey(tag) else ""


def _numbers(reader: Any, file: Path, tag: str, name: str, count: int, fix: str) -> list[float]:
    text = _text(reader, tag)
    try:
        values = [float(part) for part in text.split("\\")]
    except ValueError:
        values = []
    if len(values) != count or not np.isfinite(values).all():
        raise GeometryError(f"{name} must be {count} numbers, got {text!r}", where=str(file), fix=fix)
    return values
