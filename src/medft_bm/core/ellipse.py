"""The two axes of a lesion: an ellipse fitted to its mask in millimetres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medft_bm.core.errors import GeometryError
from medft_bm.core.geometry import Spacing, length_mm


@dataclass(frozen=True)
class LesionAxes:
    """End points of the major and minor axis, each ``((y, x), (y, x))`` in continuous slice pixels."""

    major: tuple[tuple[float, float], tuple[float, float]]
    minor: tuple[tuple[float, float], tuple[float, float]]


def lesion_axes(mask: NDArray[Any], spacing: Spacing) -> LesionAxes:
    """Axes of the ellipse that has the same second moments, in mm, as the lesion's area.

    The full axis length is four times the square root of a variance along it, the definition of
    ``regionprops.axis_major_length`` in scikit-image; the variance of a pixel's own area (``spacing**2 / 12``) is
    included, so the result converges to the same value from any sampling of one shape. Moments are taken in mm:
    anisotropic pixels are the rule, and an ellipse fitted in pixels and scaled afterwards is another ellipse.

    Args:
        mask: 2-D, non-zero inside the lesion.
        spacing: mm per pixel of the mask's grid.

    Returns:
        Axis end points in continuous pixels of the mask (corner origin); the major axis is never shorter in mm.

    Raises:
        GeometryError: fewer than five pixels, or all in one row or one column: no ellipse is determined.
    """
    rows, columns = np.nonzero(mask)
    if rows.size < 5 or np.ptp(rows) == 0 or np.ptp(columns) == 0:
        raise GeometryError(
            f"{rows.size} pixel(s) over {np.unique(rows).size} row(s) and {np.unique(columns).size} column(s) "
            "do not determine an ellipse"
        )
    step = np.array([spacing.y, spacing.x])
    points_mm = (np.stack([rows, columns], axis=1) + 0.5) * step
    centre_mm = points_mm.mean(axis=0)
    covariance = np.cov(points_mm, rowvar=False, bias=True) + np.diag(step**2) / 12
    variances, directions = np.linalg.eigh(covariance)  # ascending: minor first
    minor, major = (_ends(centre_mm, directions[:, k] * 2 * np.sqrt(variances[k]), step) for k in range(2))
    return LesionAxes(major=major, minor=minor)


def axes_mm(axes: LesionAxes, spacing: Spacing) -> tuple[float, float]:
    """Lengths of the major and minor axis in mm, major first."""
    return length_mm(axes.major, spacing), length_mm(axes.minor, spacing)


def outline(axes: LesionAxes, factor: float = 1.0, count: int = 16) -> NDArray[np.float64]:
    """``(count, 2)`` points on the ellipse of these axes, enlarged about its centre by ``factor``."""
    (a, b), (c, d) = np.asarray(axes.major, np.float64), np.asarray(axes.minor, np.float64)
    turns = np.linspace(0, 2 * np.pi, count, endpoint=False)[:, None]
    around: NDArray[np.float64] = (a + b + c + d) / 4 + factor * (np.cos(turns) * (b - a) + np.sin(turns) * (d - c)) / 2
    return around


def _ends(
    centre_mm: NDArray[np.float64], half_mm: NDArray[np.float64], step: NDArray[np.float64]
) -> tuple[tuple[float, float], tuple[float, float]]:
    (ay, ax), (by, bx) = (centre_mm - half_mm) / step, (centre_mm + half_mm) / step
    return (float(ay), float(ax)), (float(by), float(bx))
