"""The processes of one launch, as far as asking is concerned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

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
