"""Compressed files, inflated with ISA-L: two to three times as fast as zlib, and no further than needed."""

from __future__ import annotations

from mmap import ACCESS_READ, mmap
from pathlib import Path

from isal import isal_zlib

from medft_bm.core.errors import DataError

GZIP = b"\x1f\x8b"
"""What a gzip file starts with."""


def is_gzip(path: Path) -> bool:
    """Whether a file is compressed, whatever it is called."""
    with path.open("rb") as stream:
        return stream.read(2) == GZIP


def inflate(path: Path, needed: int, whole: bool) -> bytes:
    """The first ``needed`` bytes of the contents.

    Args:
        path: a gzip file, of one member or several.
        needed: bytes; fewer come back when the contents are shorter.
        whole: read on to the checksum, which is not reached otherwise.

    Raises:
        DataError: the file is damaged or ends early.
    """
    with path.open("rb") as stream, mmap(stream.fileno(), 0, access=ACCESS_READ) as compressed:
        data: mmap | bytes = compressed
        members: list[bytes] = []
        while data and (missing := needed - sum(map(len, members))) > 0:
            member = isal_zlib.decompressobj(31)  # checks the CRC at the end of each member
            try:
                members.append(member.decompress(data, missing))
                while whole and not member.eof and member.unconsumed_tail:
                    # More than the header promises, then the CRC.
                    member.decompress(member.unconsumed_tail, 1 << 20)
            except isal_zlib.IsalError as error:  # type: ignore[misc]  # (its stub calls it an instance)
                raise damaged(path, str(error)) from error
            if not member.eof and (whole or len(members[-1]) < missing):
                raise damaged(path, "the compressed data ends early")
            data = member.unused_data.lstrip(b"\0")
    return members[0] if len(members) == 1 else b"".join(members)


def damaged(path: Path, detail: str) -> DataError:
    """The error for a file that is not what it should be."""
    return DataError(
        f"the NIfTI file is truncated or damaged: {detail}", where=str(path), fix="download or copy the file again"
    )
