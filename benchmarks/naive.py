"""The way that preparation is usually written: every sample decodes its whole volume."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


@dataclass(frozen=True)
class Wanted:
    """One sample.

    Attributes:
        volume: an int16 ``.nii.gz``.
        index: of the axial slice.
        picture: PNG to write.
        sizes: the question is about a size, which decodes the volume again for its shape.
        reader: one of :data:`READERS`.
    """

    volume: Path
    index: int
    picture: Path
    sizes: bool
    reader: str


def prepare(samples: Sequence[Wanted], processes: int) -> None:
    """Every sample in the given order, one at a time per process."""
    with Pool(processes) as pool:
        pool.map(prepare_sample, samples, chunksize=1)
        pool.close()
        pool.join()


def prepare_sample(wanted: Wanted) -> None:
    """Write the picture of one sample."""
    decode = READERS[wanted.reader]
    if wanted.sizes:
        _ = decode(wanted.volume).shape
    volume = decode(wanted.volume).astype(np.float32)
    Image.fromarray(grey(volume[:, :, wanted.index])).convert("RGB").save(wanted.picture)


def grey(values: NDArray[Any]) -> NDArray[np.uint8]:
    """8 bits, the smallest value black and the largest white."""
    low, high = values.min(), values.max()
    return np.asarray((values - low) / (high - low) * 255, np.uint8)


def _with_gzip(path: Path) -> NDArray[np.float64]:
    with gzip.open(path) as file:
        data = file.read()
    shape = struct.unpack_from("<3h", data, 42)
    (offset,) = struct.unpack_from("<f", data, 108)
    return np.frombuffer(data, "<i2", offset=int(offset)).reshape(shape, order="F").astype(np.float64)


def _with_nibabel(path: Path) -> NDArray[np.float64]:
    voxels: NDArray[np.float64] = import_module("nibabel").load(path).get_fdata()
    return voxels


READERS: dict[str, Callable[[Path], NDArray[np.float64]]] = {"gzip": _with_gzip, "nibabel": _with_nibabel}
"""All voxels ``[i, j, k]`` of a file: with the standard library and nothing else, or as most code reads them."""
