"""One number for many samples, with an interval that respects that samples of one patient are alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from medft_bm.core.errors import DataError
from medft_bm.metrics.statistic import OfSums, Redraws, Statistic, cluster_sums

UNDEFINED = 0.05
"""Share of draws without a value from which on there is no interval: what is left would be a selection."""

_BLOCK = 250_000  # weights in use at once: they stay in the processor's cache
_KEPT = 60_000_000  # weights that may stay in memory, 2 bytes each

Floats = NDArray[np.float64]
Bounds: TypeAlias = tuple[float, float]
"""Lowest and highest value that a sample, and so the statistic, can have."""


@dataclass(frozen=True)
class Interval:
    """A value and where it may lie.

    Attributes:
        value: of the samples themselves.
        low: lower end; ``None`` when the samples do not tell: one cluster leaves nothing to resample.
        high: upper end; ``None`` likewise.
        undefined: draws on which the statistic has no value, and which the ends leave out.
    """

    value: float
    low: float | None
    high: float | None
    undefined: int = 0


def clustered_bootstrap(
    rows: NDArray[Any],
    clusters: Sequence[str] | NDArray[Any],
    *,
    resamples: int,
    seed: int,
    statistic: Statistic | None = None,
    bounds: Bounds | None = None,
    level: float = 0.95,
) -> Interval:
    """Interval from draws of whole clusters with replacement.

    Slices and lesions of one patient are not independent: resampling them one by one makes intervals too short.
    Drawing all samples of a patient together is the pairs cluster bootstrap (Cameron, Gelbach and Miller 2008,
    "Bootstrap-based improvements for inference with clustered errors", Review of Economics and Statistics 90(3)).
    Where the ends lie depends on what is known (``docs/statistics.md`` shows how often they hold the truth):

    - ``bounds`` are known: Wilson's score interval with the sample size that gives the variance of the draws, and
      Student's quantile, which Franco, Little, Louis and Slud (2019), "Comparative study of confidence intervals for
      proportions in complex sample surveys", Journal of Survey Statistics and Methodology 7(3), recommend. Percentiles
      stop short of the truth when nearly all replies are right or wrong.
    - otherwise: percentiles of the draws, moved outwards for few clusters, the expanded percentile interval of
      Hesterberg (2015), "What teachers should know about the bootstrap", The American Statistician 69(4).

    Both count clusters by their effective number (:func:`effective_clusters`). Where nothing varies, as when all
    replies are right, draws say nothing: see :func:`nothing_varies`.

    Args:
        rows: ``(n,)`` numbers for the mean, or ``(n, k)`` as ``statistic`` takes them.
        clusters: ``(n,)``, patient of every sample.
        resamples: how many times to draw; 0 gives the value alone.
        seed: of the draws.
        statistic: number from rows and weights; ``None`` is the mean. NaN is a draw without a value; more of them than
            :data:`UNDEFINED` leave no interval.
        bounds: lowest and highest value that a sample, and so the statistic, can have; ``None`` is not known.
        level: share of truths that such intervals hold.

    Returns:
        The interval; its value is NaN where the statistic has none for the samples themselves.

    Raises:
        DataError: no values, one that is not finite, or not exactly one cluster per value.
    """
    rows = np.asarray(rows, np.float64)
    if statistic is None:
        rows, statistic = np.column_stack([rows, np.ones(len(rows))]), mean_of(0)
    estimates = [(statistic, bounds)]
    return clustered_bootstraps(rows, clusters, estimates, resamples=resamples, seed=seed, level=level)[0]


def mean_of(column: int) -> OfSums:
    """The mean of one column of rows whose last column is 1 throughout."""
    return OfSums(lambda sums: sums[..., column] / sums[..., -1])


def clustered_bootstraps(
    rows: NDArray[Any],
    clusters: Sequence[str] | NDArray[Any],
    estimates: Sequence[tuple[Statistic, Bounds | None]],
    *,
    resamples: int,
    seed: int,
    level: float = 0.95,
) -> list[Interval]:
    """:func:`clustered_bootstrap` of several statistics of the same rows, each with its bounds, from the same draws.

    Draws and sums cost more than the statistics do.
    """
    rows = np.asarray(rows, np.float64)
    if len(rows) != len(clusters) or not len(rows):
        raise DataError(f"an interval needs one subject per value, got {len(rows)} values, {len(clusters)} subjects")
    if not np.isfinite(rows).all():
        raise DataError("a value to average is not finite", fix="leave unscored replies out, or give them a value")
    ones = np.ones(len(rows))
    values = [statistic(rows, ones) for statistic, _ in estimates]
    names, member = np.unique(np.asarray(clusters), return_inverse=True)
    if len(names) < 2 or resamples < 1:
        return [Interval(value, None, None) for value in values]
    drawn = _draws(rows, member, len(names), resamples, seed, [statistic for statistic, _ in estimates])
    sizes = np.bincount(member)
    return [
        _interval(value, draws, sizes, bounds, level)
        for value, draws, (_, bounds) in zip(values, drawn, estimates, strict=True)
    ]


def _interval(value: float, draws: Floats, sizes: NDArray[np.intp], bounds: Bounds | None, level: float) -> Interval:
    if np.isnan(value):
        return Interval(value, None, None)
    defined = draws[np.isfinite(draws)]
    undefined = len(draws) - len(defined)
    if undefined > UNDEFINED * len(draws):
        return Interval(value, None, None, undefined)
    if np.ptp(defined) <= 1e-12 * max(1.0, abs(value)):
        low, high = nothing_varies(value, bounds, len(sizes), level)
    else:
        low, high = _ends(value, defined, effective_clusters(sizes), bounds, level)
    return Interval(value, low, high, undefined)


def effective_clusters(sizes: NDArray[Any]) -> float:
    """How many clusters of equal size tell as much as these, at least 2.

    G / (1 + CV²), with the coefficient of variation CV of the sizes: Carter, Schnepel and Steigerwald (2017),
    "Asymptotic behavior of a t-test robust to cluster heterogeneity", Review of Economics and Statistics 99(4).

    Args:
        sizes: samples of every cluster.
    """
    weights = np.asarray(sizes, np.float64)
    return max(2.0, float(weights.sum() ** 2 / (weights**2).sum()))


def nothing_varies(
    value: float, bounds: Bounds | None, clusters: int, level: float = 0.95
) -> tuple[float, float] | tuple[None, None]:
    """Ends of an interval around a value that all clusters agree on.

    If a share q of all patients is different, none of G shows it with probability (1 - q)^G. The ends are those of the
    largest q for which that is still (1 - level) / 2, as for a share of 0 or 1 in Clopper and Pearson (1934), "The use
    of confidence or fiducial limits illustrated in the case of the binomial", Biometrika 26(4), with clusters for
    samples. Without bounds, nobody knows how different the others could be, and there are no ends.
    """
    if bounds is None:
        return None, None
    unseen = 1 - ((1 - level) / 2) ** (1 / clusters)
    return value - unseen * (value - bounds[0]), value + unseen * (bounds[1] - value)


def _ends(value: float, draws: Floats, clusters: float, bounds: Bounds | None, level: float) -> tuple[float, float]:
    student = stdtrit(clusters - 1, (1 - level) / 2)
    wider = clusters / (clusters - 1)
    if bounds is None:
        tail = ndtr(np.sqrt(wider) * student)
        low, high = np.quantile(draws, [tail, 1 - tail])
        return float(low), float(high)
    width = bounds[1] - bounds[0]
    share = (value - bounds[0]) / width
    variance = wider * draws.var() / width**2
    # Wilson's interval is (share + c/2 ± √(c·variance + c²/4)) / (1 + c) with c = student² / size, where the size
    # is share (1 - share) / variance.
    c = student**2 * variance / (share * (1 - share))
    middle, half = share + c / 2, np.sqrt(student**2 * variance + c**2 / 4)
    low, high = (middle - half) / (1 + c), (middle + half) / (1 + c)
    return float(bounds[0] + width * low), float(bounds[0] + width * high)


def _draws(
    rows: Floats, member: NDArray[np.intp], clusters: int, resamples: int, seed: int, statistics: Sequence[Statistic]
) -> list[Floats]:
    """Every statistic of every draw, ``(resamples,)`` each."""
    sums = cluster_sums(rows, member, clusters)
    redrawn = [_redrawn(statistic, rows, member, clusters) for statistic in statistics]
    drawn = []
    with np.errstate(divide="ignore", invalid="ignore"):
        for block in _weights(clusters, resamples, seed):
            summed = block @ sums
            drawn.append([of(block, summed) for of in redrawn])
    return [np.concatenate(values) for values in zip(*drawn, strict=True)]


def _redrawn(
    statistic: Statistic, rows: Floats, member: NDArray[np.intp], clusters: int
) -> Callable[[Floats, Floats], Floats]:
    """The statistic from some draws of all clusters, ``(draws, clusters)``, and their sums, ``(draws, k)``."""
    if isinstance(statistic, OfSums):
        return lambda draws, sums: statistic.of(sums)
    if isinstance(statistic, Redraws):
        of_draws = statistic.redrawn(rows, member, clusters)
        return lambda draws, sums: of_draws(draws)
    return lambda draws, sums: np.array([statistic(rows, draw[member]) for draw in draws])


def _weights(clusters: int, resamples: int, seed: int) -> Iterator[Floats]:
    """How often every cluster is drawn, ``(draws, clusters)`` at a time, so that memory does not grow with draws."""
    made = _drawn if clusters * resamples > _KEPT else _kept
    return (block.astype(np.float64) for block in made(clusters, resamples, seed))


def _drawn(clusters: int, resamples: int, seed: int) -> Iterator[NDArray[np.uint16]]:
    rng = np.random.default_rng(seed)
    size = max(1, _BLOCK // clusters)
    for start in range(0, resamples, size):
        draws = min(size, resamples - start)
        drawn = rng.integers(clusters, size=(draws, clusters)) + clusters * np.arange(draws)[:, None]
        yield np.bincount(drawn.ravel(), minlength=draws * clusters).reshape(draws, clusters).astype(np.uint16)


@lru_cache(maxsize=1)
def _kept(clusters: int, resamples: int, seed: int) -> list[NDArray[np.uint16]]:
    """The draws of as many clusters are the same for every metric, and making them costs more than using them."""
    return list(_drawn(clusters, resamples, seed))
