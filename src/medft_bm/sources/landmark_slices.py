"""Named points in a volume, and the slices on which they can be measured."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medft_bm.core.errors import DataError
from medft_bm.core.registry import did_you_mean
from medft_bm.core.volume import PLANES, Plane, VolumeGeometry
from medft_bm.sources.landmark_list import finite_numbers

Space = Literal["voxel", "ras", "lps"]
Yx = tuple[float, float]
Ijk = tuple[float, float, float]
Slice = tuple[int, int]
"""Array axis and index along it."""

_ROUNDING = 1e-4  # voxels: what a place may lose on its way through millimetres in a text file


@dataclass(frozen=True)
class PointsInVolume:
    """The points of one entry.

    Attributes:
        geometry: of the volume.
        ijk: name to voxel coordinates, centres at integers.
        only: the slice that the entry is about; ``None`` looks for one.
        yx: name to continuous pixels, corner origin, of points stated on that slice as it is displayed.
    """

    geometry: VolumeGeometry
    ijk: Mapping[str, Ijk]
    only: Slice | None = None
    yx: Mapping[str, Yx] | None = None

    def __contains__(self, name: str) -> bool:
        return name in self.ijk or name in (self.yx or {})

    def slices(self, names: Collection[str], planes: Sequence[Plane]) -> list[Slice]:
        """Slices in which all these points lie, at most half a voxel from its plane; one per plane at most."""
        if self.only:
            axis, index = self.only
            deep = [abs(self.ijk[name][axis] - index) for name in names if name in self.ijk]
            return [self.only] if max(deep, default=0.0) <= 0.5 + _ROUNDING else []
        found = []
        for plane in dict.fromkeys(planes):
            axis = self.geometry.axis_of(plane)
            depths = [self.ijk[name][axis] for name in names]
            first = math.ceil(max(depths) - 0.5 - _ROUNDING)
            last = math.floor(min(depths) + 0.5 + _ROUNDING)
            if first <= last:
                nearest = min(max(round(sum(depths) / len(depths)), first), last)
                found.append((axis, min(max(nearest, 0), self.geometry.shape_ijk[axis] - 1)))
        return found

    def on(self, at: Slice, names: Collection[str]) -> dict[str, Yx]:
        """The points, projected onto a slice: name to (y, x), continuous pixels of its display."""
        layout = self.geometry.layout(at[0])
        points = {}
        for name in names:
            if name in self.ijk:
                y, x = self.geometry.slice_points(layout, np.array([self.ijk[name]]))[0]
                points[name] = (float(y), float(x))
            else:
                points[name] = (self.yx or {})[name]
        return points


def voxel_of(geometry: VolumeGeometry, xyz: Ijk, space: Space, *, corner: bool) -> Ijk | None:
    """Voxel coordinates of a point, or ``None`` outside the volume.

    Args:
        geometry: of the volume.
        xyz: voxel coordinates i, j, k, or millimetres.
        space: which of them; ``lps`` is what DICOM and ITK write.
        corner: voxel coordinates count from the corner of the first voxel instead of its centre.
    """
    if space == "voxel":
        ijk: NDArray[np.floating[Any]] = np.array(xyz) - (0.5 if corner else 0.0)
    else:
        ras = np.array(xyz) * ((-1, -1, 1) if space == "lps" else (1, 1, 1))
        ijk = np.linalg.solve(geometry.ras_from_ijk[:3, :3], ras - geometry.ras_from_ijk[:3, 3])
    inside = (ijk >= -0.5 - _ROUNDING) & (ijk <= np.array(geometry.shape_ijk) - 0.5 + _ROUNDING)
    i, j, k = ijk.tolist()
    return (i, j, k) if inside.all() else None


def stated_slice(geometry: VolumeGeometry, index: object, plane: object, where: str) -> Slice:
    """The slice that an entry names.

    Args:
        geometry: of the volume.
        index: counted from 0 in the order of the array, as a number or as text.
        plane: name of the plane, or number of the array axis.
        where: entry, for messages.

    Raises:
        DataError: no such plane or slice.
    """
    named = str(plane).lower()
    axes = {"0": 0, "1": 1, "2": 2} | {str(name): geometry.axis_of(name) for name in PLANES}
    if named not in axes:
        fix = f"use {', '.join(PLANES)}, or the array axis 0, 1 or 2"
        raise DataError(f"{named!r} is not a plane{did_you_mean(named, PLANES)}", where=where, fix=fix)
    axis = axes[named]
    (number,) = finite_numbers([index], (1,), "the slice", where)
    if number != int(number) or not 0 <= number < geometry.shape_ijk[axis]:
        what = f"there is no slice {number:g} along axis {axis} of a volume of shape {geometry.shape_ijk}"
        raise DataError(what, where=where, fix="count slices from 0, in the order of the array")
    return axis, int(number)
