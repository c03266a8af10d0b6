"""Trivial baseline, before and after, side by side on the same items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, TypeVar

from medft_bm.core.errors import DataError
from medft_bm.core.types import Metric
from medft_bm.evaluate.score import Result, Scored, Summary, bounds_of, by_part, summarise
from medft_bm.metrics.aggregate import Interval
from medft_bm.metrics.paired import Paired, Pairs, compare_paired, holm
from medft_bm.metrics.power import detectable
from medft_bm.tasks.base import Task

T = TypeVar("T")
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
        paired: after against before on those items, tested; ``None`` where ``change`` is.
        detectable: smallest true change that so many patients show with 80 % power, in the metric's unit; ``None``
            where it cannot be said.
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
    paired: Paired | None = None
    detectable: float | None = None

    def value(self, who: Who) -> float | None:
        """Point estimate; ``None`` when not evaluated or nothing could be scored."""
        result = self.results.get(who)
        return result.interval.value if result and result.interval else None

    def beats(self, other: Who) -> bool | None:
        """Whether the tuned model is better than ``other``; ``None`` when one has no value."""
        after, rival = self.value("tuned"), self.value(other)
        if after is None or rival is None:
            return None
        if self.metric.higher_is_better is None:
            return abs(after) < abs(rival)
        return after > rival if self.metric.higher_is_better else after < rival

    @property
    def settled(self) -> bool:
        """Whether the interval of the change leaves zero out, and enough subjects stand behind it to trust it."""
        change = self.change
        if change is None or change.low is None or change.high is None or self.subjects < FEW_SUBJECTS:
            return False
        return change.low > 0 or change.high < 0


def compare(
    scored: Mapping[Who, Sequence[Scored]],
    names: Sequence[str],
    *,
    resamples: int,
    seed: int,
    summaries: Mapping[Who, Sequence[Summary]] | None = None,
) -> list[Row]:
    """Rows of the table: parts in the order of the mix, the headline metric of each first.

    The p values of the headline rows are adjusted together; those of the other rows stand alone.

    Args:
        scored: what everyone answered, on the same items.
        names: of the parts of the mix.
        resamples: draws behind every interval.
        seed: of those draws.
        summaries: of the same, by :func:`~medft_bm.evaluate.score.summarise`; ``None`` makes them.

    Raises:
        DataError: the evaluations are not of the same items.
    """
    if len({tuple(one.item.uid for one in of) for of in scored.values()}) > 1:
        raise DataError(
            "the evaluations are not of the same items: " + ", ".join(f"{who} {len(of)}" for who, of in scored.items()),
            fix="evaluate every model again with the same split and limit",
        )
    draws = _Draws(resamples, seed)
    parts = {who: by_part(of) for who, of in scored.items()}
    made = summaries or {who: summarise(of, resamples=resamples, seed=seed) for who, of in scored.items()}
    known = {who: {summary.part: summary for summary in made[who]} for who in scored}
    rows = [
        row
        for part in next(iter(parts.values()), {})
        for row in _rows(_of(part, parts), _of(part, known), names[part], draws)
    ]
    adjusted = iter(holm([row.paired.p for row in rows if row.headline and row.paired]))
    return [
        replace(row, paired=replace(row.paired, adjusted_p=next(adjusted))) if row.headline and row.paired else row
        for row in rows
    ]


def _of(part: int, by_who: Mapping[Who, Mapping[int, T]]) -> dict[Who, T]:
    return {who: of[part] for who, of in by_who.items()}


@dataclass(frozen=True)
class _Draws:
    resamples: int
    seed: int


def _rows(scored: Mapping[Who, list[Scored]], summaries: Mapping[Who, Summary], name: str, draws: _Draws) -> list[Row]:
    """Rows of one part."""
    first = next(iter(summaries.values()))
    task = next(iter(scored.values()))[0].item.task
    return [_row(position, result.metric, name, task, summaries, scored, draws)
            for position, result in enumerate(first.results)]  # fmt: skip


def _row(
    position: int,
    metric: Metric,
    name: str,
    task: Task,
    summaries: Mapping[Who, Summary],
    scored: Mapping[Who, list[Scored]],
    draws: _Draws,
) -> Row:
    first = next(iter(summaries.values()))
    # Metrics after these are no mean over items, so that items have no differences.
    is_mean = position < len(task.metrics)
    paired, smallest = _paired(metric, scored, draws) if is_mean else (None, None)
    return Row(
        part=name,
        task=task.name,
        metric=metric,
        headline=position == 0,
        n=first.n,
        subjects=first.subjects,
        results={who: summary.results[position] for who, summary in summaries.items()},
        parse_rates={who: summary.parse_rate for who, summary in summaries.items()},
        change=paired.difference if paired else None,
        paired=paired,
        detectable=smallest,
    )


def _paired(metric: Metric, scored: Mapping[Who, list[Scored]], draws: _Draws) -> tuple[Paired | None, float | None]:
    """After against before, and the smallest change that these patients can show."""
    if "base" not in scored or "tuned" not in scored:
        return None, None
    before, after = ([one.value(metric) for one in scored[who]] for who in ("base", "tuned"))
    pairs = Pairs.complete(before, after, [one.item.sample.subject for one in scored["base"]])
    share = bounds_of(metric, pairs.values) is not None
    paired = compare_paired(pairs, resamples=draws.resamples, seed=draws.seed, share=share)
    return paired, detectable(pairs.differences, pairs.subjects)
