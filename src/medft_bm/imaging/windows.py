"""Intensity windows: from what a scanner stored to the 8 bits a model is shown, by name."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal, get_args

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
"""Below this, arithmetic on every pixel is faster than computing each value once."""


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
    _require_shown(array, name, where)
    if name == "as_is":
        return np.asarray(array, np.uint8)
    if name in _HOUNSFIELD:
        level, width = _HOUNSFIELD[name]
        return _fixed(array, level - width / 2, level + width / 2)
    lowest, highest = array.min(), array.max()
    above = _above(array, lowest) if float(highest) - float(lowest) < array.size >= _MANY_PIXELS else None
    if name == "percentile":
        low, high = _percentiles(array, lowest, None if above is None else np.bincount(above.ravel()))
    # Where fewer than one pixel in 200 differs, the percentiles fall together although the image is not empty.
    if name == "min_max" or high <= low:
        low, high = float(lowest), float(highest)
    if above is None:
        return _grey(array, low, high)
    return _grey(np.arange(int(lowest), int(highest) + 1), low, high).take(above)


def _require_shown(array: NDArray[Any], name: str, where: str) -> None:
    if name not in WINDOWS:
        fix = f"use one of {', '.join(WINDOWS)}"
        raise ConfigError(f"unknown window {name!r}{did_you_mean(name, WINDOWS)}", where=where, fix=fix)
    if name == "as_is" and array.dtype != np.uint8:
        raise DataError(
            f"the window 'as_is' needs 8-bit values, got {array.dtype} from {array.min()} to {array.max()}",
            where=where,
            fix="choose the window 'ct_soft_tissue' (or another ct_ window) for CT, 'percentile' for anything else",
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DataError(
            f"{int((~np.isfinite(array)).sum())} of {array.size} values are NaN or infinite",
            where=where,
            fix="replace them in the file, for example by the background value",
        )


def _fixed(array: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    if array.dtype.kind not in "iu" or array.itemsize > 2 or not array.dtype.isnative:
        return _grey(array, low, high)
    return _table(array.dtype, low, high).take(array.view(f"u{array.itemsize}"))


@lru_cache(maxsize=16)
def _table(dtype: np.dtype[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Grey value of every value that the type can hold, in the order of the bits as an unsigned number."""
    bits = np.dtype(f"u{dtype.itemsize}")
    return _grey(np.arange(256**dtype.itemsize).astype(bits).view(dtype), low, high)


def _above(array: NDArray[Any], lowest: Any) -> NDArray[np.intp] | None:
    """How far each value is above the lowest; ``None`` where that is not in whole numbers."""
    with np.errstate(invalid="ignore"):  # a number too large for a whole one does not come back as itself
        whole = array.astype(np.intp, order="C")
    if array.dtype.kind == "f" and not np.array_equal(whole, array):
        return None
    whole -= int(lowest)
    return whole


def _grey(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """``low`` and below is 0, ``high`` and above 255, to the nearest in between; all black without a span."""
    if high <= low:
        return np.zeros(values.shape, np.uint8)
    scaled = values.astype(np.float64)
    scaled -= low
    scaled *= 255.0 / (high - low)
    np.maximum(scaled, 0.0, out=scaled)  # np.clip takes longer to start than these two take together
    np.minimum(scaled, 255.0, out=scaled)
    return np.rint(scaled, out=scaled).astype(np.uint8)


def _percentiles(array: NDArray[Any], lowest: Any, counts: NDArray[np.intp] | None) -> tuple[float, float]:
    """What ``np.percentile(array, (0.5, 99.5))`` gives, in a fraction of its time.

    Args:
        array: the values.
        lowest: of them.
        counts: how often ``lowest``, ``lowest + 1`` and so on occur, where that is known.
    """
    place = np.array([0.5, 99.5]) / 100 * (array.size - 1)
    below = place.astype(np.intp)
    ranks = np.concatenate([below, np.minimum(below + 1, array.size - 1)])
    if counts is None:
        ranked = np.partition(array, ranks, axis=None)[ranks]
        ranked = ranked if array.dtype.kind == "f" else ranked.astype(np.int64)
    else:
        ranked = int(lowest) + np.searchsorted(counts.cumsum(), ranks, side="right")
    (a, b), part = ranked.reshape(2, 2), place - below
    low, high = np.where(part < 0.5, a + (b - a) * part, b - (b - a) * (1 - part))
    return float(low), float(high)
