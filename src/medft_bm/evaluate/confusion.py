"""Which classes are taken for which, as tables for the report."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medft_bm.evaluate.compare import TITLES, Who
from medft_bm.evaluate.score import Scored, class_ids
from medft_bm.metrics.classification import confusion_matrix


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
    title: str
    columns: tuple[str, ...]
    rows: tuple[Line, ...]


def confusions(scored: Mapping[Who, Sequence[Scored]], names: Sequence[str]) -> list[Confusion]:
    """A table for every part that is about classes, for the model before and after."""
    tables = []
    for who, of in scored.items():
        if who == "baseline":
            continue
        parts: dict[int, list[Scored]] = defaultdict(list)
        for one in of:
            parts[one.item.part].append(one)
        tables += [(part, table) for part, members in parts.items() for table in _table(members, names[part], who)]
    return [table for _, table in sorted(tables, key=lambda pair: pair[0])]


def _table(scored: list[Scored], name: str, who: Who) -> list[Confusion]:
    ids = class_ids(scored)
    if ids is None:
        return []
    classes = [str(one) for one in scored[0].item.sample.truth["classes"]]
    counts = confusion_matrix(ids[:, 0], ids[:, 1], len(classes)).tolist()
    rows = tuple(
        Line(
            name, tuple(Cell(count, round(100 * count / max(1, sum(row)), 1), at == k) for at, count in enumerate(row))
        )
        for k, (name, row) in enumerate(zip(classes, counts, strict=True))
    )
    return [Confusion(name, TITLES[who], (*classes, "no answer"), rows)]
