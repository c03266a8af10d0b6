"""One grid stored two ways: axes in another order, or running the other way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from medft_bm.core.volume import VolumeGeometry
from medft_bm.imaging.read import Volume


def with_axes_of(volume: Volume, geometry: VolumeGeometry) -> Volume:
    """The volume with its array axes in the order and direction of another geometry's; a view, never resampled.

    Args:
        volume: as read.
        geometry: what it is to be laid out like. Where the axes of the two are not the same three lines walked in
            equal steps, the volume comes back as it is; compare the geometries afterwards.
    """
    own = volume.geometry
    steps = np.rint(np.linalg.solve(own.ras_from_ijk[:3, :3], geometry.ras_from_ijk[:3, :3]))
    used = np.abs(steps)
    if (used.sum(axis=0) != 1).any() or (used.sum(axis=1) != 1).any() or (steps == np.eye(3)).all():
        return volume
    axes = used.argmax(axis=0)
    backwards = steps[axes, range(3)] < 0
    array = volume.array.transpose(axes)[tuple(slice(None, None, -1 if flip else 1) for flip in backwards)]
    own_from_new = np.eye(4)
    own_from_new[:3, :3] = steps
    for axis, flip in zip(axes, backwards, strict=True):
        own_from_new[axis, 3] = own.shape_ijk[axis] - 1 if flip else 0
    i, j, k = array.shape
    return replace(volume, array=array, geometry=VolumeGeometry((i, j, k), own.ras_from_ijk @ own_from_new))
