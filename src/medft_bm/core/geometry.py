"""Pixels, millimetres and the maps between images: the only place that knows how they relate.

Coordinates are continuous pixels in (y, x) order with the origin at the top-left *corner* of the image: pixel (0, 0)
covers [0, 1) x [0, 1) and has its centre at (0.5, 0.5). A mask that covers rows a..b inclusive is the interval
[a, b + 1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medft_bm.core.errors import GeometryError

Points = Sequence[Sequence[float]] | NDArray[np.float64]
"""``(n, 2)`` continuous pixel coordinates in (y, x) order."""


@dataclass(frozen=True)
class Size:
    """Height and width of an image in whole pixels."""

    h: int
    w: int

    def __post_init__(self) -> None:
        if self.h < 1 or self.w < 1:
            raise GeometryError(f"an image needs at least one pixel per side, got h={self.h}, w={self.w}")


@dataclass(frozen=True)
class Spacing:
    """Distance between neighbouring pixel centres in mm, per axis. Unknown spacing is ``None``, never a guess."""

    y: float
    x: float

    def __post_init__(self) -> None:
        if not all(math.isfinite(v) and v > 0 for v in (self.y, self.x)):
            raise GeometryError(
                f"spacing must be positive and finite, got y={self.y} mm, x={self.x} mm",
                fix="check the image header; a 0 or NaN here means the voxel size was lost",
            )


@dataclass(frozen=True)
class Box:
    """Axis-aligned box in continuous pixels: rows [y0, y1), columns [x0, x1)."""

    y0: float
    x0: float
    y1: float
    x1: float

    def __post_init__(self) -> None:
        # NaN and infinity fail it too.
        if not (-math.inf < self.y0 < self.y1 < math.inf and -math.inf < self.x0 < self.x1 < math.inf):
            raise GeometryError(f"a box needs finite corners with y1 > y0 and x1 > x0, got {self}")

    @property
    def corners(self) -> NDArray[np.float64]:
        """Top-left and bottom-right corner, ``(2, 2)`` in (y, x)."""
        return np.array([[self.y0, self.x0], [self.y1, self.x1]], np.float64)

    @classmethod
    def around(cls, yx: Points) -> Box:
        """Smallest box that holds all points."""
        points = np.asarray(yx, np.float64)
        (y0, x0), (y1, x1) = points.min(axis=0), points.max(axis=0)
        return cls(float(y0), float(x0), float(y1), float(x1))

    @classmethod
    def of_mask(cls, mask: NDArray[Any]) -> Box:
        """Smallest box that covers every non-zero pixel of a 2-D mask whole, so never half a pixel short.

        Raises:
            GeometryError: the mask is empty.
        """
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not rows.size:
            raise GeometryError("an empty mask has no box")
        return cls(float(rows[0]), float(columns[0]), float(rows[-1] + 1), float(columns[-1] + 1))


@dataclass(frozen=True)
class PixelMap:
    """Axis-aligned map from one image's pixels to another's: ``dst = scale * src + shift`` per axis.

    A negative scale is a flip. Every crop, pad, flip and resize in the library is one of these, so that points, boxes
    and spacing always move together.
    """

    src: Size
    dst: Size
    scale_y: float
    scale_x: float
    shift_y: float = 0.0
    shift_x: float = 0.0

    def __post_init__(self) -> None:
        values = (self.scale_y, self.scale_x, self.shift_y, self.shift_x)
        if not all(map(math.isfinite, values)) or self.scale_y == 0 or self.scale_x == 0:
            raise GeometryError(f"a pixel map needs finite values and non-zero scales, got {self}")

    @classmethod
    def identity(cls, size: Size) -> PixelMap:
        """The map that changes nothing."""
        return cls(size, size, 1.0, 1.0)

    @classmethod
    def stretch(cls, src: Size, dst: Size) -> PixelMap:
        """Resize that fills ``dst``, each axis by its own factor, corners onto corners."""
        return cls(src, dst, dst.h / src.h, dst.w / src.w)

    @classmethod
    def crop(cls, src: Size, top: int, left: int, dst: Size) -> PixelMap:
        """Window of size ``dst`` whose first pixel is (top, left) of ``src``; negative values pad."""
        return cls(src, dst, 1.0, 1.0, -float(top), -float(left))

    @classmethod
    def flip(cls, size: Size, *, y: bool = False, x: bool = False) -> PixelMap:
        """Mirror top-bottom (``y``) and/or left-right (``x``)."""
        return cls(
            size,
            size,
            -1.0 if y else 1.0,
            -1.0 if x else 1.0,
            float(size.h) if y else 0.0,
            float(size.w) if x else 0.0,
        )

    def points(self, yx: Points) -> NDArray[np.float64]:
        """Move ``(n, 2)`` points of ``src`` to ``dst``, both continuous (y, x) with corner origin."""
        scale = np.array([self.scale_y, self.scale_x])
        moved: NDArray[np.float64] = np.asarray(yx, np.float64) * scale + np.array([self.shift_y, self.shift_x])
        return moved

    def box(self, box: Box) -> Box:
        """Move a box; its corners are sorted again after a flip."""
        y0, y1 = box.y0 * self.scale_y + self.shift_y, box.y1 * self.scale_y + self.shift_y
        x0, x1 = box.x0 * self.scale_x + self.shift_x, box.x1 * self.scale_x + self.shift_x
        return Box(min(y0, y1), min(x0, x1), max(y0, y1), max(x0, x1))

    def spacing(self, spacing: Spacing | None) -> Spacing | None:
        """Spacing of ``dst`` for a given spacing of ``src``; unknown stays unknown."""
        if spacing is None:
            return None
        return Spacing(spacing.y / abs(self.scale_y), spacing.x / abs(self.scale_x))

    def then(self, other: PixelMap) -> PixelMap:
        """This map followed by ``other``.

        Raises:
            GeometryError: ``other`` does not start where this map ends.
        """
        if self.dst != other.src:
            raise GeometryError(f"cannot chain a map to {self.dst} with a map from {other.src}")
        return PixelMap(
            self.src,
            other.dst,
            self.scale_y * other.scale_y,
            self.scale_x * other.scale_x,
            self.shift_y * other.scale_y + other.shift_y,
            self.shift_x * other.scale_x + other.shift_x,
        )

    @property
    def inverse(self) -> PixelMap:
        """The map back from ``dst`` to ``src``."""
        return PixelMap(
            self.dst,
            self.src,
            1 / self.scale_y,
            1 / self.scale_x,
            -self.shift_y / self.scale_y,
            -self.shift_x / self.scale_x,
        )


def length_mm(yx: Points, spacing: Spacing) -> float:
    """Length of the segment between two points, in mm.

    Args:
        yx: ``(2, 2)`` continuous pixels on the grid that ``spacing`` belongs to.
        spacing: mm per pixel of that same grid.

    Returns:
        Length in mm; unchanged by any resize as long as points and spacing went through the same :class:`PixelMap`.
    """
    # As plain numbers: arrays of two points cost several times as much, and millions are measured.
    (y0, x0), (y1, x1) = yx.tolist() if isinstance(yx, np.ndarray) else yx
    return math.hypot((y1 - y0) * spacing.y, (x1 - x0) * spacing.x)


def angle_deg(first: Points, second: Points, spacing: Spacing, *, directed: bool = False) -> float:
    """Angle between two lines in degrees, measured in mm space so that anisotropic pixels do not bend it.

    Args:
        first: ``(2, 2)`` two points of the first line, continuous pixels (y, x).
        second: ``(2, 2)`` two points of the second line.
        spacing: mm per pixel.
        directed: ``True`` gives the angle between the directed segments, 0..180; ``False`` the acute angle between
            the lines, 0..90.

    Raises:
        GeometryError: one of the lines has no length, or no finite one.
    """
    u, v = (np.diff(np.asarray(line, np.float64), axis=0)[0] * (spacing.y, spacing.x) for line in (first, second))
    norm = float(np.linalg.norm(u) * np.linalg.norm(v))
    if not (math.isfinite(norm) and norm > 0):
        raise GeometryError("an angle needs two lines of finite, non-zero length")
    cosine = float(u @ v) / norm
    return math.degrees(math.acos(min(1.0, max(-1.0, cosine if directed else abs(cosine)))))
