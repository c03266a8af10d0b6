"""Which cases to show: from best to worst, evenly, by a rule that never depends on chance."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from medft_bm.evaluate.sampling import share_out
from medft_bm.evaluate.score import Scored


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
