"""Replies to scores, and scores to one summary per part of the mix."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medft_bm.core.errors import DataError
from medft_bm.core.types import Metric, Score
from medft_bm.evaluate.replies import Reply
from medft_bm.metrics.aggregate import Interval, Statistic, clustered_bootstrap
from medft_bm.metrics.classification import NO_ANSWER, balanced_accuracy, macro_f1
from medft_bm.prepare.dataset import Item


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
        interval: mean with its 95 % interval; ``None`` when no item has a value.
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
    return [
        Scored(item, reply, item.task.score(item.sample, item.view, reply.text))
        for item, reply in zip(items, replies, strict=True)
    ]


def baseline_replies(train: Sequence[Item], items: Sequence[Item]) -> list[Reply]:
    """What each task's trivial baseline replies, learnt from the training items of the same part."""
    samples = defaultdict(list)
    for item in train:
        samples[item.part].append(item.sample)
    guesses = {item.part: item.task for item in items}
    learnt = {part: task.baseline(samples[part]) for part, task in guesses.items()}
    return [Reply(item.uid, learnt[item.part](item.sample, item.view), 0, True) for item in items]


def summarise(scored: Sequence[Scored], *, resamples: int, seed: int) -> list[Summary]:
    """One summary per part, in the order of the mix.

    Args:
        scored: items of any parts.
        resamples: draws of patients behind every interval.
        seed: of those draws.
    """
    parts: dict[int, list[Scored]] = defaultdict(list)
    for one in scored:
        parts[one.item.part].append(one)
    return [_summary(part, parts[part], resamples, seed) for part in sorted(parts)]


def _summary(part: int, scored: list[Scored], resamples: int, seed: int) -> Summary:
    reasons = Counter(one.score.why or "no reason given" for one in scored if one.score.values is None)
    results = [_result(metric, scored, resamples, seed) for metric in scored[0].item.task.metrics]
    return Summary(
        part=part,
        n=len(scored),
        subjects=len({one.item.sample.subject for one in scored}),
        answered=len(scored) - reasons.total(),
        unfinished=sum(not one.reply.finished for one in scored),
        reasons=dict(reasons.most_common()),
        results=(*results, *_class_results(scored, resamples, seed)),
    )


def _result(metric: Metric, scored: list[Scored], resamples: int, seed: int) -> Result:
    pairs = [(one.value(metric), one.item.sample.subject) for one in scored]
    valued = [(value, subject) for value, subject in pairs if value is not None]
    if not valued:
        return Result(metric, None, 0)
    values, subjects = zip(*valued, strict=True)
    interval = clustered_bootstrap(np.array(values, np.float64), subjects, resamples=resamples, seed=seed)
    return Result(metric, interval, len(valued))


def class_ids(scored: Sequence[Scored]) -> NDArray[np.int64] | None:
    """``(n, 2)`` true and predicted class ids, or ``None`` when the items are not about classes."""
    if not all("class_id" in one.item.sample.truth for one in scored):
        return None
    said = [NO_ANSWER if one.score.values is None else int(one.score.predicted) for one in scored]
    return np.array([[one.item.sample.truth["class_id"], k] for one, k in zip(scored, said, strict=True)], np.int64)


def _class_results(scored: list[Scored], resamples: int, seed: int) -> list[Result]:
    """Metrics that are no mean over items: every class weighs the same."""
    ids = class_ids(scored)
    if ids is None:
        return []
    subjects = [one.item.sample.subject for one in scored]
    statistics: dict[str, Statistic] = {
        "balanced_accuracy": lambda rows: balanced_accuracy(rows[:, 0], rows[:, 1]),
        "macro_f1": lambda rows: macro_f1(rows[:, 0], rows[:, 1]),
    }
    return [
        Result(
            Metric(name),
            clustered_bootstrap(ids, subjects, resamples=resamples, seed=seed, statistic=statistic),
            len(ids),
        )
        for name, statistic in statistics.items()
    ]
