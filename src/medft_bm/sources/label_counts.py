"""How much of each label every slice of a mask shows, in one pass over what is not background."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from medft_bm.core.errors import DataError

Counts: TypeAlias = Mapping[int, Mapping[int, NDArray[np.int64]]]
"""Mask value to array axis to the number of its pixels on each slice perpendicular to that axis."""

_COUNTABLE = 1 << 16


def label_counts(array: NDArray[Any], axes: Collection[int], path: Path) -> Counts:
    """Pixels of every mask value but 0 on every slice.

    Args:
        array: the mask, indexed ``[i, j, k]``.
        axes: which array axes to cut along.
        path: of the mask, for messages.

    Raises:
        DataError: values that are not whole numbers.
    """
    slow = max(range(3), key=lambda axis: abs(array.strides[axis]))  # its slices are contiguous in memory
    across = [axis for axis in range(3) if axis != slow]
    counts: dict[int, dict[int, NDArray[np.int64]]] = {}
    for index, plane in enumerate(np.moveaxis(array, slow, 0)):
        rows, columns = (np.flatnonzero(plane.any(axis=axis)) for axis in (1, 0))
        if not rows.size:
            continue
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        shown = _whole(plane[box], path)
        for value in _values(shown):
            here = shown == value
            of_value = counts.setdefault(value, {axis: np.zeros(array.shape[axis], np.int64) for axis in axes})
            if slow in axes:
                of_value[slow][index] = np.count_nonzero(here)
            for axis, other, span in zip(across, (1, 0), box, strict=True):
                if axis in axes:
                    of_value[axis][span] += np.count_nonzero(here, axis=other)
    return dict(sorted(counts.items()))


def _whole(plane: NDArray[Any], path: Path) -> NDArray[Any]:
    """Label numbers, which may be stored in any type."""
    if plane.dtype.kind != "f":
        return plane
    with np.errstate(invalid="ignore"):
        whole = plane.astype(np.int64)
    broken = plane != whole
    if broken.any():
        raise DataError(
            f"mask values are not whole numbers, like {plane[broken].min():.6g}",
            where=str(path),
            fix="masks must be resampled with nearest neighbour and hold label numbers",
        )
    return whole


def _values(plane: NDArray[Any]) -> list[int]:
    if plane.min() >= 0 and plane.max() < _COUNTABLE:
        found = np.flatnonzero(
            np.bincount(plane.ravel(order="K").astype(np.intp))
        )  # several times faster than np.unique
    else:
        found = np.unique(plane)
    return [int(value) for value in found if value != 0]
