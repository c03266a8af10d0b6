"""PNG files, written ten times faster than by the usual encoders: one row filter and ISA-L at its first level.

PNG (ISO/IEC 15948): a signature, then chunks of length, type, data and CRC. Every row starts with its filter; ``Sub``
stores the difference to the pixel on the left, which suits smooth images and needs one subtraction of whole arrays.
"""

from __future__ import annotations

import struct

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB = 0, 2
_SUB = 1

SMALL = 64 * 64
"""Bytes up to which an image is stored as it is: to compress so little takes longer than all the rest."""


def png(image: NDArray[np.uint8]) -> bytes:
    """The file of an image: ``(h, w)`` grey or ``(h, w, 3)`` RGB, 8 bits."""
    return pngs(image[np.newaxis])[0]


def pngs(images: NDArray[np.uint8]) -> list[bytes]:
    """The files of images of one size: ``(n, h, w)`` grey or ``(n, h, w, 3)`` RGB, 8 bits."""
    n, h, w = images.shape[:3]
    channels = 1 if images.ndim == 3 else 3
    header = struct.pack(">IIBBBBB", w, h, 8, _GREY if channels == 1 else _RGB, 0, 0, 0)
    start = _SIGNATURE + _chunk(b"IHDR", header)
    rows = np.ascontiguousarray(images).reshape(n, h, w * channels)
    if h * w * channels <= SMALL:
        return _stored(start, rows)
    return [start + _chunk(b"IDAT", _deflated(image, channels)) + _END for image in rows]


def _deflated(rows: NDArray[np.uint8], channels: int) -> bytes:
    filtered = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = _SUB
    filtered[:, 1 : 1 + channels] = rows[:, :channels]
    np.subtract(rows[:, channels:], rows[:, :-channels], out=filtered[:, 1 + channels :])
    pixels: bytes = isal_zlib.compress(filtered, level=1)
    return pixels


def _stored(start: bytes, images: NDArray[np.uint8]) -> list[bytes]:
    """Files that differ only in their pixels and in two checksums; the pixels are one block of DEFLATE (RFC 1951)."""
    n, h, width = images.shape
    size = h * (1 + width)
    block = b"\x78\x01\x01" + struct.pack("<HH", size, size ^ 0xFFFF)
    start += struct.pack(">I", len(block) + size + 4)
    kind, first = len(start), len(start) + 4 + len(block)
    last = first + size
    files = np.tile(np.frombuffer(start + b"IDAT" + block + bytes(size + 8) + _END, np.uint8), (n, 1))
    files[:, first:last].reshape(n, h, 1 + width)[:, :, 1:] = images  # every row starts with a 0: no filter
    for file in files:
        struct.pack_into(">I", file, last, isal_zlib.adler32(file[first:last]))
        struct.pack_into(">I", file, last + 4, isal_zlib.crc32(file[kind : last + 4]))
    return [file.tobytes() for file in files]


def _chunk(kind: bytes, data: bytes) -> bytes:
    checksum = isal_zlib.crc32(data, isal_zlib.crc32(kind))
    return b"".join((struct.pack(">I", len(data)), kind, data, struct.pack(">I", checksum)))


_END = _chunk(b"IEND", b"")
