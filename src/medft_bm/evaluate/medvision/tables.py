"""Tables of what was asked as MedVision asks, by the definitions and groups of its published tables.

All of it is computed from the replies, because published scores differ from this library's: swapped corners score 0,
and what counts when nothing could be read differs from table to table. ``docs/medvision.md`` lists the definitions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from medft_bm.evaluate.medvision.boxes import detection_tables
from medft_bm.evaluate.medvision.gaps import measurement_tables, size_tables
from medft_bm.evaluate.medvision.table import Answers, Table
from medft_bm.evaluate.score import Scored
from medft_bm.prepare.dataset import PartInfo

__all__ = ["PRESET", "Table", "medvision_tables"]

PRESET = "medvision-v1.0.0"

Name = TypeVar("Name", bound=str)

_TABLES: Mapping[str, Callable[[Answers], list[Table]]] = {
    "detection": detection_tables,
    "lesion_size": size_tables,
    "angle_distance": measurement_tables,
}


def medvision_tables(scored: Mapping[Name, Sequence[Scored]], parts: Sequence[PartInfo]) -> list[Table]:
    """Tables in the form of the published ones; none unless a task has the preset ``medvision-v1.0.0``.

    Parts with one kind of task are taken together, as published.

    Args:
        scored: everyone's replies to the same items, by who replied.
        parts: of the mix.
    """
    tables: list[Table] = []
    for task, build in _TABLES.items():
        asked = {who: [one for one in of if _asks(parts[one.item.part], task)] for who, of in scored.items()}
        if any(asked.values()):
            tables += build({who: of for who, of in asked.items() if of})
    return tables


def _asks(part: PartInfo, task: str) -> bool:
    return part.task.name == task and getattr(part.task, "preset", "") == PRESET
