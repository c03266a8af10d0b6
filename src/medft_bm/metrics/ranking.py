"""Statistics that need their rows in order: the median, and the area under the ROC curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medft_bm.metrics.statistic import OfDraws

_BINS = 64  # of the sorted values; more of them cost more sums, fewer leave more values to look at


@dataclass(frozen=True)
class Median:
    """The middle of the first column; halfway between the two in the middle where there are two."""

    def __call__(self, rows: NDArray[Any], weights: NDArray[Any]) -> float:
        """See :class:`~medft_bm.metrics.statistic.Statistic`."""
        order = np.argsort(rows[:, 0], kind="stable")
        reached = np.cumsum(weights[order])
        if not len(reached) or reached[-1] <= 0:
            return float("nan")
        middle = [np.searchsorted(reached, reached[-1] / 2, side=side) for side in ("left", "right")]
        return float(rows[order[middle], 0].mean())

    def redrawn(self, rows: NDArray[Any], member: NDArray[np.intp], clusters: int) -> OfDraws:
        """Medians of draws lie near each other: sums of bins tell in which, and only their values are gone through."""
        order = np.argsort(rows[:, 0], kind="stable")
        values, owner = rows[order, 0], member[order]
        edges = np.linspace(0, len(rows), _BINS + 1).astype(np.intp)
        bins = np.repeat(np.arange(_BINS), np.diff(edges))
        counts = np.bincount(owner * _BINS + bins, np.ones(len(rows)), clusters * _BINS).reshape(clusters, _BINS)

        def medians(draws: NDArray[np.float64]) -> NDArray[np.float64]:
            reached = np.cumsum(draws @ counts, axis=1)
            half = reached[:, -1:] / 2
            first, last = (reached < half).sum(axis=1).min(), (reached <= half).sum(axis=1).max()
            near = slice(edges[first], edges[last + 1])
            before = reached[:, first - 1 : first] if first else 0.0
            reached = before + np.cumsum(draws[:, owner[near]], axis=1)
            middle = np.stack([(reached < half).sum(axis=1), (reached <= half).sum(axis=1)])
            return np.asarray(values[near][middle].mean(axis=0))

        return medians


@dataclass(frozen=True)
class Auroc:
    """Area under the ROC curve: how often the class of a sample is likelier there than in a sample of another class.

    Ties count half (Hanley and McNeil 1982, "The meaning and use of the area under a receiver operating characteristic
    curve", Radiology 143(1)). For several classes it is the plain mean of each against the rest, over the classes that
    have samples on both sides (Fawcett 2006, "An introduction to ROC analysis", Pattern Recognition Letters 27(8)),
    equal to ``sklearn.metrics.roc_auc_score(multi_class="ovr", average="macro")``.

    Rows are the place of the true class and the probability of every class. With two classes both areas are the same.
    """

    def __call__(self, rows: NDArray[Any], weights: NDArray[Any]) -> float:
        """See :class:`~medft_bm.metrics.statistic.Statistic`."""
        return _mean_area(_ranked(rows), weights)

    def redrawn(self, rows: NDArray[Any], member: NDArray[np.intp], clusters: int) -> OfDraws:
        """The probabilities are ranked once."""
        ranked = _ranked(rows)
        return lambda draws: np.array([_mean_area(ranked, draw[member]) for draw in draws])


def _ranked(rows: NDArray[Any]) -> list[tuple[NDArray[np.intp], NDArray[np.bool_]]]:
    """For every class the rank of every sample's probability, equal for ties, and whether the sample belongs to it."""
    classes = range(rows.shape[1] - 1)
    return [(np.unique(rows[:, 1 + k], return_inverse=True)[1].ravel(), rows[:, 0] == k) for k in classes]


def _mean_area(ranked: list[tuple[NDArray[np.intp], NDArray[np.bool_]]], weights: NDArray[Any]) -> float:
    areas = [_area(rank, member, weights) for rank, member in ranked]
    known = [area for area in areas if not np.isnan(area)]
    return float(np.mean(known)) if known else float("nan")


def _area(rank: NDArray[np.intp], member: NDArray[np.bool_], weights: NDArray[Any]) -> float:
    inside = np.bincount(rank, weights * member)
    outside = np.bincount(rank, weights * ~member)
    pairs = inside.sum() * outside.sum()
    below = np.cumsum(outside) - outside
    return float((inside * (below + outside / 2)).sum() / pairs) if pairs > 0 else float("nan")
