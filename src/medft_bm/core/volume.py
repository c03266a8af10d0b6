"""Where a volume's voxels are in the patient, and how a slice of it is shown."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medft_bm.core.errors import GeometryError
from medft_bm.core.geometry import Size, Spacing

Plane = Literal["sagittal", "coronal", "axial"]
PLANES: tuple[Plane, Plane, Plane] = ("sagittal", "coronal", "axial")
"""Planes by the world axis (R, A, S) they are perpendicular to."""

Frame = Literal["display", "stored"]
"""``display``: the way radiologists look at it; ``stored``: the array's own two axes, in order, unflipped."""


@dataclass(frozen=True)
class SliceLayout:
    """How a slice perpendicular to one voxel axis becomes an image.

    Rows of the image run along voxel axis ``rows`` (reversed when ``flip_rows``), columns along ``columns``.
    """

    axis: int
    rows: int
    columns: int
    flip_rows: bool
    flip_columns: bool

    def image(self, plane_array: NDArray[Any]) -> NDArray[Any]:
        """Lay out an array, or a stack of them, whose last axes are the two remaining voxel axes in ascending order."""
        shown = plane_array.swapaxes(-2, -1) if self.rows > self.columns else plane_array
        return shown[..., :: -1 if self.flip_rows else 1, :: -1 if self.flip_columns else 1]


@dataclass(frozen=True, eq=False)
class VolumeGeometry:
    """Shape of the voxel array and its affine to the patient.

    Attributes:
        shape_ijk: number of voxels along each array axis.
        ras_from_ijk: ``(4, 4)``; maps integer voxel indices (voxel *centres*, as in NIfTI) to RAS millimetres.
    """

    shape_ijk: tuple[int, int, int]
    ras_from_ijk: NDArray[np.float64]

    def __post_init__(self) -> None:
        affine = np.asarray(self.ras_from_ijk, np.float64)
        object.__setattr__(self, "ras_from_ijk", affine)
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise GeometryError("the affine must be a finite 4x4 matrix", fix="check the image header")
        if min(self.shape_ijk) < 1:
            what = f"a volume needs at least one voxel per axis, got {self.shape_ijk}"
            raise GeometryError(what, fix="check the image header")
        i, j, k = self.spacing_ijk
        if min(i, j, k) <= 0 or self._voxel_mm3 <= 1e-6 * i * j * k:
            raise GeometryError(
                f"voxel spacing must be positive and the axes not in one plane, got {self.spacing_ijk} mm",
                fix="check the image header; a 0 here means the voxel size was lost",
            )

    @cached_property
    def spacing_ijk(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxel centres along each array axis, in mm; from the affine alone."""
        i, j, k = (math.hypot(*column) for column in zip(*self._steps, strict=True))
        return i, j, k

    @cached_property
    def world_axes(self) -> tuple[int, int, int]:
        """For each array axis the world axis (0 R, 1 A, 2 S) it runs along most, each world axis used once."""
        cosines = [
            (-abs(step) / self.spacing_ijk[axis], world, axis)
            for world, row in enumerate(self._steps)
            for axis, step in enumerate(row)
        ]
        order: dict[int, int] = {}
        for _, world, axis in sorted(cosines):
            if axis not in order and world not in order.values():
                order[axis] = world
        return order[0], order[1], order[2]

    @property
    def _steps(self) -> list[list[float]]:
        """Row by row the linear part of the affine; plain numbers, because arrays this small are slow."""
        steps: list[list[float]] = self.ras_from_ijk[:3, :3].tolist()
        return steps

    @property
    def _voxel_mm3(self) -> float:
        (a, b, c), (d, e, f), (g, h, i) = self._steps
        return abs(a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g))

    @property
    def axis_codes(self) -> str:
        """Direction in which each array index grows, like ``RAS`` or ``LPS``."""
        signs = (self.ras_from_ijk[world, axis] > 0 for axis, world in enumerate(self.world_axes))
        pairs = zip(self.world_axes, signs, strict=True)
        return "".join(("LR", "PA", "IS")[world][int(positive)] for world, positive in pairs)

    def axis_of(self, plane: Plane) -> int:
        """Array axis that slices of this plane are perpendicular to (nearest, for oblique volumes)."""
        return self.world_axes.index(PLANES.index(plane))

    def plane_of(self, axis: int) -> Plane:
        """Plane that slices perpendicular to this array axis show."""
        return PLANES[self.world_axes[axis]]

    def layout(self, axis: int, frame: Frame = "display") -> SliceLayout:
        """How a slice perpendicular to ``axis`` is laid out as an image.

        In the ``display`` frame the patient's right is on the left of axial and coronal images, anterior is up on
        axial and on the left of sagittal images, superior is up on coronal and sagittal images.
        """
        first, second = (other for other in range(3) if other != axis)
        if frame == "stored":
            return SliceLayout(axis, first, second, False, False)
        vertical = 1 if self.plane_of(axis) == "axial" else 2
        rows, columns = (first, second) if self.world_axes[first] == vertical else (second, first)
        # Rows must run towards P or I, columns towards L or P: the negative direction of every world axis.
        flips = {a: bool(self.ras_from_ijk[self.world_axes[a], a] > 0) for a in (rows, columns)}
        return SliceLayout(axis, rows, columns, flips[rows], flips[columns])

    def slice_size(self, layout: SliceLayout) -> Size:
        """Size of the laid-out image."""
        return Size(self.shape_ijk[layout.rows], self.shape_ijk[layout.columns])

    def slice_spacing(self, layout: SliceLayout) -> Spacing:
        """In-plane spacing of the laid-out image."""
        return Spacing(self.spacing_ijk[layout.rows], self.spacing_ijk[layout.columns])

    def slice_points(self, layout: SliceLayout, ijk: NDArray[np.float64]) -> NDArray[np.float64]:
        """Continuous slice pixels ``(n, 2)`` (y, x), corner origin, of voxel coordinates ``(n, 3)``, centre origin."""
        points = np.asarray(ijk, np.float64)[:, [layout.rows, layout.columns]] + 0.5
        for column, (axis, flipped) in enumerate(
            ((layout.rows, layout.flip_rows), (layout.columns, layout.flip_columns))
        ):
            if flipped:
                points[:, column] = self.shape_ijk[axis] - points[:, column]
        return points

    def slice_ijk(self, layout: SliceLayout, index: int, yx: NDArray[np.float64]) -> NDArray[np.float64]:
        """Voxel coordinates ``(n, 3)``, centre origin, of continuous slice pixels; inverse of :meth:`slice_points`."""
        points = np.array(yx, np.float64)
        for column, (axis, flipped) in enumerate(
            ((layout.rows, layout.flip_rows), (layout.columns, layout.flip_columns))
        ):
            if flipped:
                points[:, column] = self.shape_ijk[axis] - points[:, column]
        ijk = np.full((len(points), 3), float(index))
        ijk[:, [layout.rows, layout.columns]] = points - 0.5
        return ijk

    def ras(self, ijk: NDArray[np.float64]) -> NDArray[np.float64]:
        """RAS millimetres ``(n, 3)`` of voxel coordinates ``(n, 3)`` (voxel centres at integers)."""
        moved: NDArray[np.float64] = np.asarray(ijk, np.float64) @ self.ras_from_ijk[:3, :3].T
        return moved + self.ras_from_ijk[:3, 3]

    def matches(self, other: VolumeGeometry, tolerance_mm: float = 1e-2) -> bool:
        """Same grid: equal shape, and no corner of the volume further apart than ``tolerance_mm``."""
        if self.shape_ijk != other.shape_ijk:
            return False
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in self.shape_ijk])).reshape(3, -1).T
        return bool(np.abs(self.ras(corners) - other.ras(corners)).max() <= tolerance_mm)
