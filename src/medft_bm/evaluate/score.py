"""Replies to scores, and scores to one summary per part of the mix."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from medft_bm.core.errors import DataError
from medft_bm.core.memory import no_garbage_search
from medft_bm.core.types import Metric, Score
from medft_bm.evaluate.replies import Reply
from medft_bm.metrics.aggregate import Bounds, Interval, clustered_bootstraps, mean_of
from medft_bm.metrics.statistic import Statistic
from medft_bm.prepare.dataset import Item
from medft_bm.tasks.base import Answered, Pools


@dataclass(frozen=True)
class Scored:
    """One item with what was said about it.

    Attributes:
        item: the prepared row.
        reply: what the model, or a trivial baseline, said.
        score: what that is worth.
    """

    item: Item
    reply: Reply
    score: Score

    def value(self, metric: Metric) -> float | None:
        """This metric's value: the stand-in where there is no answer; ``None`` where the metric has none."""
        if self.score.values is None:
            return metric.unscored
        return self.score.values.get(metric.name)


@dataclass(frozen=True)
class Result:
    """A metric over the items of one part.

    Attributes:
        metric: what was measured.
        interval: the number with its 95 % interval; ``None`` when no item has a value, or when it is not defined for
            the values there are.
        n: how many items have a value.
    """

    metric: Metric
    interval: Interval | None
    n: int


@dataclass(frozen=True)
class Summary:
    """One part of the mix, as one model answered it.

    Attributes:
        part: index in the mix.
        n: items asked.
        subjects: different patients among them.
        answered: replies an answer could be read from.
        unfinished: replies cut off by the token budget.
        reasons: why there was no answer, with counts, most frequent first.
        results: the task's metrics, headline first, then those that need all items at once.
    """

    part: int
    n: int
    subjects: int
    answered: int
    unfinished: int
    reasons: Mapping[str, int]
    results: tuple[Result, ...]

    @property
    def parse_rate(self) -> float:
        """Share of replies with an answer."""
        return self.answered / self.n

    @property
    def headline(self) -> Result:
        """The task's first metric."""
        return self.results[0]


def score_replies(items: Sequence[Item], replies: Sequence[Reply]) -> list[Scored]:
    """Score every reply by its item's own task.

    Raises:
        DataError: replies and items do not belong together.
    """
    if [item.uid for item in items] != [reply.uid for reply in replies]:
        raise DataError(f"{len(replies)} replies do not match {len(items)} items one to one")
    with no_garbage_search():
        return [
            Scored(item, reply, item.task.score(item.sample, item.view, reply.text))
            for item, reply in zip(items, replies, strict=True)
        ]


def by_part(scored: Sequence[Scored]) -> dict[int, list[Scored]]:
    """Scores by part of the mix, in the order of the mix."""
    parts: dict[int, list[Scored]] = defaultdict(list)
    for one in scored:
        parts[one.item.part].append(one)
    return dict(sorted(parts.items()))


def summarise(scored: Sequence[Scored], *, resamples: int, seed: int) -> list[Summary]:
    """One summary per part, in the order of the mix.

    Args:
        scored: items of any parts.
        resamples: draws of patients behind every interval.
        seed: of those draws.
    """
    with no_garbage_search():
        return [_summary(part, of, resamples, seed) for part, of in by_part(scored).items()]


def _summary(part: int, scored: list[Scored], resamples: int, seed: int) -> Summary:
    reasons = Counter(one.score.why or "no reason given" for one in scored if one.score.values is None)
    task = scored[0].item.task
    # Numbered once: every metric would sort the names again.
    subjects = [one.item.sample.subject for one in scored]
    names = {name: number for number, name in enumerate(sorted(set(subjects)))}
    patients = np.array([names[subject] for subject in subjects], np.intp)
    results = _means(task.metrics, scored, patients, resamples, seed)
    if isinstance(task, Pools):
        results += _pooled(task, scored, patients, resamples, seed)
    return Summary(
        part=part,
        n=len(scored),
        subjects=len(names),
        answered=len(scored) - reasons.total(),
        unfinished=sum(not one.reply.finished for one in scored),
        reasons=dict(reasons.most_common()),
        results=tuple(results),
    )


def bounds_of(metric: Metric, values: NDArray[np.float64]) -> Bounds | None:
    """The range of a metric that is a share, such as an accuracy or an overlap; ``None`` for errors and the like."""
    share = not metric.unit and metric.higher_is_better is True
    return (0.0, 1.0) if share and bool(((values >= 0) & (values <= 1)).all()) else None


def _means(
    metrics: Sequence[Metric], scored: list[Scored], patients: NDArray[np.intp], resamples: int, seed: int
) -> list[Result]:
    given = [_given(metric, scored) for metric in metrics]
    together: dict[bytes, list[int]] = defaultdict(list)  # metrics that the same samples have values of
    for place, values in enumerate(given):
        together[bytes(value is not None for value in values)].append(place)
    results: dict[int, Result] = {}
    for known, places in together.items():
        kept = np.frombuffer(known, bool)
        of = [metrics[place] for place in places]
        columns = [np.array(given[place], np.float64)[kept] for place in places]
        rows = np.column_stack([*columns, np.ones(kept.sum())])
        estimates = [(mean_of(k), bounds_of(*pair)) for k, pair in enumerate(zip(of, columns, strict=True))]
        made = _results(of, rows, patients[kept], estimates, resamples, seed)
        results.update(zip(places, made, strict=True))
    return [results[place] for place in range(len(metrics))]


def _given(metric: Metric, scored: list[Scored]) -> list[float | None]:
    name, unscored = metric.name, metric.unscored  # as Scored.value, for millions
    return [unscored if one.score.values is None else one.score.values.get(name) for one in scored]


def _pooled(task: Pools, scored: list[Scored], patients: NDArray[np.intp], resamples: int, seed: int) -> list[Result]:
    answered = [Answered(one.item.sample, one.score, one.reply.probabilities) for one in scored]
    results: list[Result] = []
    for row, group in groupby(task.pooled([one.sample for one in answered]), key=lambda pooled: pooled.row):
        # Neighbours often share their rows, which cost more than the rest.
        metrics, estimates = zip(*((one.metric, (one.statistic, one.bounds)) for one in group), strict=True)
        rows = [row(one) for one in answered]
        given = np.array([one for one in rows if one is not None], np.float64)
        who = patients[[one is not None for one in rows]]
        results += _results(metrics, given, who, estimates, resamples, seed)
    return results


def _results(
    metrics: Sequence[Metric],
    rows: NDArray[np.float64],
    patients: NDArray[np.intp],
    estimates: Sequence[tuple[Statistic, Bounds | None]],
    resamples: int,
    seed: int,
) -> list[Result]:
    """Every metric with its interval, from rows that all of them need."""
    if not len(rows):
        return [Result(metric, None, 0) for metric in metrics]
    intervals = clustered_bootstraps(rows, patients, estimates, resamples=resamples, seed=seed)
    return [
        Result(metric, None if np.isnan(interval.value) else interval, len(rows))
        for metric, interval in zip(metrics, intervals, strict=True)
    ]
