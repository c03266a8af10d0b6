"""Files to arrays with their place in the patient, whatever their format.

NIfTI is read by :mod:`medft_bm.imaging.nifti`, DICOM by :mod:`medft_bm.imaging.dicom_files`, pictures by
:mod:`medft_bm.imaging.pictures`, NRRD and MetaImage here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medft_bm.core.errors import DataError, GeometryError
from medft_bm.core.volume import VolumeGeometry
from medft_bm.imaging.dicom_files import read_series, read_series_header
from medft_bm.imaging.itk import LPS_TO_RAS, run, simpleitk, voxels
from medft_bm.imaging.nifti import read_header, read_voxels
from medft_bm.imaging.pictures import picture_size, picture_spacing, read_picture

__all__ = [
    "VOLUME_SUFFIXES",
    "Volume",
    "is_volume",
    "picture_size",
    "picture_spacing",
    "read_geometry",
    "read_picture",
    "read_volume",
]

VOLUME_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd")
"""File names that hold a volume; a folder holds a DICOM series."""

_SPACING_LINE = {
    ".nrrd": re.compile(rb"^(?:space directions|spacings):", re.MULTILINE),
    ".mha": re.compile(rb"^Element(?:Spacing|Size)\s*=", re.MULTILINE),
    ".mhd": re.compile(rb"^Element(?:Spacing|Size)\s*=", re.MULTILINE),
}


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxels and where they are.

    Attributes:
        array: indexed ``[i, j, k]`` like the geometry; read-only, in the stored type unless the file rescales it.
        geometry: shape and affine in RAS millimetres.
    """

    array: NDArray[Any]
    geometry: VolumeGeometry


def is_volume(path: Path) -> bool:
    """Whether a path names a volume, by its suffix or because it is a folder; anything else is taken for a picture."""
    return path.is_dir() or path.name.lower().endswith(VOLUME_SUFFIXES)


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
            return read_series_header(path)[1]
        return read_header(path).geometry if suffix.startswith(".nii") else _itk_geometry(path, suffix)


def read_volume(path: Path, wanted: Sequence[tuple[int, int]] | None = None) -> Volume:
    """Voxels and geometry of a volume; integers stay integers unless the file rescales them.

    Args:
        path: as for :func:`read_geometry`.
        wanted: (axis, index) of the slices that will be looked at, ``None`` for all; of a compressed NIfTI file the
            others need not be there then.

    Raises:
        DataError: as :func:`read_geometry`, or the file is truncated or damaged.
    """
    suffix = _suffix(path)
    with _readable(path):
        if suffix.startswith(".nii"):
            header = read_header(path)
            return Volume(read_voxels(path, header, wanted), header.geometry)
        return Volume(*read_series(path)) if suffix == "" else _itk_volume(path, suffix)


def _itk_volume(path: Path, suffix: str) -> Volume:
    geometry = _itk_geometry(path, suffix)
    reader = simpleitk().ImageFileReader()
    reader.SetFileName(str(path))
    return Volume(voxels(run(reader.Execute, path)), geometry)


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


def _itk_geometry(path: Path, suffix: str) -> VolumeGeometry:
    with path.open("rb") as stream:
        head = stream.read(1 << 16)
    if not _SPACING_LINE[suffix].search(head):
        raise GeometryError(
            "the header states no voxel spacing",
            where=str(path),
            fix="write the spacing into the header; it is never assumed to be 1 mm",
        )
    reader = simpleitk().ImageFileReader()
    reader.SetFileName(str(path))
    run(reader.ReadImageInformation, path)
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
    affine[:3, :3] = LPS_TO_RAS @ direction * np.array(reader.GetSpacing())
    affine[:3, 3] = LPS_TO_RAS @ np.array(reader.GetOrigin())
    try:
        return VolumeGeometry((shape[0], shape[1], shape[2]), affine)
    except GeometryError as error:
        raise GeometryError(error.what, where=str(path), fix=error.fix) from error
