"""Work cut into pieces that any process on any machine can build, in any order, and that outlive whoever is killed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import repeat
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

from medft_bm.prepare.cache import flush


def build_shards(folder: Path, sizes: Sequence[int], build: Callable[[int, Path], Iterator[None]]) -> Iterator[None]:
    """Make sure that every shard exists; yields once per unit of work that is done, by whomever.

    Processes that call this at the same time share the work: each takes the next shard that nobody holds, and waits in
    the end for those that others are still building. A shard is a folder that is renamed into place when complete.

    Args:
        folder: where the shards are; they are called ``00000``, ``00001`` …
        sizes: units of work in each, for the progress.
        build: fills the empty folder of a shard, given its number; yields once per unit of work.

    Raises:
        FileNotFoundError: another process has taken the work away (:func:`discard`).
    """
    folder.mkdir(exist_ok=True)
    missing = list(range(len(sizes)))
    for wait in (False, True):
        held = []
        for number in missing:
            path = shard_folder(folder, number)
            folder.stat()  # a lock would make the folder anew, and all the work would be done again
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
    # Only the holder of the lock gets here, so a draft that exists was left by a process that was killed.
    for left in path.parent.glob(f".{path.name}.*.draft"):
        shutil.rmtree(left, ignore_errors=True)
    # A name of its own: who goes on writing after the work was taken away must not write into a draft of its successor.
    draft = path.with_name(f".{path.name}.{uuid4().hex}.draft")
    draft.mkdir()
    try:
        yield from build(number, draft)
        flush(draft)
        draft.rename(path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def presence(work: Path) -> Iterator[None]:
    """Make the folder of some work and be seen in it by the other processes that share it, until the block ends."""
    path = work / f".{uuid4().hex}.here"
    try:
        with FileLock(path):
            yield
    finally:
        path.unlink(missing_ok=True)


def discard(work: Path) -> None:
    """Take all of some work away at once, so that nobody finds half of it, and then remove it.

    Not while somebody is in it, who would begin anew: the last one to leave takes it away.
    """
    if _deserted(work):
        with suppress(OSError):  # there is none, or another process was faster
            work.rename(work.with_name(f".{work.name}.{uuid4().hex}.gone"))
    for gone in work.parent.glob(f".{work.name}.*.gone"):
        shutil.rmtree(gone, ignore_errors=True)


def _deserted(work: Path) -> bool:
    """Whether nobody is in the folder of some work any more, except who was killed."""
    for path in work.glob(".*.here"):
        try:
            with FileLock(path, blocking=False):
                path.unlink(missing_ok=True)
        except Timeout:
            return False
    return True
