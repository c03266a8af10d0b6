"""Work cut into pieces that any process on any machine can build, in any order, and that outlive whoever is killed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from pathlib import Path

from filelock import FileLock, Timeout


def build_shards(folder: Path, sizes: Sequence[int], build: Callable[[int, Path], Iterator[None]]) -> Iterator[None]:
    """Make sure that every shard exists; yields once per unit of work that is done, by whomever.

    Processes that call this at the same time share the work: each takes the next shard that nobody holds, and waits in
    the end for those that others are still building. A shard is a folder that is renamed into place when complete.

    Args:
        folder: where the shards are; they are called ``00000``, ``00001`` …
        sizes: units of work in each, for the progress.
        build: fills the empty folder of a shard, given its number; yields once per unit of work.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = list(range(len(sizes)))
    for wait in (False, True):
        held = []
        for number in missing:
            path = shard_folder(folder, number)
            lock = FileLock(folder / f".{path.name}.lock")
            try:
                lock.acquire(blocking=wait)
            except Timeout:
                held.append(number)
                continue
            try:
                yield from repeat(None, sizes[number]) if path.is_dir() else _build(path, number, build)
            finally:
                lock.release()
        missing = held


def shard_folder(folder: Path, number: int) -> Path:
    """Where a shard is, or will be."""
    return folder / f"{number:05d}"


def _build(path: Path, number: int, build: Callable[[int, Path], Iterator[None]]) -> Iterator[None]:
    draft = path.with_name(f".{path.name}.draft")
    # Only the holder of the lock gets here, so a draft that exists was left by a process that was killed.
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    try:
        yield from build(number, draft)
        draft.rename(path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
