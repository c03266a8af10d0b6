"""Statistics of one image file, volume or picture, and what is odd about its values."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from medft_bm.core.errors import DataError
from medft_bm.core.geometry import Spacing
from medft_bm.core.types import ImageRef
from medft_bm.imaging.read import Volume, read_picture, read_volume
from medft_bm.imaging.slices import safe_path, slice_array
from medft_bm.imaging.windows import apply_window
from medft_bm.prepare.findings import Level

MOST_SAMPLED = 1_000_000
"""Percentiles of larger images are those of every n-th value, as many as this."""

Odd: TypeAlias = tuple[Level, str, str, str]
"""Level, kind, what and fix of a finding."""


@dataclass(frozen=True, slots=True)
class Intensity:
    """Values of one image, without those that are not finite.

    Attributes:
        minimum: smallest value.
        p0_5: percentile.
        p50: percentile.
        p99_5: percentile.
        maximum: largest value.
        mean: of all values.
        std: of all values.
    """

    minimum: float
    p0_5: float
    p50: float
    p99_5: float
    maximum: float
    mean: float
    std: float


@dataclass(frozen=True, slots=True)
class Pixels:
    """One image file.

    Attributes:
        digest: equal for files with equal values of one type in one shape, wherever they lie in the patient.
        shape: voxels along right, anterior and superior, whatever the file's own order; (h, w) of a picture.
        spacing_mm: along the same axes; ``None`` is unknown.
        orientation: the volume's axis codes, like ``RAS``; empty for a picture.
        dtype: of the values; pictures come in 8 bits.
        intensity: ``None`` when no value is finite.
    """

    digest: str
    shape: tuple[int, ...]
    spacing_mm: tuple[float, ...] | None
    orientation: str
    dtype: str
    intensity: Intensity | None

    @property
    def constant(self) -> bool:
        """Whether all values are one."""
        return self.intensity is not None and self.intensity.minimum == self.intensity.maximum


def check_image(root: Path, refs: Sequence[ImageRef], spacing: Spacing | None) -> tuple[Pixels, list[Odd]]:
    """Read one file whole, which also checks its CRC where the format has one.

    Args:
        root: folder that references are relative to.
        refs: all to this file.
        spacing: of a picture, which does not say it itself.

    Raises:
        DataError: the file cannot be read, or a slice is not in it.
    """
    path = safe_path(root, refs[0].path)
    if refs[0].axis is None:
        shown = read_picture(path, refs[0].window)
        pixel = None if spacing is None else (spacing.y, spacing.x)
        pixels, finite = _measure(shown[np.newaxis], shown.shape[:2], pixel, "")
        return pixels, list(_odd_values(pixels, finite))
    volume = read_volume(path)
    geometry = volume.geometry
    axes = [geometry.world_axes.index(world) for world in range(3)]
    shape = tuple(geometry.shape_ijk[axis] for axis in axes)
    mm = tuple(geometry.spacing_ijk[axis] for axis in axes)
    pixels, finite = _measure(np.moveaxis(volume.array, 2, 0), shape, mm, geometry.axis_codes)
    odd = list(_odd_values(pixels, finite))
    return pixels, odd or list(_odd_slices(volume, refs, path))


def _measure(
    planes: NDArray[Any], shape: tuple[int, ...], spacing_mm: tuple[float, ...] | None, orientation: str
) -> tuple[Pixels, tuple[int, int]]:
    """Statistics, and how many values of how many are finite; plane by plane, so that no volume is copied whole."""
    digest = hashlib.blake2b(f"{planes.dtype} {planes.shape}".encode(), digest_size=16)
    count, mean, squares, low, high = 0, 0.0, 0.0, math.inf, -math.inf
    for plane in planes:
        digest.update(np.ascontiguousarray(plane.T).data)
        values = _finite(np.asarray(plane, np.float64))
        if values.size:
            # Chan, Golub & LeVeque 1983: means and sums of squares of two sets make those of their union.
            total, step = count + values.size, float(values.mean()) - mean
            squares += float(values.var()) * values.size + step**2 * count * values.size / total
            mean, count = mean + step * values.size / total, total
            low, high = min(low, float(values.min())), max(high, float(values.max()))
    intensity = None
    if count:
        p0_5, p50, p99_5 = (float(value) for value in np.percentile(_some(planes), (0.5, 50, 99.5)))
        intensity = Intensity(low, p0_5, p50, p99_5, high, mean, math.sqrt(squares / count))
    dtype = planes.dtype.name
    return Pixels(digest.hexdigest(), shape, spacing_mm, orientation, dtype, intensity), (count, planes.size)


def _finite(values: NDArray[Any]) -> NDArray[Any]:
    known = np.isfinite(values)
    finite: NDArray[Any] = values if known.all() else values[known]
    return finite


def _some(planes: NDArray[Any]) -> NDArray[Any]:
    """Values spread over all of the image; an odd step does not fall in with rows of even length."""
    step = planes.size // MOST_SAMPLED
    values = _finite(planes.ravel(order="K")[:: step | 1])
    return values if values.size else _finite(planes)


def _odd_values(pixels: Pixels, finite: tuple[int, int]) -> Iterator[Odd]:
    count, total = finite
    if count < total:
        yield (
            "error",
            "not-finite",
            f"{total - count} of {total} values are NaN or infinite",
            "replace them in the file, for example by the value of the background",
        )
    elif pixels.constant and pixels.intensity:
        what = f"every value is {pixels.intensity.minimum:g}"
        yield "warning", "constant", what, "leave the file out, or export it again: it shows nothing"


def _odd_slices(volume: Volume, refs: Sequence[ImageRef], path: Path) -> Iterator[Odd]:
    """Slices that show nothing, and a window that does not fit the values."""
    arrays = [slice_array(volume, ref.axis or 0, ref.index or 0, ref.frame) for ref in refs]
    flat = [ref for ref, array in zip(refs, arrays, strict=True) if array.min() == array.max()]
    if flat:
        what = f"{len(flat)} of {len(refs)} slices in use hold one value only, like {_place(flat[0])}"
        yield "warning", "constant", what, "check that image and annotation belong together"
        return
    middle = len(refs) // 2
    ref, array = refs[middle], arrays[middle]
    try:
        shown = apply_window(array, ref.window, where=str(path))
    except DataError as error:
        yield "error", "window", error.what, error.fix
        return
    if shown.min() == shown.max():
        values = f"its values go from {array.min():g} to {array.max():g}"
        what = f"{_place(ref)} is one flat grey in the window {ref.window!r}: {values}"
        yield "warning", "window", what, "choose a window that fits the values, like 'percentile'"


def _place(ref: ImageRef) -> str:
    return f"slice {ref.index} along axis {ref.axis}"
