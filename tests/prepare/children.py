"""Children that prepare and are killed, limited or stripped of their rights, and what they did until then."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from medft_bm.cli.main import main
from medft_bm.prepare import images, index, rows, samples

NOBODY = 65534
TOUCHES = {"open", "os.mkdir", "os.rename", "os.link", "os.remove", "os.rmdir"}
"""What Python tells its audit hooks about before it changes a file or a folder."""


class Run(NamedTuple):
    """How a child prepares.

    Attributes:
        words: of ``medft prepare``.
        folder: for what it prints (``out``, ``err``) and for the list of what it touches in the cache (``touched``).
        die_at: kill everything that the child started, and itself, before it touches the cache for the n-th time.
        spare_workers: kill only itself.
        largest: bytes in a file at most; 0 is no limit.
        first: words of a preparation before this one, which loads what only root can load; then root's rights go.
        start: what all wait for.
    """

    words: tuple[str, ...]
    folder: Path
    die_at: int = 0
    spare_workers: bool = False
    largest: int = 0
    first: tuple[str, ...] = ()
    start: object = None


class Done(NamedTuple):
    code: int
    out: str
    err: str
    touched: list[list[str]]
    group: int


def child(run: Run) -> None:
    """The whole life of a child: many shards in little data, each large enough for workers."""
    os.setsid()
    for name, stream in (("out", sys.stdout), ("err", sys.stderr)):
        os.dup2(os.open(run.folder / name, os.O_WRONLY | os.O_CREAT), stream.fileno())
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    log = os.open(run.folder / "touched", os.O_WRONLY | os.O_CREAT)
    images.IMAGES_PER_SHARD, index.UNITS_PER_SHARD = 4, 3
    rows.WORTH_PROCESSES = samples.WORTH_PROCESSES = 0
    if run.first:
        assert main(["prepare", *run.first]) == 0
        os.seteuid(NOBODY)
    watch(run, log)
    if run.largest:
        resource.setrlimit(resource.RLIMIT_FSIZE, (run.largest, resource.RLIM_INFINITY))
    if run.start is not None:
        run.start.wait()  # type: ignore[attr-defined]
    code = main(["prepare", *run.words])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # what Python tidies up at its end may take the rights that were given away


def watch(run: Run, log: int) -> None:
    count = 0

    def hook(event: str, args: Sequence[object]) -> None:
        nonlocal count
        if event not in TOUCHES or (event == "open" and "/cache/" not in str(args[0])):
            return
        count += 1
        if count == run.die_at:
            (os.kill if run.spare_workers else os.killpg)(os.getpid(), signal.SIGKILL)
        if not run.largest and not run.first:
            os.write(log, f"{json.dumps([event, str(args[0]), str(args[1])])}\n".encode())

    sys.addaudithook(hook)


class Children:
    """Starts children from a process that has imported everything, which saves seconds for each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(
            ["medft_bm.prepare.dataset", "datasets", "transformers", "SimpleITK", "pytest"]
        )
        self._count = 0

    def __call__(self, *words: object, **how: object) -> Done:
        (done,) = self.together(1, *words, **how)
        return done

    def together(self, count: int, *words: object, **how: object) -> list[Done]:
        """So many children with the same command, at the same moment."""
        start = self._context.Barrier(count) if count > 1 else None
        children = []
        for _ in range(count):
            self._count += 1
            folder = self._folder / f"{self._count:04d}"
            folder.mkdir()
            run = Run(tuple(map(str, words)), folder, start=start, **how)  # type: ignore[arg-type]
            children.append((folder, self._context.Process(target=child, args=(run,))))
        for _, process in children:
            process.start()
        for _, process in children:
            process.join()
        return [self._done(folder, process.exitcode, process.pid) for folder, process in children]

    def _done(self, folder: Path, code: int | None, group: int | None) -> Done:
        assert code is not None
        assert group is not None
        touched = [json.loads(line) for line in (folder / "touched").read_text().splitlines()]
        return Done(code, (folder / "out").read_text(), (folder / "err").read_text(), touched, group)
