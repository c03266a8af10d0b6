"""Numbers that need all samples at once, in a form that can be resampled: every row has a weight."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

OfDraws: TypeAlias = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From how often every cluster is drawn, ``(draws, clusters)``, to the statistic of every draw, ``(draws,)``."""


class Statistic(Protocol):
    """One number from many rows. Drawing samples again is giving their rows other weights."""

    def __call__(self, rows: NDArray[Any], weights: NDArray[Any]) -> float:
        """The number; NaN where it is not defined, as a correlation of one sample is not.

        Args:
            rows: ``(n, k)``, what every sample contributes.
            weights: ``(n,)``, how often each counts; whole numbers from 0.
        """
        ...


@runtime_checkable
class Redraws(Protocol):
    """A statistic that knows a faster way to many draws of whole clusters than one call for each."""

    def redrawn(self, rows: NDArray[Any], member: NDArray[np.intp], clusters: int) -> OfDraws:
        """The same numbers as calls with ``weights = draw[member]`` give, for many draws.

        Args:
            rows: ``(n, k)``.
            member: ``(n,)``, cluster of every row, 0..clusters-1; none is empty.
            clusters: how many there are.
        """
        ...


@dataclass(frozen=True)
class OfSums:
    """A statistic that depends on the rows only through the weighted sums of their columns, so that it is fast.

    Attributes:
        of: from sums ``(..., k)`` to numbers ``(...)``.
    """

    of: Callable[[NDArray[Any]], NDArray[Any]]

    def __call__(self, rows: NDArray[Any], weights: NDArray[Any]) -> float:
        """See :class:`Statistic`."""
        return float(self.of(weights @ rows))


def cluster_sums(rows: NDArray[Any], member: NDArray[np.intp], clusters: int) -> NDArray[np.float64]:
    """Sum of the rows of every cluster.

    Args:
        rows: ``(n, k)``.
        member: ``(n,)``, cluster of every row, 0..clusters-1.
        clusters: how many there are.

    Returns:
        ``(clusters, k)``.
    """
    return np.column_stack([np.bincount(member, column, clusters) for column in rows.T])
