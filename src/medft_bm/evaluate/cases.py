"""Which cases to show: from best to worst, evenly, by a rule that never depends on chance."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from medft_bm.evaluate.score import Scored
from medft_bm.prepare.dataset import Item

T = TypeVar("T")


@dataclass(frozen=True)
class Case:
    """One case to show.

    Attributes:
        scored: the item with its reply.
        rank: 1 for the best of its part.
        of: how many the part has.
    """

    scored: Scored
    rank: int
    of: int

    @property
    def name(self) -> str:
        """``best``, ``median``, ``worst``, or the rank."""
        names = {self.of: "worst", (self.of + 1) // 2: "median", 1: "best"}
        place = f"rank {self.rank} of {self.of}"
        return f"{names[self.rank]}, {place}" if self.rank in names and self.of > 1 else place


def select_items(items: Sequence[Item], limit: int | None) -> list[Item]:
    """At most ``limit`` items, about equally many of every part, by the hash of their uid; in their own order."""
    if limit is None or limit >= len(items):
        return list(items)
    parts: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for index, item in enumerate(items):
        parts[item.part].append((hashlib.sha256(item.uid.encode()).hexdigest(), index))
    shares = share_out(limit, {part: len(members) for part, members in parts.items()})
    chosen = [index for part, members in parts.items() for _, index in sorted(members)[: shares[part]]]
    return [items[index] for index in sorted(chosen)]


def share_out(total: int, sizes: Mapping[int, int]) -> dict[int, int]:
    """Give every part the same number, up to its size, and what it cannot take to the others."""
    shares = dict.fromkeys(sizes, 0)
    while total > 0 and any(shares[part] < size for part, size in sizes.items()):
        for part, size in sorted(sizes.items()):
            if total > 0 and shares[part] < size:
                shares[part] += 1
                total -= 1
    return shares


def choose_cases(scored: Sequence[Scored], count: int) -> dict[int, list[Case]]:
    """About ``count`` cases, by part: the best, the worst and evenly spaced ranks between.

    Cases rank by the headline metric, those without an answer last, equal ones by uid.
    """
    parts: dict[int, list[Scored]] = defaultdict(list)
    for one in scored:
        parts[one.item.part].append(one)
    shares = share_out(count, {part: len(of) for part, of in parts.items()})
    chosen = {}
    for part in sorted(parts):
        ranked = sorted(parts[part], key=_goodness)
        ranks = _spread(shares[part], len(ranked))
        chosen[part] = [Case(ranked[rank - 1], rank, len(ranked)) for rank in ranks]
    return chosen


def _goodness(one: Scored) -> tuple[bool, float, str]:
    metric = one.item.task.metrics[0]
    value = (one.score.values or {}).get(metric.name)
    if value is None:
        return True, 0.0, one.item.uid
    return False, -value if metric.higher_is_better else value, one.item.uid


def _spread(count: int, size: int) -> list[int]:
    """``count`` ranks of 1..``size``, first and last among them; the median alone when only one is wanted."""
    if count <= 1:
        return [(size + 1) // 2] * count
    return sorted({1 + round(k * (size - 1) / (count - 1)) for k in range(count)})
