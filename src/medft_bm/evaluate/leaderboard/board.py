"""Several runs, ranked by the headline metric of every part, on the questions they have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from medft_bm.core.errors import DataError
from medft_bm.core.types import Metric
from medft_bm.evaluate.compare import FEW_SUBJECTS
from medft_bm.evaluate.leaderboard.entries import Entry
from medft_bm.evaluate.score import bounds_of
from medft_bm.metrics.aggregate import Interval, clustered_bootstrap
from medft_bm.metrics.paired import Paired, Pairs, compare_paired, holm
from medft_bm.metrics.power import detectable

RESAMPLES = 1000
SEED = 0
APART = 0.05
"""Adjusted p value from which on an entry is said to differ from the best one."""


@dataclass(frozen=True)
class Line:
    """One entry in the ranking of one part.

    Attributes:
        rank: from 1, the same for equal values; ``None`` without a value.
        name: of the entry.
        interval: mean of the headline metric; ``None`` when no reply has a value.
        n: replies that have one.
        parse_rate: share of replies with a readable answer.
        paired: this entry against the best one; ``None`` for the best, and where the two have no pair.
        detectable: smallest true difference to the best that so many patients show with 80 % power.
    """

    rank: int | None
    name: str
    interval: Interval | None
    n: int
    parse_rate: float
    paired: Paired | None = None
    detectable: float | None = None

    @property
    def few(self) -> bool:
        """Whether too few patients stand behind the comparison to tell anything apart."""
        return self.paired is not None and self.paired.subjects < FEW_SUBJECTS

    @property
    def apart(self) -> bool:
        """Whether it can be told from the best entry."""
        p = self.paired.adjusted_p if self.paired else None
        return p is not None and p < APART and not self.few


@dataclass(frozen=True)
class Ranking:
    """One part of the mix.

    Attributes:
        part: name in the mix of the first entry.
        metric: its headline metric.
        n: questions that all entries were asked.
        subjects: patients behind them.
        lines: best first; without a value last.
    """

    part: str
    metric: Metric
    n: int
    subjects: int
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Leaderboard:
    """The rankings of all parts.

    Attributes:
        entries: what is compared, in the order given.
        rankings: in the order of the mix.
        common: questions that all entries were asked.
        left_out: by entry, how many it was asked that another one was not.
        tests: comparisons whose p values were adjusted together.
    """

    entries: tuple[Entry, ...]
    rankings: tuple[Ranking, ...]
    common: int
    left_out: Mapping[str, int]
    tests: int

    @property
    def demo(self) -> bool:
        """Whether one of them is a demonstration."""
        return any(entry.demo for entry in self.entries)


def rank(entries: Sequence[Entry]) -> Leaderboard:
    """Compare every entry with the best one of each part, by complete pairs.

    The p values of all comparisons are adjusted together.

    Raises:
        DataError: fewer than two entries, no question in common, or entries that measure different things.
    """
    if len(entries) < 2:
        raise DataError(
            f"{len(entries)} evaluation is nothing to compare", fix="give two runs, or one evaluated before and after"
        )
    # In the order of the first entry, so that the result does not depend on sets.
    common = [uid for uid in entries[0].answers if all(uid in entry.answers for entry in entries)]
    if not common:
        raise DataError(
            "no question was asked of all of them: " + ", ".join(f"{e.name} {len(e.answers)}" for e in entries),
            fix="compare evaluations of the same data with the same data.salt and evaluate.split",
        )
    parts: dict[str, list[str]] = {part: [] for part in entries[0].metrics}
    for uid in common:
        parts[entries[0].answers[uid].part].append(uid)
    rankings, tests = _adjusted([_ranking(part, uids, entries) for part, uids in parts.items() if uids])
    left_out = {entry.name: len(entry.answers) - len(common) for entry in entries}
    return Leaderboard(tuple(entries), rankings, len(common), left_out, tests)


def _ranking(part: str, uids: Sequence[str], entries: Sequence[Entry]) -> Ranking:
    metric = entries[0].metrics[part]
    for entry in entries[1:]:
        own = entry.metrics[entry.answers[uids[0]].part]
        if own != metric:
            raise DataError(
                f"{part} is measured by {metric.name} in {entries[0].name} and by {own.name} in {entry.name}",
                where=str(entry.folder),
                fix="evaluate both again with one version of medft_bm",
            )
    subjects = [entries[0].answers[uid].subject for uid in uids]
    values = {entry.name: [entry.answers[uid].value(metric) for uid in uids] for entry in entries}
    ordered = sorted((_line(entry, uids, metric, subjects) for entry in entries), key=lambda line: _key(line, metric))
    best = ordered[0]
    # Equal values share a rank.
    keys = [_key(line, metric)[:2] for line in ordered]
    ranked = [line if line.interval is None else replace(line, rank=1 + keys.index(key))
              for line, key in zip(ordered, keys, strict=True)]  # fmt: skip
    ranked[1:] = [line if line.rank is None else
                  _against(values[best.name], values[line.name], line, metric, subjects)
                  for line in ranked[1:]]  # fmt: skip
    return Ranking(part, metric, len(uids), len(set(subjects)), tuple(ranked))


def _line(entry: Entry, uids: Sequence[str], metric: Metric, subjects: Sequence[str]) -> Line:
    answers = [entry.answers[uid] for uid in uids]
    read = sum(answer.values is not None for answer in answers) / len(answers)
    given = [answer.value(metric) for answer in answers]
    values = np.array([value for value in given if value is not None], np.float64)
    if not len(values):
        return Line(None, entry.name, None, 0, read)
    who = [subject for subject, value in zip(subjects, given, strict=True) if value is not None]
    bounds = bounds_of(metric, values)
    interval = clustered_bootstrap(values, who, resamples=RESAMPLES, seed=SEED, bounds=bounds)
    return Line(None, entry.name, interval, len(values), read)


def _against(
    best: Sequence[float | None],
    other: Sequence[float | None],
    line: Line,
    metric: Metric,
    subjects: Sequence[str],
) -> Line:
    pairs = Pairs.complete(best, other, subjects)
    share = bounds_of(metric, pairs.values) is not None
    paired = compare_paired(pairs, resamples=RESAMPLES, seed=SEED, share=share)
    return replace(line, paired=paired, detectable=detectable(pairs.differences, pairs.subjects))


def _key(line: Line, metric: Metric) -> tuple[bool, float, str]:
    """Best first; where the value nearest to 0 is best, by its size; equal ones by name."""
    if line.interval is None:
        return True, 0.0, line.name
    value = line.interval.value
    return False, -value if metric.higher_is_better else abs(value), line.name


def _adjusted(rankings: Sequence[Ranking]) -> tuple[tuple[Ranking, ...], int]:
    ps = [line.paired.p for ranking in rankings for line in ranking.lines if line.paired]
    adjusted = iter(holm(ps))
    done = tuple(
        replace(
            ranking,
            lines=tuple(
                replace(line, paired=replace(line.paired, adjusted_p=next(adjusted))) if line.paired else line
                for line in ranking.lines
            ),
        )
        for ranking in rankings
    )
    return done, sum(p is not None for p in ps)
