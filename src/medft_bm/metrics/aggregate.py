"""One number for many samples, with an interval that respects that samples of one patient are alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medft_bm.core.errors import DataError

Statistic = Callable[[NDArray[Any]], float]
_BLOCK = 4_000_000  # draws held in memory at once


@dataclass(frozen=True)
class Interval:
    """A value and where it may lie.

    Attributes:
        value: of the samples themselves.
        low: lower end; ``None`` when one cluster leaves nothing to resample.
        high: upper end; ``None`` likewise.
    """

    value: float
    low: float | None
    high: float | None


def clustered_bootstrap(
    values: NDArray[Any],
    clusters: Sequence[str],
    *,
    resamples: int,
    seed: int,
    statistic: Statistic | None = None,
    level: float = 0.95,
) -> Interval:
    """Percentile bootstrap interval that draws whole clusters with replacement.

    Slices and lesions of one patient are not independent: resampling them one by one makes intervals too short.
    Drawing all samples of a patient together is the pairs cluster bootstrap (Cameron, Gelbach and Miller 2008,
    "Bootstrap-based improvements for inference with clustered errors", Review of Economics and Statistics 90(3)); the
    interval is the percentile interval of Efron and Tibshirani (1993), "An Introduction to the Bootstrap", chapter 13.
    With few clusters (under about 20) it is somewhat too short: read it with the number of subjects beside it.

    Args:
        values: one row per sample; anything ``statistic`` accepts, numbers for the mean.
        clusters: patient of every sample.
        resamples: how many times to draw; 0 gives the value alone.
        seed: of the draws.
        statistic: number from rows of ``values``; ``None`` is the mean, which is vectorised over all draws.
        level: share of the draws inside the interval.

    Raises:
        DataError: no values, one that is not finite, or not exactly one cluster per value.
    """
    values = np.asarray(values)
    if len(values) != len(clusters) or not len(values):
        raise DataError(f"an interval needs one subject per value, got {len(values)} values, {len(clusters)} subjects")
    if not np.isfinite(values).all():
        raise DataError("a value to average is not finite", fix="leave unscored replies out, or give them a value")
    value = float(np.mean(values)) if statistic is None else statistic(values)
    names, member = np.unique(np.asarray(clusters, dtype=str), return_inverse=True)
    if len(names) < 2 or resamples < 1:
        return Interval(value, None, None)
    rng = np.random.default_rng(seed)
    if statistic is None:
        draws = _mean_draws(values, member, len(names), resamples, rng)
    else:
        draws = _draws(values, member, len(names), resamples, rng, statistic)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))


def _mean_draws(
    values: NDArray[Any], member: NDArray[np.intp], clusters: int, resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    sums = np.bincount(member, weights=values, minlength=clusters)
    counts = np.bincount(member, minlength=clusters)
    block = max(1, _BLOCK // clusters)
    means = []
    for start in range(0, resamples, block):
        drawn = rng.integers(clusters, size=(min(block, resamples - start), clusters))
        means.append(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
    return np.concatenate(means)


def _draws(
    values: NDArray[Any],
    member: NDArray[np.intp],
    clusters: int,
    resamples: int,
    rng: np.random.Generator,
    statistic: Statistic,
) -> NDArray[np.float64]:
    order = np.argsort(member, kind="stable")
    rows = np.split(order, np.cumsum(np.bincount(member, minlength=clusters))[:-1])
    drawn = rng.integers(clusters, size=(resamples, clusters))
    return np.array([statistic(values[np.concatenate([rows[k] for k in draw])]) for draw in drawn])
