"""From an image reference to the 8-bit image that is shown, inflating each volume once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medft_bm.core.errors import DataError
from medft_bm.core.types import ImageRef
from medft_bm.core.volume import Frame
from medft_bm.imaging.read import Volume, read_picture, read_volume
from medft_bm.imaging.windows import apply_windows

PIXELS_AT_ONCE = 1 << 16
"""Small slices are rendered together up to this many pixels, which fit into the processor's cache."""


def safe_path(root: Path, relative: str) -> Path:
    """The file that a reference names, which must be under ``root``.

    Symbolic links inside the root may point elsewhere: whoever made the root put them there.

    Args:
        root: folder that references are relative to.
        relative: POSIX path below it.

    Raises:
        DataError: an absolute path, one that climbs out with ``..``, or an empty one.
    """
    parts = [part for part in relative.split("/") if part not in ("", ".")]
    if relative.startswith("/") or relative[1:2] == ":" or not parts or ".." in parts:
        raise DataError(f"{relative!r} is not a path under the root", where=str(root), fix="use a relative path")
    if "\0" in relative or "\\" in relative:
        raise DataError(f"{relative!r} is not a POSIX path", where=str(root), fix="separate folders with /")
    return root.joinpath(*parts)


def slice_array(volume: Volume, axis: int, index: int, frame: Frame = "display") -> NDArray[Any]:
    """One slice in stored values, laid out as an image; a view, nothing is copied.

    Args:
        volume: as read.
        axis: array axis the slice is perpendicular to.
        index: along that axis.
        frame: ``display`` or ``stored``.

    Raises:
        DataError: no such slice.
    """
    plane = plane_array(volume, axis, index)
    return volume.geometry.layout(axis, frame).image(plane)


def plane_array(volume: Volume, axis: int, index: int) -> NDArray[Any]:
    """One slice as the array has it: a view, along the two other axes in ascending order.

    Raises:
        DataError: no such slice.
    """
    shape = volume.geometry.shape_ijk
    if axis not in (0, 1, 2) or not 0 <= index < shape[axis]:
        raise DataError(f"no slice {index} along axis {axis} in a volume of shape {shape}")
    plane: NDArray[Any] = volume.array[(slice(None),) * axis + (index,)]
    return plane


def render(root: Path, refs: Sequence[ImageRef]) -> Iterator[NDArray[np.uint8]]:
    """The images of several references to one file, in their order: ``(h, w)`` or ``(h, w, 3)``.

    Raises:
        DataError: references to different files, or a file that cannot be read.
    """
    for block in render_blocks(root, refs):
        yield from map(np.ascontiguousarray, block)


def render_blocks(root: Path, refs: Sequence[ImageRef]) -> Iterator[NDArray[np.uint8]]:
    """The same, those of one size that follow each other together: ``(n, h, w)`` or ``(1, h, w, 3)``.

    Raises:
        DataError: references to different files, or a file that cannot be read.
    """
    paths = sorted({ref.path for ref in refs})
    if len(paths) > 1:
        raise DataError(f"render takes references to one file at a time, got {', '.join(paths[:3])}")
    if not refs:
        return
    path, volume = safe_path(root, paths[0]), None
    where = str(path)
    wanted = [(ref.axis, ref.index) for ref in refs if ref.axis is not None and ref.index is not None]
    for (axis, frame, window), alike in groupby(refs, attrgetter("axis", "frame", "window")):
        if axis is None:
            yield from (read_picture(path, window)[np.newaxis] for _ in alike)
            continue
        volume = volume or read_volume(path, wanted)
        asked = list(alike)
        places = [f"{where}, slice {ref.index} along axis {axis}" for ref in asked]
        planes = [_located(volume, ref, place) for ref, place in zip(asked, places, strict=True)]
        layout, at_once = volume.geometry.layout(axis, frame), max(1, PIXELS_AT_ONCE // planes[0].size)
        for start in range(0, len(planes), at_once):
            some = slice(start, start + at_once)
            yield layout.image(_shown(planes[some], window, places[some]))


def _located(volume: Volume, ref: ImageRef, where: str) -> NDArray[Any]:
    try:
        return plane_array(volume, ref.axis or 0, ref.index or 0)
    except DataError as error:
        raise DataError(error.what, where=where, fix="prepare again: the file changed since it was indexed") from error


def _shown(planes: Sequence[NDArray[Any]], window: str, places: Sequence[str]) -> NDArray[np.uint8]:
    """Slices of one size as 8 bits, still along the axes of the array.

    They are read in the order of the memory, which takes a tenth of the time that any other order takes.
    """
    turned = planes[0].strides[0] < planes[0].strides[1]
    arrays = [plane.T for plane in planes] if turned else planes
    shown = apply_windows(np.stack(arrays) if len(arrays) > 1 else arrays[0][np.newaxis], window, places)
    return shown.swapaxes(1, 2) if turned else shown
