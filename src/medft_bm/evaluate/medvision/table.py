"""A table of words and numbers, for a report and for programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from medft_bm.core.types import Sample
from medft_bm.evaluate.compare import TITLES
from medft_bm.evaluate.medvision.groups import is_known
from medft_bm.evaluate.score import Scored

Cell: TypeAlias = str | int | float | None
Answers: TypeAlias = Mapping[str, Sequence[Scored]]
"""What was replied, by who replied."""

SAMPLE = (
    "These numbers compare with the published ones in definition, not in sample: those are of the first 1,000 items "
    "of every configuration, which in large ones are slices of two to six patients."
)


@dataclass(frozen=True)
class Table:
    """A table in the form of a published one.

    Attributes:
        title: what it shows.
        columns: headings.
        rows: words, counts, and numbers that are not rounded; ``None`` where there is none.
        notes: what to know when reading it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()

    def text(self) -> list[list[str]]:
        """The rows as they read, with one decimal as published."""
        return [[_text(cell) for cell in row] for row in self.rows]


def title_of(who: str) -> str:
    """Who replied, as the other tables of a report call them."""
    return {str(known): title for known, title in TITLES.items()}.get(who, who)


def patients(samples: Iterable[Sample]) -> int:
    """How many there are among the samples."""
    return len({sample.subject for sample in samples})


def percent(share: float | None) -> float | None:
    """A share in per cent."""
    return None if share is None else 100 * share


def unknown_labels(scored: Answers) -> tuple[str, ...]:
    """A note on labels that the published map does not hold."""
    labels = {one.item.sample.tags["label"] for of in scored.values() for one in of}
    missing = sorted(label for label in labels if not is_known(label))
    return (f"Not among the published labels: {', '.join(missing)}.",) if missing else ()


def _text(cell: Cell) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, float):
        return f"{cell:.1e}" if abs(cell) >= 1e6 else f"{cell:.1f}"
    return str(cell)
