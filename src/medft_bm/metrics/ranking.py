"""Statistics that need their rows in order: the median, and the area under the ROC curve.

Rows are sorted at the first draw. All later ones come with the same array and other weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass
class _Once:
    """Remembers what was made of the last array."""

    make: Callable[[NDArray[Any]], Any]
    _rows: NDArray[Any] | None = field(default=None, init=False)
    _made: Any = field(default=None, init=False)

    def __call__(self, rows: NDArray[Any]) -> Any:
        if rows is not self._rows:
            self._rows, self._made = rows, self.make(rows)
        return self._made


@dataclass(frozen=True)
class Median:
    """The middle of the first column; halfway between the two in the middle where there are two."""

    _order: _Once = field(default_factory=lambda: _Once(_sorted))

    def __call__(self, rows: NDArray[Any], weights: NDArray[Any]) -> float:
        """See :class:`~medft_bm.metrics.statistic.Statistic`."""
        order, values = self._order(rows)
        reached = np.cumsum(weights[order])
        if not len(reached) or reached[-1] <= 0:
            return float("nan")
        middle = [np.searchsorted(reached, reached[-1] / 2, side=side) for side in ("left", "right")]
        return float(values[middle].mean())


@dataclass(frozen=True)
class Auroc:
    """Area under the ROC curve: how often the class of a sample is likelier there than in a sample of another class.

    Ties count half (Hanley and McNeil 1982, "The meaning and use of the area under a receiver operating characteristic
    curve", Radiology 143(1)). For several classes it is the plain mean of each against the rest, over the classes that
    have samples on both sides (Fawcett 2006, "An introduction to ROC analysis", Pattern Recognition Letters 27(8)),
    equal to ``sklearn.metrics.roc_auc_score(multi_class="ovr", average="macro")``.

    Rows are the place of the true class and the probability of every class. With two classes both areas are the same.
    """

    _ranks: _Once = field(default_factory=lambda: _Once(_ranked))

    def __call__(self, rows: NDArray[Any], weights: NDArray[Any]) -> float:
        """See :class:`~medft_bm.metrics.statistic.Statistic`."""
        areas = [_area(rank, member, weights) for rank, member in self._ranks(rows)]
        known = [area for area in areas if not np.isnan(area)]
        return float(np.mean(known)) if known else float("nan")


def _sorted(rows: NDArray[Any]) -> tuple[NDArray[np.intp], NDArray[Any]]:
    order = np.argsort(rows[:, 0], kind="stable")
    return order, rows[order, 0]


def _ranked(rows: NDArray[Any]) -> list[tuple[NDArray[np.intp], NDArray[np.bool_]]]:
    """For every class the rank of every sample's probability, equal for ties, and whether the sample belongs to it."""
    classes = range(rows.shape[1] - 1)
    return [(np.unique(rows[:, 1 + k], return_inverse=True)[1].ravel(), rows[:, 0] == k) for k in classes]


def _area(rank: NDArray[np.intp], member: NDArray[np.bool_], weights: NDArray[Any]) -> float:
    inside = np.bincount(rank, weights * member)
    outside = np.bincount(rank, weights * ~member)
    pairs = inside.sum() * outside.sum()
    below = np.cumsum(outside) - outside
    return float((inside * (below + outside / 2)).sum() / pairs) if pairs > 0 else float("nan")
