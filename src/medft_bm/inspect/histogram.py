"""Histograms that can be laid over each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

BINS = 24
TAIL = 1.0
"""Per cent of the values at either end that the outermost bins also hold, so that one giant does not flatten all."""


@dataclass(frozen=True)
class Histogram:
    """Values of the training rows and of the held-out ones, each as shares of its own number.

    Attributes:
        low: lower edge of the first bin.
        high: upper edge of the last bin.
        train: share of the training values in every bin; empty without values.
        held: the same of validation and test together.
        smallest: of all values.
        median: of all values.
        largest: of all values.
    """

    low: float
    high: float
    train: tuple[float, ...]
    held: tuple[float, ...]
    smallest: float
    median: float
    largest: float

    @property
    def top(self) -> float:
        """The largest share."""
        return max((*self.train, *self.held))


def histogram(train: Sequence[float], held: Sequence[float], every: ArrayLike) -> Histogram:
    """Bins over the range of ``every``, so that several histograms share an axis.

    Args:
        train: values of the training rows.
        held: values of the other rows; at least one of both must not be empty.
        every: all values on this axis.
    """
    low, high = np.percentile(np.asarray(every, np.float64), [TAIL, 100 - TAIL])
    if high <= low:
        low, high = low - 0.5, high + 0.5
    both = [*train, *held]
    ends = (float(min(both)), float(np.median(both)), float(max(both)))
    return Histogram(float(low), float(high), _shares(train, low, high), _shares(held, low, high), *ends)


def _shares(values: Sequence[float], low: float, high: float) -> tuple[float, ...]:
    if not len(values):
        return ()
    counts, _ = np.histogram(np.clip(values, low, high), bins=BINS, range=(low, high))
    return tuple(float(count) for count in counts / len(values))
