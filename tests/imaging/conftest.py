"""Volumes written by hand, byte by byte, and by SimpleITK."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import SimpleITK


def nifti_bytes(voxels: np.ndarray, **wrong) -> bytes:
    """A little-endian NIfTI-1 file in which any header fact can be set to something wrong."""
    facts = {
        "dim": [voxels.ndim, *voxels.shape],
        "datatype": {"int16": 4, "uint8": 2, "float32": 16, "float64": 64}[voxels.dtype.name],
        "pixdim": [1.0, 0.7, 1.1, 3.0],
        "scale": (1.0, 0.0),
        "units": 2,
        "codes": (0, 1),
        "quatern": (0.0, 0.0, 0.0),
        "srow": np.diag([0.7, 1.1, 3.0, 1.0])[:3],
        "magic": b"n+1\0",
    } | wrong
    head = bytearray(352)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, *(facts["dim"] + [1] * 7)[:8])
    struct.pack_into("<2h", head, 70, facts["datatype"], voxels.itemsize * 8)
    struct.pack_into("<8f", head, 76, *(facts["pixdim"] + [0.0] * 7)[:8])
    struct.pack_into("<3f", head, 108, 352.0, *facts["scale"])
    head[123] = facts["units"]
    struct.pack_into("<2h", head, 252, *facts["codes"])
    struct.pack_into("<3f", head, 256, *facts["quatern"])
    struct.pack_into("<12f", head, 280, *np.asarray(facts["srow"], float).ravel())
    head[344:348] = facts["magic"]
    return bytes(head) + voxels.tobytes(order="F")


@pytest.fixture
def voxels() -> np.ndarray:
    """Every voxel another value, every axis another length."""
    return np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)


@pytest.fixture
def nifti(tmp_path, voxels):
    """Write a file with wrong header facts; ``cut`` removes bytes from its end."""

    def write(array: np.ndarray = voxels, name: str = "a.nii.gz", cut: int = 0, **wrong) -> Path:
        data = nifti_bytes(array, **wrong)
        packed = gzip.compress(data) if name.endswith(".gz") else data
        (tmp_path / name).write_bytes(packed[: len(packed) - cut])
        return tmp_path / name

    return write


@pytest.fixture
def itk_image() -> SimpleITK.Image:
    """Oblique in LPS, anisotropic, off-centre, voxels all different."""
    image = SimpleITK.GetImageFromArray(np.arange(5 * 7 * 9, dtype=np.int16).reshape(9, 7, 5))
    turn = SimpleITK.Euler3DTransform((0, 0, 0), 0.3, -0.2, 0.4)
    image.SetDirection(turn.GetMatrix())
    image.SetSpacing((0.7, 1.3, 2.9))
    image.SetOrigin((-31.0, 14.5, 220.25))
    return image
