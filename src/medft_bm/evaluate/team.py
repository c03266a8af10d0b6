"""The processes of one launch, as far as asking is concerned."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

log = logging.getLogger(__name__)

T = TypeVar("T")

PATIENCE = timedelta(days=7)
"""How long processes wait for one another: one of them may be given most of the long replies."""


@dataclass(frozen=True)
class Team:
    """The processes that a launcher started, seen from one of them.

    Attributes:
        index: of this process.
        count: how many there are.
    """

    index: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes for all."""
        return self.index == 0

    def share(self, members: Sequence[T]) -> Sequence[T]:
        """Those of the members that are this process's: every so many, so that like ones are spread evenly."""
        return members[self.index :: self.count]

    @contextmanager
    def alone_in(self, folder: Path) -> Iterator[None]:
        """Keep other launches out of a folder: two of different models would mix their replies in one file.

        The one that comes later waits. The system frees the lock of a process that was killed.
        """
        if not self.first:
            yield
            return
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.parent / f".{folder.name}.lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            log.warning("another evaluation is at work in %s; this one starts when it is done", folder)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def meet(self) -> None:
        """Find the other processes; from now on this one computes on the accelerator that is its own."""
        if self.count > 1:
            import torch
            from accelerate import PartialState

            # Unless told that this is a CPU, accelerate lets every process believe that it is alone there.
            PartialState(cpu=not torch.cuda.is_available(), timeout=PATIENCE)

    def wait(self) -> None:
        """Until every process is here."""
        if self.count > 1:
            from accelerate import PartialState

            PartialState().wait_for_everyone()

    def part(self) -> None:
        """Leave the others."""
        if self.count > 1:
            from accelerate import PartialState

            PartialState().destroy_process_group()


ALONE = Team()
