"""How the slices of a DICOM series stack into a volume: order, spacing and affine from positions alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medft_bm.core.errors import DataError, GeometryError
from medft_bm.core.volume import VolumeGeometry
from medft_bm.imaging.itk import LPS_TO_RAS


@dataclass(frozen=True)
class SliceHeader:
    """One slice as its file states it.

    Attributes:
        path: the file.
        size: columns, rows.
        position: ImagePositionPatient, LPS mm of the centre of the first pixel.
        orientation: ImageOrientationPatient, direction of the rows' and of the columns' index in LPS.
        spacing: PixelSpacing in DICOM's own order: between rows (y), between columns (x), mm.
        thickness: SliceThickness in mm, if stated; used for a series of one slice only.
        pixel_type: SimpleITK's number of the value type after rescaling.
        turn: what a true value and the one that is decoded add up to, if the decoder turns the image over wrongly.
    """

    path: Path
    size: tuple[int, int]
    position: tuple[float, float, float]
    orientation: tuple[float, float, float, float, float, float]
    spacing: tuple[float, float]
    thickness: float | None
    pixel_type: int
    turn: float | None = None


def stack(folder: Path, headers: Sequence[SliceHeader]) -> tuple[list[SliceHeader], VolumeGeometry]:
    """Slices in the order of their positions, and the geometry of the volume they make.

    The slice axis is the step from one position to the next: SliceThickness says how thick the slab of tissue is, not
    how far apart the slices are, and with a tilted gantry the step is not perpendicular to the slice.

    Raises:
        DataError: slices of different size, spacing or direction, two at one position, or a missing one.
    """
    _require_equal(folder, headers)
    first = headers[0]
    along_row, along_column = np.array(first.orientation[:3]), np.array(first.orientation[3:])
    normal = np.cross(along_row, along_column)
    ordered = sorted(headers, key=lambda header: (float(normal @ np.array(header.position)), header.path.name))
    positions = np.array([header.position for header in ordered])
    affine = np.eye(4)
    affine[:3, 0] = LPS_TO_RAS @ along_row * first.spacing[1]
    affine[:3, 1] = LPS_TO_RAS @ along_column * first.spacing[0]
    affine[:3, 2] = LPS_TO_RAS @ _step(folder, ordered, positions, normal)
    affine[:3, 3] = LPS_TO_RAS @ positions[0]
    try:
        return ordered, VolumeGeometry((*first.size, len(ordered)), affine)
    except GeometryError as error:
        raise GeometryError(error.what, where=str(folder), fix=error.fix) from error


def _step(
    folder: Path, ordered: Sequence[SliceHeader], positions: NDArray[np.float64], normal: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Vector from one slice to the next in LPS mm."""
    if len(ordered) == 1:
        thickness = ordered[0].thickness
        if thickness is None or not thickness > 0:
            what = "one slice without a SliceThickness has no voxel depth"
            raise GeometryError(what, where=str(ordered[0].path), fix="export the whole series")
        return normal * thickness
    steps = np.diff(positions, axis=0)
    gaps = steps @ normal
    usual = float(np.median(gaps))
    for gap, before, after in zip(gaps, ordered[:-1], ordered[1:], strict=True):
        if abs(gap) < 1e-3:
            raise DataError(
                f"{before.path.name} and {after.path.name} are at the same position",
                where=str(folder),
                fix="keep one time point, echo or reconstruction per folder",
            )
        if abs(gap - usual) > max(0.02 * usual, 0.01):
            raise DataError(
                f"{gap:.3f} mm from {before.path.name} to {after.path.name}, {usual:.3f} mm between most slices",
                where=str(folder),
                fix="a slice is missing or the series is not evenly spaced: complete it, or resample it to NIfTI",
            )
    return np.asarray((positions[-1] - positions[0]) / (len(ordered) - 1), np.float64)


def _require_equal(folder: Path, headers: Sequence[SliceHeader]) -> None:
    first = headers[0]
    for header in headers[1:]:
        for name, expected, found, tolerance in (
            ("size", first.size, header.size, 0.0),
            ("PixelSpacing", first.spacing, header.spacing, 1e-4),
            ("ImageOrientationPatient", first.orientation, header.orientation, 1e-3),
        ):
            if not np.allclose(expected, found, rtol=0, atol=tolerance):
                raise DataError(
                    f"{name} is {list(found)} in {header.path.name} and {list(expected)} in {first.path.name}",
                    where=str(folder),
                    fix="keep one acquisition per folder; move localisers and other series elsewhere",
                )
