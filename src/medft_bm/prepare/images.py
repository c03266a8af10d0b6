"""Every distinct image of a mix, rendered once."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from medft_bm.core.errors import DataError
from medft_bm.core.types import ImageRef
from medft_bm.imaging.slices import render_blocks
from medft_bm.prepare.arrow import image_writer
from medft_bm.prepare.copies import thumbnails
from medft_bm.prepare.engine import Engine
from medft_bm.prepare.png import pngs
from medft_bm.prepare.shards import build_shards, shard_folder
from medft_bm.progress import progress

log = logging.getLogger(__name__)

IMAGES_PER_SHARD = 4096
"""Raise ``LAYOUT`` in ``cache.py`` with it: shards that were left by a killed process would be cut otherwise."""

Key: TypeAlias = tuple[Path, ImageRef]
"""A root, and a reference below it."""
Job: TypeAlias = tuple[Path, list[ImageRef]]
"""A root, and references to one file below it."""


class Rendered(NamedTuple):
    """The images of one file.

    Attributes:
        pngs: the files, one each.
        digests: 16 bytes each, equal for equal pixels.
        thumbnails: 64 bytes each (see :func:`~medft_bm.prepare.copies.thumbnail`).
    """

    pngs: list[bytes]
    digests: bytes
    thumbnails: bytes


@dataclass(frozen=True, eq=False)
class Gallery:
    """What was rendered.

    Attributes:
        files: Arrow files with the images, in order.
        rows: row of each image over all files, without those of files that are skipped.
        digests: ``(n, 16)`` bytes, by row.
        thumbnails: ``(n, 64)`` grey values, by row.
    """

    files: list[Path]
    rows: dict[Key, int]
    digests: NDArray[np.uint8]
    thumbnails: NDArray[np.uint8]


def render_all(work: Path, distinct: Sequence[Key], engine: Engine, *, skip_bad: bool, large: bool) -> Gallery:
    """Render volume by volume, each of which is read once.

    Args:
        work: folder of the shards, which other processes may be filling too.
        distinct: the images, each once.
        engine: does the work.
        skip_bad: leave out files that cannot be used, instead of stopping.
        large: whether the files are worth starting processes for.

    Raises:
        DataError: a file cannot be used, and ``skip_bad`` is not set.
        MedftError: a worker process was killed.
    """
    shards = _cut(distinct)

    def build(number: int, folder: Path) -> Iterator[None]:
        return _shard(folder, shards[number], engine, skip_bad, large)

    sizes = [len(jobs) for jobs in shards]
    for _ in progress(build_shards(work, sizes, build), "rendering", sum(sizes)):
        pass
    return _gallery(work, shards)


def _cut(distinct: Sequence[Key]) -> list[list[Job]]:
    by_file: dict[tuple[Path, str], list[ImageRef]] = {}
    for root, ref in distinct:
        by_file.setdefault((root, ref.path), []).append(ref)
    shards: list[list[Job]] = []
    room = 0
    for (root, _), refs in by_file.items():
        if room <= 0:
            shards.append([])
            room = IMAGES_PER_SHARD
        shards[-1].append((root, refs))
        room -= len(refs)
    return shards


def _shard(folder: Path, jobs: Sequence[Job], engine: Engine, skip_bad: bool, large: bool) -> Iterator[None]:
    kept: list[bool] = []
    digests, shown = bytearray(), bytearray()
    with image_writer(folder / "images.arrow") as write:
        for (_, refs), made in zip(jobs, engine.map(render_pngs, jobs, large=large), strict=True):
            kept.extend([not isinstance(made, DataError)] * len(refs))
            if isinstance(made, DataError):
                if not skip_bad:
                    raise made
                log.warning("skipped %s: %s", made.where or refs[0].path, made.what)
            else:
                write(made.pngs)
                digests += made.digests
                shown += made.thumbnails
            yield
    np.savez(
        folder / "facts.npz",
        kept=np.array(kept),
        digests=np.frombuffer(digests, np.uint8).reshape(-1, 16),
        thumbnails=np.frombuffer(shown, np.uint8).reshape(-1, 64),
    )


def _gallery(work: Path, shards: Sequence[Sequence[Job]]) -> Gallery:
    files: list[Path] = []
    rows: dict[Key, int] = {}
    digests, thumbnails = [np.empty((0, 16), np.uint8)], [np.empty((0, 64), np.uint8)]
    for number, jobs in enumerate(shards):
        folder = shard_folder(work, number)
        with np.load(folder / "facts.npz", allow_pickle=False) as facts:
            digests.append(facts["digests"])
            thumbnails.append(facts["thumbnails"])
            keys = [(root, ref) for root, refs in jobs for ref in refs]
            for key, kept in zip(keys, facts["kept"].tolist(), strict=True):
                if kept:
                    rows[key] = len(rows)
        if len(digests[-1]):  # an empty Arrow file cannot be opened as a dataset
            files.append(folder / "images.arrow")
    return Gallery(files, rows, np.concatenate(digests), np.concatenate(thumbnails))


def render_pngs(job: Job) -> Rendered | DataError:
    """Every wanted image of one file, which is read once; or what is wrong with it."""
    root, refs = job
    files: list[bytes] = []
    shown: list[bytes] = []
    try:
        for block in render_blocks(root, refs):
            pixels = np.ascontiguousarray(block)
            files += pngs(pixels)
            shown.append(thumbnails(pixels).tobytes())
    except DataError as error:
        return error
    return Rendered(files, b"".join([hashlib.sha256(file).digest()[:16] for file in files]), b"".join(shown))
