"""What the model gets, as a picture again: the image processor's numbers turned back into grey levels."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]


def picture_of(images: Any, batch: Any) -> NDArray[np.uint8] | None:
    """The one image of a batch of one, undone step by step from the last one that the processor did.

    Args:
        images: the image processor that made the batch.
        batch: ``pixel_values`` as ``(1, 3, h, w)``; or ``(patches, values)`` of a Qwen model, with ``image_grid_thw``.

    Returns:
        ``(h, w, 3)`` grey levels; ``None`` when the processor made anything but one image.
    """
    values = batch["pixel_values"].detach().double().cpu().numpy()
    if "image_grid_thw" in batch:
        grids = batch["image_grid_thw"].tolist()
        if len(grids) != 1 or grids[0][0] != 1:
            return None
        channels = _unpatched(values, grids[0][1], grids[0][2], images)
    elif values.ndim == 4 and values.shape[:2] == (1, 3):
        channels = values[0]
    else:
        return None
    levels: NDArray[np.uint8] = np.clip(np.rint(_levels(channels, images)), 0, 255).astype(np.uint8)
    return np.moveaxis(levels, 0, -1)


def _unpatched(values: Floats, rows: int, columns: int, images: Any) -> Floats:
    """``(3, h, w)`` from patches that lie in the order of the cells they are merged into, each held twice in time."""
    merge, side, times = images.merge_size, images.patch_size, images.temporal_patch_size
    cells = values.reshape(rows // merge, columns // merge, merge, merge, 3, times, side, side)[:, :, :, :, :, 0]
    return cells.transpose(4, 0, 2, 5, 1, 3, 6).reshape(3, rows * side, columns * side)


def _levels(channels: Floats, images: Any) -> Floats:
    if images.do_normalize:
        mean, std = (np.broadcast_to(value, 3)[:, None, None] for value in (images.image_mean, images.image_std))
        channels = channels * std + mean
    return channels / images.rescale_factor if images.do_rescale else channels
