"""Intensity windows: from what a scanner stored to the 8 bits a model is shown, by name."""

from __future__ import annotations

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
    if name not in WINDOWS:
        fix = f"use one of {', '.join(WINDOWS)}"
        raise ConfigError(f"unknown window {name!r}{did_you_mean(name, WINDOWS)}", where=where, fix=fix)
    if name == "as_is":
        if array.dtype != np.uint8:
            raise DataError(
                f"the window 'as_is' needs 8-bit values, got {array.dtype} from {array.min()} to {array.max()}",
                where=where,
                fix="choose the window 'ct_soft_tissue' (or another ct_ window) for CT, 'percentile' for anything else",
            )
        return np.asarray(array, np.uint8)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise DataError(
            f"{int((~np.isfinite(array)).sum())} of {array.size} values are NaN or infinite",
            where=where,
            fix="replace them in the file, for example by the background value",
        )
    low, high = _limits(array, name)
    if high <= low:
        return np.zeros(array.shape, np.uint8)
    scaled = (np.asarray(array, np.float64) - low) * (255.0 / (high - low))
    return np.rint(np.clip(scaled, 0.0, 255.0)).astype(np.uint8)


def _limits(array: NDArray[Any], name: str) -> tuple[float, float]:
    if name in _HOUNSFIELD:
        level, width = _HOUNSFIELD[name]
        return level - width / 2, level + width / 2
    if name == "percentile":
        low, high = np.percentile(array, (0.5, 99.5))
        if high > low:
            return float(low), float(high)
        # Fewer than one pixel in 200 differs: the percentiles fall together although the image is not empty.
    return float(array.min()), float(array.max())
