"""Turn, mirror, cut and enlarge an image so that every length in mm and every angle stays what it was."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medft_bm.core.errors import GeometryError
from medft_bm.core.geometry import Box, Points, Size, Spacing


@dataclass(frozen=True)
class Motion:
    """Map from one image's pixels to another's that is rigid in mm: ``dst = matrix @ src + shift``, in (y, x).

    Unlike a :class:`~medft_bm.core.geometry.PixelMap` it can turn. A turn is one of the patient, not of the pixels:
    with pixels that are no squares the matrix is no rotation.

    Attributes:
        src: size of the image before.
        dst: size of the image after.
        matrix: ``((yy, yx), (xy, xx))``.
        shift: ``(y, x)`` in pixels of the image after.
        spacing: of the image after; ``None`` is unknown, and the pixels of both images then count as squares.
    """

    src: Size
    dst: Size
    matrix: tuple[tuple[float, float], tuple[float, float]]
    shift: tuple[float, float]
    spacing: Spacing | None

    @classmethod
    def window(
        cls,
        src: Size,
        spacing: Spacing | None,
        *,
        dst: Size | None = None,
        centre: tuple[float, float] | None = None,
        scale: float = 1.0,
        turn_deg: float = 0.0,
        flip_y: bool = False,
        flip_x: bool = False,
    ) -> Motion:
        """The part of an image that a window of ``dst`` pixels shows.

        Args:
            src: of the image.
            spacing: of the image; ``None`` is unknown.
            dst: pixels of the window; those of the image by default.
            centre: (y, x) of the image that becomes the middle of the window; its own middle by default.
            scale: side of a pixel after over one before; above 1 the window shows more.
            turn_deg: counter-clockwise on the screen.
            flip_y: mirror top-bottom before turning.
            flip_x: mirror left-right before turning.

        Raises:
            GeometryError: the scale is not positive and finite, or the angle not finite.
        """
        if not (math.isfinite(scale) and scale > 0 and math.isfinite(turn_deg)):
            raise GeometryError(f"a motion needs a positive scale and a finite angle, got {scale} and {turn_deg}")
        dst, ratio = dst or src, 1.0 if spacing is None else spacing.x / spacing.y
        cosine, sine = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
        y, x = -1.0 if flip_y else 1.0, -1.0 if flip_x else 1.0
        yy, yx = cosine * y / scale, -sine * x * ratio / scale
        xy, xx = sine * y / ratio / scale, cosine * x / scale
        cy, cx = centre or (src.h / 2, src.w / 2)
        shift = (dst.h / 2 - yy * cy - yx * cx, dst.w / 2 - xy * cy - xx * cx)
        after = None if spacing is None else Spacing(spacing.y * scale, spacing.x * scale)
        return cls(src, dst, ((yy, yx), (xy, xx)), shift, after)

    def points(self, yx: Points) -> NDArray[np.float64]:
        """Move ``(n, 2)`` points of ``src`` to ``dst``, both continuous (y, x) with corner origin."""
        moved: NDArray[np.float64] = np.asarray(yx, np.float64) @ np.array(self.matrix).T + np.array(self.shift)
        return moved

    def box(self, box: Box) -> Box:
        """Move a box.

        Raises:
            GeometryError: the motion turns; the box around a turned structure is not the turned box.
        """
        if self.turns:
            raise GeometryError("a box cannot be turned: the box around a turned structure depends on its shape")
        return Box.around(self.points(box.corners))

    @property
    def turns(self) -> bool:
        """Whether rows and columns of the image do not stay rows and columns."""
        return self.matrix[0][1] != 0 or self.matrix[1][0] != 0

    @property
    def flips_y(self) -> bool:
        """Whether top and bottom change places."""
        return self.matrix[0][0] < 0

    @property
    def flips_x(self) -> bool:
        """Whether left and right change places."""
        return self.matrix[1][1] < 0

    @property
    def lossless(self) -> bool:
        """Whether every pixel after is one pixel before."""
        whole = all(value == round(value) for value in self.shift)
        return whole and not self.turns and abs(self.matrix[0][0]) == abs(self.matrix[1][1]) == 1

    @property
    def inverse(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Matrix and shift that lead back from ``dst`` to ``src``."""
        back = np.linalg.inv(np.array(self.matrix))
        return back, -back @ np.array(self.shift)

    def keeps(self, yx: Points, margin: float) -> bool:
        """Whether points of ``src`` stay in the image, ``margin`` pixels from its edge or as near as they were."""
        before, after = (_clearance(*pair) for pair in ((yx, self.src), (self.points(yx), self.dst)))
        return bool((after >= np.minimum(before, margin) - 1e-6).all())


def _clearance(yx: Points, size: Size) -> NDArray[np.float64]:
    """Distance to the nearest edge in pixels; negative outside."""
    points = np.asarray(yx, np.float64)
    nearest: NDArray[np.float64] = np.minimum(points, np.array([size.h, size.w]) - points).min(axis=1)
    return nearest
