"""Every distinct image of a mix, rendered once into one Arrow file."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import TypeAlias

from PIL import Image

from medft_bm.config.schema import Data
from medft_bm.core.errors import DataError, MedftError
from medft_bm.core.types import ImageRef
from medft_bm.imaging.slices import render
from medft_bm.prepare.arrow import image_writer
from medft_bm.progress import progress

log = logging.getLogger(__name__)

Job: TypeAlias = tuple[Path, list[ImageRef]]
"""A root, and references to one file below it."""
Key: TypeAlias = tuple[Path, ImageRef]


def render_all(path: Path, distinct: Sequence[Key], data: Data) -> dict[Key, int]:
    """Render volume by volume; returns the row of each image, without those of files that are skipped.

    Raises:
        DataError: a file cannot be used, and ``data.on_error`` is not ``skip``.
        MedftError: a worker process was killed.
    """
    by_file: dict[tuple[Path, str], list[ImageRef]] = {}
    for root, ref in distinct:
        by_file.setdefault((root, ref.path), []).append(ref)
    jobs = [(root, refs) for (root, _), refs in by_file.items()]
    rows: dict[Key, int] = {}
    with image_writer(path) as write:
        pictures = progress(_run(jobs, data.workers), "rendering", len(jobs))
        for (root, refs), made in zip(jobs, pictures, strict=True):
            if isinstance(made, DataError):
                if data.on_error == "raise":
                    raise made
                log.warning("skipped %s: %s", made.where or refs[0].path, made.what)
                continue
            for ref, png in zip(refs, made, strict=True):
                rows[root, ref] = len(rows)
                write(png)
    return rows


def _run(jobs: Sequence[Job], workers: int) -> Iterator[list[bytes] | DataError]:
    if workers <= 1 or len(jobs) < 2:
        yield from map(render_pngs, jobs)
        return
    try:
        # Spawned, not forked: a fork in a process with threads (SimpleITK, torch) can deadlock.
        with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=get_context("spawn")) as pool:
            yield from pool.map(render_pngs, jobs, chunksize=4)
    except BrokenProcessPool as error:
        raise MedftError(
            "a process that renders images was killed", where="data.workers", fix="it may lack memory: use fewer"
        ) from error


def render_pngs(job: Job) -> list[bytes] | DataError:
    """PNG bytes of every wanted image of one file, which is read once; or what is wrong with it."""
    root, refs = job
    encoded = []
    try:
        for array in render(root, refs):
            buffer = io.BytesIO()
            Image.fromarray(array).save(buffer, format="PNG", compress_level=1)
            encoded.append(buffer.getvalue())
    except DataError as error:
        return error
    return encoded
