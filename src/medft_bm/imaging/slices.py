"""From an image reference to the 8-bit image that is shown, inflating each volume once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medft_bm.core.errors import DataError
from medft_bm.core.types import ImageRef
from medft_bm.core.volume import Frame
from medft_bm.imaging.read import Volume, read_picture, read_volume
from medft_bm.imaging.windows import apply_window


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
    shape = volume.geometry.shape_ijk
    if axis not in (0, 1, 2) or not 0 <= index < shape[axis]:
        raise DataError(f"no slice {index} along axis {axis} in a volume of shape {shape}")
    plane = volume.array[(slice(None),) * axis + (index,)]
    return volume.geometry.layout(axis, frame).image(plane)


def render(root: Path, refs: Sequence[ImageRef]) -> Iterator[NDArray[np.uint8]]:
    """The images of several references to one file, in their order: ``(h, w)`` or ``(h, w, 3)``.

    Raises:
        DataError: references to different files, or a file that cannot be read.
    """
    paths = sorted({ref.path for ref in refs})
    if len(paths) > 1:
        raise DataError(f"render takes references to one file at a time, got {', '.join(paths[:3])}")
    if not refs:
        return
    path, volume = safe_path(root, paths[0]), None
    wanted = [(ref.axis, ref.index) for ref in refs if ref.axis is not None and ref.index is not None]
    for ref in refs:
        if ref.axis is None or ref.index is None:
            yield read_picture(path, ref.window)
            continue
        volume = volume or read_volume(path, wanted)
        where = f"{path}, slice {ref.index} along axis {ref.axis}"
        values = _located(volume, ref, where)
        yield np.ascontiguousarray(apply_window(values, ref.window, where=where))


def _located(volume: Volume, ref: ImageRef, where: str) -> NDArray[Any]:
    try:
        return slice_array(volume, ref.axis or 0, ref.index or 0, ref.frame)
    except DataError as error:
        raise DataError(error.what, where=where, fix="prepare again: the file changed since it was indexed") from error
