"""Which classes are taken for which, as tables for the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medft_bm.evaluate.compare import TITLES, Who
from medft_bm.evaluate.score import Scored
from medft_bm.metrics.classification import NO_ANSWER, confusion_matrix

MOST = 40
"""Classes with rows of their own: the most frequent ones."""


@dataclass(frozen=True)
class Cell:
    """A count, its share of the row in per cent, and whether it counts right answers."""

    count: int
    share: float
    right: bool


@dataclass(frozen=True)
class Line:
    """One true class."""

    name: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Confusion:
    """One part as one model answered it; the last column counts replies without an answer."""

    part: str
    who: Who
    columns: tuple[str, ...]
    rows: tuple[Line, ...]
    left_out: int

    @property
    def title(self) -> str:
        """Of who answered."""
        return TITLES[self.who]


def confusions(parts: Mapping[int, Mapping[Who, Sequence[Scored]]], names: Sequence[str]) -> list[Confusion]:
    """A table for every part that is about classes and every model.

    Args:
        parts: by part, what the models answered.
        names: of the parts of the mix.
    """
    return [
        _table(of, names[part], who)
        for part, members in parts.items()
        for who, of in members.items()
        if all("class_id" in one.item.sample.truth for one in of)
    ]


def _table(scored: Sequence[Scored], part: str, who: Who) -> Confusion:
    classes = [str(one) for one in scored[0].item.sample.truth["classes"]]
    true = np.array([one.item.sample.truth["class_id"] for one in scored], np.int64)
    said = [NO_ANSWER if one.score.values is None else int(one.score.predicted) for one in scored]
    counts = confusion_matrix(true, np.array(said, np.int64), len(classes))
    # Stable, so that classes of one frequency stay in the order of the data set.
    shown = np.sort(np.argsort(-counts.sum(axis=1), kind="stable")[:MOST])
    left_out = len(classes) - len(shown)
    table = np.column_stack([counts[shown][:, shown], counts[shown][:, -1]])
    columns = [*(classes[k] for k in shown), "no answer"]
    if left_out:
        table = np.insert(table, -1, counts[shown].sum(axis=1) - table.sum(axis=1), axis=1)
        columns.insert(-1, "other classes")
    rows = tuple(_line(classes[k], table[at].tolist(), at) for at, k in enumerate(shown.tolist()))
    return Confusion(part, who, tuple(columns), rows, left_out)


def _line(name: str, counts: Sequence[int], right: int) -> Line:
    total = max(1, sum(counts))
    return Line(name, tuple(Cell(n, round(100 * n / total, 1), at == right) for at, n in enumerate(counts)))
