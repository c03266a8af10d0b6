"""Intensity windows: from what a scanner stored to the 8 bits a model is shown, by name."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.registry import did_you_mean

Window = Literal["as_is", "min_max", "percentile", "ct_soft_tissue", "ct_lung", "ct_bone", "ct_brain"]
"""``as_is``: 8-bit values unchanged; ``min_max`` and ``percentile`` (0.5 to 99.5): per slice; ``ct_*``: Hounsfield."""

WINDOWS: tuple[Window, ...] = get_args(Window)

_HOUNSFIELD: dict[str, tuple[float, float]] = {  # level, width
    "ct_soft_tissue": (40.0, 400.0),
    "ct_lung": (-600.0, 1500.0),
    "ct_bone": (400.0, 1800.0),
    "ct_brain": (40.0, 80.0),
}
_MANY_PIXELS = 1 << 14
"""From this on, counting values takes less than ranking them."""
_VALUES_AT_ONCE = 1 << 15
"""Of these, the steps in double precision stay in the processor's cache, and no memory is asked of the system."""

Edge: TypeAlias = float | NDArray[np.float64]
"""Value that becomes black or white: one for all pixels, or for every image its own."""


def apply_window(array: NDArray[Any], name: str, *, where: str = "") -> NDArray[np.uint8]:
    """8-bit grey (or colour) values of one image.

    Args:
        array: one slice or picture in stored values; Hounsfield units for the ``ct_`` windows.
        name: one of :data:`WINDOWS`.
        where: file and slice, for messages.

    Raises:
        ConfigError: unknown window.
        DataError: values that are not finite, or ``as_is`` on values that are not 8-bit.
    """
    shown: NDArray[np.uint8] = apply_windows(array[np.newaxis], name, [where])[0]
    return shown


def apply_windows(images: NDArray[Any], name: str, where: Sequence[str]) -> NDArray[np.uint8]:
    """The same for images of one shape together, each by itself; of small ones a hundred cost little more than one.

    Args:
        images: ``(n, …)``; fastest where the values of each lie beside each other in memory.
        name: one of :data:`WINDOWS`.
        where: file and slice of each, for messages.

    Raises:
        ConfigError: unknown window.
        DataError: values that are not finite, or ``as_is`` on values that are not 8-bit.
    """
    _require_shown(images, name, where)
    if name == "as_is":
        return np.asarray(images, np.uint8)
    if name in _HOUNSFIELD:
        level, width = _HOUNSFIELD[name]
        return _fixed(images, level - width / 2, level + width / 2)
    if name == "percentile" and images[0].size >= _MANY_PIXELS:
        return np.stack([_percentile_of_many(image) for image in images])
    flat = images.reshape(len(images), -1)
    low, high = (edge.astype(np.float64)[:, np.newaxis] for edge in (flat.min(axis=1), flat.max(axis=1)))
    if name == "min_max":
        return _grey(flat, low, high, within=True).reshape(images.shape)
    edges = _percentiles(flat)
    low, high = np.where(edges[0] < edges[1], edges, (low, high))  # as in _percentile_of_many
    return _grey(flat, low, high).reshape(images.shape)


def _require_shown(images: NDArray[Any], name: str, where: Sequence[str]) -> None:
    if name not in WINDOWS:
        fix = f"use one of {', '.join(WINDOWS)}"
        raise ConfigError(f"unknown window {name!r}{did_you_mean(name, WINDOWS)}", where=where[0], fix=fix)
    if name == "as_is" and images.dtype != np.uint8:
        raise DataError(
            f"the window 'as_is' needs 8-bit values, got {images.dtype} from {images[0].min()} to {images[0].max()}",
            where=where[0],
            fix="choose the window 'ct_soft_tissue' (or another ct_ window) for CT, 'percentile' for anything else",
        )
    if images.dtype.kind != "f" or np.isfinite(images).all():
        return
    bad = (~np.isfinite(images)).reshape(len(images), -1).sum(axis=1)
    number = int(np.flatnonzero(bad)[0])
    raise DataError(
        f"{bad[number]} of {images[0].size} values are NaN or infinite",
        where=where[number],
        fix="replace them in the file, for example by the background value",
    )


def _fixed(array: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    if array.dtype.kind not in "iu" or array.itemsize > 2 or not array.dtype.isnative:
        return _grey(array.reshape(1, -1), low, high).reshape(array.shape)
    return _table(array.dtype, low, high).take(array.view(f"u{array.itemsize}"))


@lru_cache(maxsize=16)
def _table(dtype: np.dtype[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Grey value of every value that the type can hold, in the order of the bits as an unsigned number."""
    bits = np.dtype(f"u{dtype.itemsize}")
    return _grey(np.arange(256**dtype.itemsize).astype(bits).view(dtype)[np.newaxis], low, high).ravel()


def _grey(flat: NDArray[Any], low: Edge, high: Edge, *, within: bool = False) -> NDArray[np.uint8]:
    """``low`` and below is 0, ``high`` and above 255, to the nearest in between; all black without a span.

    Args:
        flat: ``(n, values)`` of n images.
        low: for all images, or ``(n, 1)``.
        high: for all images, or ``(n, 1)``.
        within: no value is beyond.
    """
    span = np.asarray(high, np.float64) - low
    factor = np.divide(255.0, span, out=np.zeros_like(span), where=span > 0)
    grey = np.empty(flat.shape, np.uint8)
    step = max(1, _VALUES_AT_ONCE // len(flat))
    for start in range(0, flat.shape[1], step):
        scaled = flat[:, start : start + step].astype(np.float64)
        scaled -= low
        scaled *= factor
        if not within:
            np.maximum(scaled, 0.0, out=scaled)  # np.clip takes longer to start than these two take together
            np.minimum(scaled, 255.0, out=scaled)
        grey[:, start : start + step] = np.rint(scaled, out=scaled)
    return grey


def _percentiles(flat: NDArray[Any]) -> NDArray[np.float64]:
    """What ``np.percentile(flat, (0.5, 99.5), axis=1)`` gives, as ``(2, n, 1)``, in a fraction of its time."""
    ranks, part = _ranks(flat.shape[1])
    ranked = np.partition(flat, ranks, axis=1)[:, ranks]
    return _between(ranked if flat.dtype.kind == "f" else ranked.astype(np.int64), part).T[:, :, np.newaxis]


def _percentile_of_many(image: NDArray[Any]) -> NDArray[np.uint8]:
    """One large image: where it holds whole numbers, they are counted, which takes less than ranking them."""
    lowest, highest = image.min(), image.max()
    above = _above(image, lowest) if float(highest) - float(lowest) < image.size else None
    if above is None:
        low, high = _percentiles(image.reshape(1, -1)).ravel().tolist()
    else:
        ranks, part = _ranks(image.size)
        ranked = int(lowest) + np.searchsorted(np.bincount(above.ravel()).cumsum(), ranks, side="right")
        low, high = _between(ranked, part).tolist()
    # Where fewer than one pixel in 200 differs, the percentiles fall together although the image is not empty.
    if high <= low:
        low, high = float(lowest), float(highest)
    if above is None:
        return _grey(image.reshape(1, -1), low, high).reshape(image.shape)
    return _grey(np.arange(int(lowest), int(highest) + 1)[np.newaxis], low, high).take(above)


def _above(array: NDArray[Any], lowest: Any) -> NDArray[np.intp] | None:
    """How far each value is above the lowest; ``None`` where that is not in whole numbers."""
    with np.errstate(invalid="ignore"):  # a number too large for a whole one does not come back as itself
        whole = array.astype(np.intp, order="C")
    if array.dtype.kind == "f" and not np.array_equal(whole, array):
        return None
    whole -= int(lowest)
    return whole


def _ranks(size: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Places in the order of the values that both percentiles lie between, ``(4,)``, and how far between, ``(2,)``."""
    place = np.array([0.5, 99.5]) / 100 * (size - 1)
    below = place.astype(np.intp)
    return np.concatenate([below, np.minimum(below + 1, size - 1)]), place - below


def _between(ranked: NDArray[Any], part: NDArray[np.float64]) -> NDArray[np.float64]:
    """Both percentiles ``(…, 2)`` of the values at the four ranks ``(…, 4)``."""
    a, b = ranked[..., :2], ranked[..., 2:]
    between: NDArray[np.float64] = np.where(part < 0.5, a + (b - a) * part, b - (b - a) * (1 - part))
    return between
