"""Broken inputs: how each comes about, the exit code, and words of the one message."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .conftest import Bench, refused

CONFIG, PACKAGE, DATA = 2, 3, 4


@dataclass(frozen=True)
class Case:
    """One broken input."""

    plant: Callable[[Bench], None]
    code: int
    said: tuple[str, ...]

    def is_refused(self, medft: Any, bench: Bench) -> None:
        """``medft prepare`` ends with one message and leaves nothing half-written."""
        self.plant(bench)

        done = medft("prepare", bench.config())

        refused(done, self.code, *self.said)
        assert bench.entries() == []
        assert not bench.run.exists()


class Cases(dict[str, Case]):
    """By name; a decorator enters what it stands above."""

    def __call__(self, code: int, *said: str) -> Callable[[Callable[[Bench], None]], Callable[[Bench], None]]:
        def enter(plant: Callable[[Bench], None]) -> Callable[[Bench], None]:
            self[plant.__name__.replace("_", " ")] = Case(plant, code, said)
            return plant

        return enter
