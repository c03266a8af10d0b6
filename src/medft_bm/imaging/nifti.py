"""NIfTI files, read without SimpleITK so that a damaged or contradictory file is refused instead of repaired.

Measured on SimpleITK 2.5: a truncated or corrupt ``.nii.gz`` comes back as zeros without an error, a zero or NaN pixdim
becomes 1 mm, an sform whose scale differs from pixdim is silently rescaled, and a slightly sheared sform cannot be read
at all. All four end in wrong millimetres or in no data.
"""

from __future__ import annotations

import logging
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medft_bm.core.errors import DataError, GeometryError
from medft_bm.core.volume import VolumeGeometry
from medft_bm.imaging.inflate import GZIP, damaged, inflate, is_gzip

log = logging.getLogger(__name__)

_FIELDS: dict[str, tuple[str, int, str, int]] = {
    # name: type and offset in NIfTI-1, type and offset in NIfTI-2
    "sizeof_hdr": ("i4", 0, "i4", 0),
    "magic": ("S4", 344, "S4", 4),
    "dim": ("8i2", 40, "8i8", 16),
    "datatype": ("i2", 70, "i2", 12),
    "pixdim": ("8f4", 76, "8f8", 104),
    "vox_offset": ("f4", 108, "i8", 168),
    "scl_slope": ("f4", 112, "f8", 176),
    "scl_inter": ("f4", 116, "f8", 184),
    "xyzt_units": ("u1", 123, "i4", 500),
    "qform_code": ("i2", 252, "i4", 344),
    "sform_code": ("i2", 254, "i4", 348),
    "quatern": ("3f4", 256, "3f8", 352),
    "qoffset": ("3f4", 268, "3f8", 376),
    "srow": ("(3,4)f4", 280, "(3,4)f8", 400),
}
_SIZES = (348, 540)
_ORDERS: dict[str, Literal["little", "big"]] = {"<": "little", ">": "big"}
_HEAD = 1 << 12
"""Bytes of a file that hold the header, compressed or not."""
_VOXEL_TYPES = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
_MM_PER_UNIT = {1: 1000.0, 2: 1.0, 3: 0.001}


@dataclass(frozen=True)
class NiftiHeader:
    """What is needed of a header, checked.

    Attributes:
        geometry: shape and affine in RAS millimetres.
        dtype: voxel type with the file's byte order.
        offset: byte where the voxels start, after inflation.
        slope: factor from stored to real values.
        intercept: added after the factor.
    """

    geometry: VolumeGeometry
    dtype: np.dtype[Any]
    offset: int
    slope: float
    intercept: float


def read_header(path: Path) -> NiftiHeader:
    """Header of a ``.nii`` or ``.nii.gz`` file (NIfTI-1 or NIfTI-2, either byte order); no voxel is read.

    Raises:
        DataError: not a NIfTI file, not a single 3-D volume, a voxel size that is lost or contradicts the affine, or a
            voxel type that is not one real number.
    """
    raw, order = _raw_header(path)
    shape = _shape(path, raw["dim"].tolist())
    kind = _VOXEL_TYPES.get(raw["datatype"])
    if kind is None:
        raise DataError(
            f"NIfTI voxel type {raw['datatype']} is not a plain integer or real number",
            where=str(path),
            fix="save one grey value per voxel; colour and complex volumes are not supported",
        )
    slope, intercept = raw["scl_slope"], raw["scl_inter"]
    if not (math.isfinite(slope) and math.isfinite(intercept)) or slope == 0:
        slope, intercept = 1.0, 0.0  # the standard: slope 0 means that the stored values are the values
    smallest = _SIZES[raw["sizeof_hdr"] == _SIZES[1]] + 4
    return NiftiHeader(
        geometry=_geometry(path, shape, _affine(path, raw)),
        dtype=np.dtype(order + kind),
        offset=max(int(raw["vox_offset"]), smallest),
        slope=slope,
        intercept=intercept,
    )


def read_voxels(path: Path, header: NiftiHeader, wanted: Sequence[tuple[int, int]] | None = None) -> NDArray[Any]:
    """Voxels indexed ``[i, j, k]``, read-only; stored integers stay integers unless the file rescales them.

    An uncompressed file is memory-mapped, so that only the slices that are looked at are read.

    Args:
        path: the file.
        header: its header.
        wanted: (axis, index) of the slices that will be looked at; ``None`` is all. A compressed file is inflated only
            as far as the last of them, and its checksum is then not reached: ``medft prepare --verify`` checks it.

    Returns:
        The whole array, or, where ``wanted`` is given, one that may end after the last wanted slice and holds values
        on wanted slices only.

    Raises:
        DataError: the file ends early or its checksum is wrong.
    """
    stored = _stored(path, header, wanted)
    if (header.slope, header.intercept) == (1.0, 0.0):
        return stored if stored.dtype.isnative else stored.astype(stored.dtype.newbyteorder("="))
    real = np.result_type(stored.dtype.newbyteorder("="), np.float32)
    # Pages of an empty array that are never written take no memory.
    scaled: NDArray[Any] = np.empty(stored.shape, real, order="F")
    for cut in [...] if wanted is None else [(slice(None),) * axis + (index,) for axis, index in wanted]:
        scaled[cut] = stored[cut] * real.type(header.slope) + real.type(header.intercept)
    return scaled


def _stored(path: Path, header: NiftiHeader, wanted: Sequence[tuple[int, int]] | None) -> NDArray[Any]:
    shape, dtype = header.geometry.shape_ijk, header.dtype
    if not is_gzip(path):
        _require_length(path, path.stat().st_size, header.offset + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize)
        return np.memmap(path, dtype, "r", header.offset, shape, "F")
    if wanted and all(axis == 2 and 0 <= index < shape[2] for axis, index in wanted):
        indices = sorted({index for _, index in wanted})
        size = shape[0] * shape[1] * dtype.itemsize
        ranges = [(header.offset + index * size, header.offset + (index + 1) * size) for index in indices]
        data = inflate(path, ranges, whole=False)
        shape = (shape[0], shape[1], indices[-1] + 1)
    else:
        n_bytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        data = inflate(path, [(header.offset, header.offset + n_bytes)], whole=True)
    stored: NDArray[Any] = np.frombuffer(data, dtype, offset=header.offset).reshape(shape, order="F")
    stored.flags.writeable = False
    return stored


def _raw_header(path: Path) -> tuple[dict[str, Any], str]:
    """The fields as plain numbers and small arrays, and the byte order."""
    with path.open("rb", buffering=0) as stream:
        head = stream.read(_HEAD)
    if head[:2] == GZIP:
        try:
            head = zlib.decompressobj(31).decompress(head, _SIZES[1])
        except zlib.error as error:
            raise damaged(path, str(error)) from error
    for version, size in enumerate(_SIZES):
        for order in _ORDERS:
            if len(head) >= size and int.from_bytes(head[:4], _ORDERS[order]) == size:
                raw = dict(zip(_FIELDS, np.frombuffer(head, _layout(version, order), 1)[0].tolist(), strict=True))
                _require_single_file(path, raw)
                return raw, order
    raise damaged(path, f"{len(head)} byte(s) that do not start like a NIfTI header")


@cache
def _layout(version: int, order: str) -> np.dtype[Any]:
    def ordered(kind: str) -> str:
        shape, letter = (kind[:-2], kind[-2:])
        return kind if letter[0] == "S" else f"{shape}{order}{letter}"

    return np.dtype(
        {
            "names": list(_FIELDS),
            "formats": [ordered(field[2] if version else field[0]) for field in _FIELDS.values()],
            "offsets": [field[3] if version else field[1] for field in _FIELDS.values()],
            "itemsize": _SIZES[version],
        }
    )


def _require_single_file(path: Path, raw: Mapping[str, Any]) -> None:
    if raw["magic"][:3] not in (b"n+1", b"n+2"):
        raise DataError(
            f"this is an Analyze file or one half of a .hdr/.img pair (magic {raw['magic']!r})",
            where=str(path),
            fix="convert it to a single .nii.gz whose orientation is stated",
        )


def _shape(path: Path, dim: list[int]) -> tuple[int, int, int]:
    shape = dim[1 : dim[0] + 1] if 1 <= dim[0] <= 7 else dim[1:]
    if dim[0] < 3:
        raise DataError(
            f"expected a 3-D volume, got the {len(shape)}-D shape {shape}",
            where=str(path),
            fix="save a single slice as a 3-D volume with one slice, or as a PNG with the source image_folder",
        )
    if any(n != 1 for n in shape[3:]) or dim[0] > 7:
        raise DataError(
            f"expected one 3-D volume, got the {len(shape)}-D shape {shape}",
            where=str(path),
            fix="split it into one file per time point, echo or channel",
        )
    if min(shape) < 1:
        what = f"a volume needs at least one voxel per axis, got {shape}"
        raise DataError(what, where=str(path), fix="export the file again; its header is wrong")
    return shape[0], shape[1], shape[2]


def _affine(path: Path, raw: Mapping[str, Any]) -> NDArray[np.float64]:
    """RAS from voxel indices in mm: sform before qform, as NiBabel and the MSD tools do."""
    pixdim = np.asarray(raw["pixdim"], np.float64)
    if not all(math.isfinite(size) and size > 0 for size in pixdim[1:4].tolist()):
        raise GeometryError(
            f"the voxel size (pixdim) must be positive and finite, got {pixdim[1:4].tolist()}",
            where=str(path),
            fix="export the file again from its DICOM series; a 0 or NaN here means the voxel size was lost",
        )
    affine = np.eye(4)
    if raw["sform_code"] > 0:
        affine[:3] = raw["srow"]
        scale = [math.hypot(*column) for column in affine[:3, :3].T.tolist()]
        _require_agreement(path, scale, pixdim[1:4].tolist())
    elif raw["qform_code"] > 0:
        affine[:3, :3] = _rotation(np.asarray(raw["quatern"], np.float64)) * pixdim[1:4]
        affine[:3, 2] *= -1.0 if pixdim[0] < 0 else 1.0
        affine[:3, 3] = raw["qoffset"]
    else:
        log.warning("%s states no orientation (qform and sform code 0): shown as if stored R, A, S", path)
        affine[:3, :3] = np.diag(pixdim[1:4])
    affine[:3] *= _MM_PER_UNIT.get(raw["xyzt_units"] & 7, 1.0)
    return affine


def _require_agreement(path: Path, scale: Sequence[float], pixdim: Sequence[float]) -> None:
    if not all(math.isfinite(size) and size > 0 for size in scale):
        raise GeometryError(
            f"the sform matrix has voxel sizes {scale}",
            where=str(path),
            fix="write a finite, invertible sform, or set sform_code to 0 if the qform is right",
        )
    if any(abs(size - stated) > 0.01 * stated for size, stated in zip(scale, pixdim, strict=True)):
        raise GeometryError(
            f"the header contradicts itself: voxel size {np.round(pixdim, 4).tolist()} in pixdim, "
            f"{np.round(scale, 4).tolist()} in sform",
            where=str(path),
            fix="find out which is right and write it to both; a wrong one makes every length wrong",
        )


def _rotation(bcd: NDArray[np.float64]) -> NDArray[np.float64]:
    b, c, d = bcd
    quaternion = np.array([np.sqrt(max(0.0, 1.0 - float(bcd @ bcd))), b, c, d])
    a, b, c, d = quaternion / np.linalg.norm(quaternion)
    return np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )


def _geometry(path: Path, shape: tuple[int, int, int], affine: NDArray[np.float64]) -> VolumeGeometry:
    try:
        return VolumeGeometry(shape, affine)
    except GeometryError as error:
        raise GeometryError(error.what, where=str(path), fix=error.fix) from error


def _require_length(path: Path, found: int, needed: int) -> None:
    if found < needed:
        raise damaged(path, f"{found} bytes where the header promises {needed}")
