"""Trivial baseline, before and after, side by side on the same items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from medft_bm.core.errors import DataError
from medft_bm.core.types import Metric
from medft_bm.evaluate.score import Result, Scored, Summary, summarise
from medft_bm.metrics.aggregate import Interval, clustered_bootstrap

Who: TypeAlias = Literal["baseline", "base", "tuned"]
WHO: tuple[Who, Who, Who] = ("baseline", "base", "tuned")
TITLES: Mapping[Who, str] = {"baseline": "trivial baseline", "base": "before", "tuned": "after"}

FEW_SUBJECTS = 10
"""With fewer, resampling cannot show how much subjects differ, and intervals come out far too short."""


@dataclass(frozen=True)
class Row:
    """One metric of one part, for everyone who was asked.

    Attributes:
        part: name in the mix.
        task: registered name.
        metric: what is compared.
        headline: whether it is the task's first metric.
        n: items asked.
        subjects: patients among them.
        results: by who answered; missing where not evaluated.
        parse_rates: likewise.
        change: after minus before on the items that have a value in both, patients resampled; ``None`` when there are
            none, or for metrics that are no mean over items.
    """

    part: str
    task: str
    metric: Metric
    headline: bool
    n: int
    subjects: int
    results: Mapping[Who, Result]
    parse_rates: Mapping[Who, float]
    change: Interval | None

    def value(self, who: Who) -> float | None:
        """Point estimate; ``None`` when not evaluated or nothing could be scored."""
        result = self.results.get(who)
        return result.interval.value if result and result.interval else None

    def beats(self, other: Who) -> bool | None:
        """Whether the tuned model is better than ``other``; ``None`` when one has no value."""
        after, rival = self.value("tuned"), self.value(other)
        if after is None or rival is None:
            return None
        return after > rival if self.metric.higher_is_better else after < rival

    @property
    def settled(self) -> bool:
        """Whether the interval of the change leaves zero out, and enough subjects stand behind it to trust it."""
        change = self.change
        if change is None or change.low is None or change.high is None or self.subjects < FEW_SUBJECTS:
            return False
        return change.low > 0 or change.high < 0


def compare(scored: Mapping[Who, Sequence[Scored]], names: Sequence[str], *, resamples: int, seed: int) -> list[Row]:
    """Rows of the table: parts in the order of the mix, the headline metric of each first.

    Args:
        scored: what everyone answered, on the same items.
        names: of the parts of the mix.
        resamples: draws behind every interval.
        seed: of those draws.

    Raises:
        DataError: the evaluations are not of the same items.
    """
    if len({tuple(one.item.uid for one in of) for of in scored.values()}) > 1:
        raise DataError(
            "the evaluations are not of the same items: " + ", ".join(f"{who} {len(of)}" for who, of in scored.items()),
            fix="evaluate every model again with the same split and limit",
        )
    summaries = {
        who: {summary.part: summary for summary in summarise(of, resamples=resamples, seed=seed)}
        for who, of in scored.items()
    }
    first = next(iter(summaries.values()), {})
    return [
        _row(part, position, names[part], {who: of[part] for who, of in summaries.items()}, scored, resamples, seed)
        for part, summary in first.items()
        for position in range(len(summary.results))
    ]


def _row(
    part: int,
    position: int,
    name: str,
    summaries: Mapping[Who, Summary],
    scored: Mapping[Who, Sequence[Scored]],
    resamples: int,
    seed: int,
) -> Row:
    first = next(iter(summaries.values()))
    metric = first.results[position].metric
    pairs = [
        (before, after)
        for before, after in zip(scored.get("base", ()), scored.get("tuned", ()), strict=False)
        if before.item.part == part
    ]
    return Row(
        part=name,
        task=next(one.item.task.name for of in scored.values() for one in of if one.item.part == part),
        metric=metric,
        headline=position == 0,
        n=first.n,
        subjects=first.subjects,
        results={who: summary.results[position] for who, summary in summaries.items()},
        parse_rates={who: summary.parse_rate for who, summary in summaries.items()},
        change=_change(metric, pairs, resamples, seed),
    )


def _change(metric: Metric, pairs: Sequence[tuple[Scored, Scored]], resamples: int, seed: int) -> Interval | None:
    differences, subjects = [], []
    for before, after in pairs:
        if metric not in after.item.task.metrics:
            continue
        old, new = before.value(metric), after.value(metric)
        if old is not None and new is not None:
            differences.append(new - old)
            subjects.append(after.item.sample.subject)
    if not differences:
        return None
    return clustered_bootstrap(np.array(differences), subjects, resamples=resamples, seed=seed)
