"""Numbers that need all samples at once, in a form that can be resampled: every row has a weight."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray


class Statistic(Protocol):
    """One number from many rows. Drawing samples again is giving their rows other weights."""

    def __call__(self, rows: NDArray[Any], weights: NDArray[Any]) -> float:
        """The number; NaN where it is not defined, as a correlation of one sample is not.

        Args:
            rows: ``(n, k)``, what every sample contributes.
            weights: ``(n,)``, how often each counts; whole numbers from 0.
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
