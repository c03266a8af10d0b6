"""Files to arrays with their place in the patient: the only reader that uses SimpleITK, and where LPS becomes RAS.

NIfTI is read by :mod:`medft_bm.imaging.nifti`, pictures by :mod:`medft_bm.imaging.pictures`; NRRD, MetaImage and DICOM
series by SimpleITK.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medft_bm.core.errors import DataError, GeometryError
from medft_bm.core.volume import VolumeGeometry
from medft_bm.imaging.dicom import SliceHeader, stack
from medft_bm.imaging.nifti import read_header, read_voxels
from medft_bm.imaging.pictures import picture_size, read_picture

__all__ = ["VOLUME_SUFFIXES", "Volume", "picture_size", "read_geometry", "read_picture", "read_volume"]

VOLUME_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd")
"""File names that hold a volume; a folder holds a DICOM series."""

_SPACING_LINE = {
    ".nrrd": re.compile(rb"^(?:space directions|spacings):", re.MULTILINE),
    ".mha": re.compile(rb"^Element(?:Spacing|Size)\s*=", re.MULTILINE),
    ".mhd": re.compile(rb"^Element(?:Spacing|Size)\s*=", re.MULTILINE),
}
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxels and where they are.

    Attributes:
        array: indexed ``[i, j, k]`` like the geometry; read-only, in the stored type unless the file rescales it.
        geometry: shape and affine in RAS millimetres.
    """

    array: NDArray[Any]
    geometry: VolumeGeometry
    _owner: object = field(default=None, repr=False)  # a SimpleITK buffer dies with its image


def read_geometry(path: Path) -> VolumeGeometry:
    """Shape and affine of a volume from its header(s); no voxel is read.

    Args:
        path: a file with one of :data:`VOLUME_SUFFIXES`, or a folder with one DICOM series.

    Raises:
        DataError: missing, unreadable, not one 3-D volume, or a voxel size that is lost or contradictory.
    """
    suffix = _suffix(path)
    with _readable(path):
        if suffix == "":
            return _series(path)[1]
        return read_header(path).geometry if suffix.startswith(".nii") else _itk_geometry(path, suffix)


def read_volume(path: Path) -> Volume:
    """Voxels and geometry of a volume; integers stay integers unless the file rescales them.

    Args:
        path: as for :func:`read_geometry`.

    Raises:
        DataError: as :func:`read_geometry`, or the file is truncated or damaged.
    """
    suffix = _suffix(path)
    with _readable(path):
        if suffix.startswith(".nii"):
            header = read_header(path)
            return Volume(read_voxels(path, header), header.geometry)
        return _itk_volume(path, suffix)


def _itk_volume(path: Path, suffix: str) -> Volume:
    sitk = _simpleitk()
    if suffix == "":
        slices, geometry = _series(path)
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames([str(header.path) for header in slices])
        if len({header.pixel_type for header in slices}) > 1:
            # SimpleITK takes the first slice's type for all: a later fractional rescale slope would be cut to integers.
            reader.SetOutputPixelType(sitk.sitkFloat32)
    else:
        geometry = _itk_geometry(path, suffix)
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(path))
    image = _run(reader.Execute, path)
    return Volume(sitk.GetArrayViewFromImage(image).T, geometry, image)


def _suffix(path: Path) -> str:
    """Suffix of a volume file, or empty for a folder."""
    if path.is_dir():
        return ""
    if not path.exists():
        raise DataError("the volume does not exist", where=str(path), fix="check the path and the root")
    for suffix in sorted(VOLUME_SUFFIXES, key=len, reverse=True):
        if path.name.lower().endswith(suffix):
            return suffix
    raise DataError(
        f"{path.name} is not a volume file",
        where=str(path),
        fix=f"use {', '.join(VOLUME_SUFFIXES)}, or the folder of a DICOM series",
    )


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"the volume cannot be read: {error}", where=str(path), fix="check its permissions") from error


def _simpleitk() -> Any:
    import SimpleITK  # half a second: only when a file needs it

    # Its warnings go to the C++ error stream, where nobody can act on them; what matters of them is checked here.
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    return SimpleITK


def _run(call: Any, path: Path, *arguments: Any) -> Any:
    """Call SimpleITK; its exceptions become one :class:`DataError` with the last line of their text."""
    try:
        return call(*arguments)
    except RuntimeError as error:
        lines = [line.strip(" |") for line in str(error).splitlines() if line.strip(" |")]
        raise DataError(
            f"the volume cannot be read: {lines[-1]}",
            where=str(path),
            fix="the file may be truncated or damaged: download or copy it again",
        ) from error


def _itk_geometry(path: Path, suffix: str) -> VolumeGeometry:
    with path.open("rb") as stream:
        head = stream.read(1 << 16)
    if not _SPACING_LINE[suffix].search(head):
        raise GeometryError(
            "the header states no voxel spacing",
            where=str(path),
            fix="write the spacing into the header; it is never assumed to be 1 mm",
        )
    reader = _simpleitk().ImageFileReader()
    reader.SetFileName(str(path))
    _run(reader.ReadImageInformation, path)
    shape = tuple(int(n) for n in reader.GetSize())
    channels = int(reader.GetNumberOfComponents())
    if len(shape) != 3 or channels != 1:
        raise DataError(
            f"expected one 3-D volume of grey values, got shape {shape} with {channels} value(s) per voxel",
            where=str(path),
            fix="save one file per time point or channel, and a single slice as a 3-D volume with one slice",
        )
    affine = np.eye(4)
    direction = np.array(reader.GetDirection()).reshape(3, 3)
    affine[:3, :3] = _LPS_TO_RAS @ direction * np.array(reader.GetSpacing())
    affine[:3, 3] = _LPS_TO_RAS @ np.array(reader.GetOrigin())
    try:
        return VolumeGeometry((shape[0], shape[1], shape[2]), affine)
    except GeometryError as error:
        raise GeometryError(error.what, where=str(path), fix=error.fix) from error


def _series(folder: Path) -> tuple[list[SliceHeader], VolumeGeometry]:
    """Sorted slices and geometry of the one DICOM series in a folder."""
    reader = _simpleitk().ImageSeriesReader
    series = list(reader.GetGDCMSeriesIDs(str(folder)))
    if len(series) != 1:
        found = f"{len(series)} DICOM series: {', '.join(series)}" if series else "no DICOM series"
        raise DataError(f"the folder holds {found}", where=str(folder), fix="keep one series per folder")
    files = [Path(name) for name in reader.GetGDCMSeriesFileNames(str(folder), series[0])]
    strays = sorted({file.name for file in folder.iterdir() if _is_dicom(file)} - {file.name for file in files})
    if strays:
        raise DataError(
            f"{len(strays)} DICOM file(s) are not readable slices of the series: {', '.join(strays[:3])}",
            where=str(folder),
            fix="download a damaged slice again; move structure sets and reports out of the folder",
        )
    return stack(folder, [_slice_header(file) for file in files])


def _is_dicom(file: Path) -> bool:
    if not file.is_file():
        return False
    with file.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def _slice_header(file: Path) -> SliceHeader:
    reader = _simpleitk().ImageFileReader()
    reader.SetFileName(str(file))
    reader.SetImageIO("GDCMImageIO")
    _run(reader.ReadImageInformation, file)
    columns, rows, frames = (*(int(n) for n in reader.GetSize()), 1)[:3]
    if frames != 1 or reader.GetNumberOfComponents() != 1:
        raise DataError(
            f"{frames} frame(s) of {reader.GetNumberOfComponents()} value(s) per pixel in one DICOM file",
            where=str(file),
            fix="convert enhanced, multi-frame or colour DICOM to NIfTI, for example with dcm2niix",
        )
    position = _numbers(reader, file, "0020|0032", "ImagePositionPatient", 3)
    orientation = _numbers(reader, file, "0020|0037", "ImageOrientationPatient", 6)
    spacing = _numbers(reader, file, "0028|0030", "PixelSpacing", 2)
    thickness = reader.GetMetaData("0018|0050") if reader.HasMetaDataKey("0018|0050") else ""
    return SliceHeader(
        path=file,
        size=(columns, rows),
        position=(position[0], position[1], position[2]),
        orientation=tuple(orientation),  # type: ignore[arg-type]
        spacing=(spacing[0], spacing[1]),
        thickness=float(thickness) if thickness.strip() else None,
        pixel_type=int(reader.GetPixelID()),
    )


def _numbers(reader: Any, file: Path, tag: str, name: str, count: int) -> list[float]:
    text = reader.GetMetaData(tag) if reader.HasMetaDataKey(tag) else ""
    try:
        values = [float(part) for part in text.split("\\")]
    except ValueError:
        values = []
    if len(values) != count or not np.isfinite(values).all():
        raise GeometryError(
            f"{name} must be {count} numbers, got {text.strip()!r}",
            where=str(file),
            fix="without it the slice has no place in millimetres; export the series again",
        )
    return values
