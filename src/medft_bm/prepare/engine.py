"""Where the work is done: in this process, in several, or on a Ray cluster. The results are the same bytes in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Protocol, TypeVar

from medft_bm.config.schema import Prepare
from medft_bm.core.errors import MedftError
from medft_bm.core.memory import no_garbage_search

J = TypeVar("J")
R = TypeVar("R")
T = TypeVar("T")

BATCHES_PER_WORKER = 16
LARGEST_BATCH = 64
AHEAD = 4
"""Batches per worker that may be under way or waiting to be taken: what bounds the memory."""


class Engine(Protocol):
    """Something that runs a function over jobs."""

    def map(self, function: Callable[[J], R], jobs: Sequence[J], *, large: bool) -> Iterator[R]:
        """``function(job)`` for every job, in order, with a bounded number of results in memory.

        Args:
            function: importable by name, because it may run in another process.
            jobs: whatever the function takes.
            large: whether the work is worth starting processes for.
        """
        ...


@contextmanager
def engine(prepare: Prepare) -> Iterator[Engine]:
    """The engine that the config asks for; its processes end with the block.

    Raises:
        DependencyError: Ray is asked for and not installed.
    """
    if prepare.engine == "ray":
        from medft_bm.prepare.engine_ray import ray_engine

        with ray_engine(prepare) as cluster:
            yield cluster
        return
    local = Local(prepare.workers or cores())
    try:
        yield local
    finally:
        local.close()


def cores() -> int:
    """CPU cores that this process may use, which on a cluster node is often fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Local:
    """Worker processes of this machine, started when first needed and kept for every stage."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None
        self._ready: Future[int] | None = None

    def map(self, function: Callable[[J], R], jobs: Sequence[J], *, large: bool) -> Iterator[R]:
        """See :class:`Engine`; this process works too while the others start."""
        if self._workers < 2 or len(jobs) < 2 or not large:
            yield from map(function, jobs)
            return
        pool, ready = self._start()
        done = 0
        while done < len(jobs) and not ready.done():
            yield function(jobs[done])
            done += 1

        def submit(batch: Sequence[J]) -> Future[list[R]]:
            return pool.submit(each, function, batch)

        try:
            yield from in_order(submit, Future.result, batches(jobs[done:], self._workers), self._workers)
        except BrokenProcessPool as error:
            raise MedftError(
                "a process that prepares data was killed",
                where="prepare.workers",
                fix="it may lack memory: use fewer; what is done is kept, so the same command goes on from there",
            ) from error

    def _start(self) -> tuple[ProcessPoolExecutor, Future[int]]:
        """The processes, and what is done when the first of them can work."""
        if self._pool is None or self._ready is None:
            # Spawned, not forked: a fork in a process with threads (SimpleITK, torch) can deadlock.
            self._pool = ProcessPoolExecutor(self._workers, mp_context=get_context("spawn"))
            nothing = [self._pool.submit(os.getpid) for _ in range(self._workers)]  # each starts a process
            self._ready = nothing[0]
        return self._pool, self._ready

    def close(self) -> None:
        """End the processes; what they have not started is dropped."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def batches(jobs: Sequence[J], workers: int) -> Iterator[Sequence[J]]:
    """Jobs in groups: large enough that sending them costs nothing, small enough that all workers end together."""
    size = min(LARGEST_BATCH, max(1, len(jobs) // (workers * BATCHES_PER_WORKER)))
    return (jobs[start : start + size] for start in range(0, len(jobs), size))


def in_order(
    submit: Callable[[Sequence[J]], T],
    result: Callable[[T], list[R]],
    groups: Iterable[Sequence[J]],
    workers: int,
) -> Iterator[R]:
    """Results in the order of the jobs, with a bounded number under way."""
    waiting: deque[T] = deque()
    for group in groups:
        waiting.append(submit(group))
        if len(waiting) >= AHEAD * workers:
            yield from result(waiting.popleft())
    while waiting:
        yield from result(waiting.popleft())


def each(function: Callable[[J], R], batch: Sequence[J]) -> list[R]:
    """The results of one batch."""
    with no_garbage_search():
        return [function(job) for job in batch]
