"""Axes with ticks at round numbers, for drawings that are made here and not by a plotting library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_FAR = 4  # times the 95th percentile: where a value would press all others into a corner


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes:
        label: with the unit.
        low: value at its start.
        high: value at its end.
        ticks: round values on it.
    """

    label: str
    low: float
    high: float
    ticks: tuple[float, ...]

    def place(self, value: float) -> float:
        """Share of the axis from its start, cut at its ends."""
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)

    def holds(self, value: float) -> bool:
        """Whether the value lies between its ends, as far as an eye can tell."""
        room = 1e-6 * (self.high - self.low)
        return self.low - room <= value <= self.high + room

    @property
    def marks(self) -> list[tuple[float, str]]:
        """Place and text of every tick."""
        step = self.ticks[1] - self.ticks[0]
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        large = max(map(abs, self.ticks)) >= 1e6
        texts = [f"{tick:.1e}" if large else f"{tick:.{decimals}f}" for tick in self.ticks]
        return [(self.place(tick), text.replace("-", "−")) for tick, text in zip(self.ticks, texts, strict=True)]


def axis_of(label: str, values: Sequence[float], *, around_zero: bool = False) -> Axis:
    """An axis that holds the values, except some that lie absurdly far out.

    Args:
        label: to print beside it.
        values: to be drawn; at least one.
        around_zero: whether zero has to be on it.
    """
    array = np.asarray(values, np.float64)
    low, high = _ends(array)
    if around_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high - low <= 1e-9 * max(1.0, abs(high)):
        room = max(abs(high) / 10, 0.5)
        low, high = low - room, high + room
    step = _step(high - low)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(round(k * step, 12) for k in range(first, last + 1))
    return Axis(label, ticks[0], ticks[-1], ticks)


def share_axis(label: str) -> Axis:
    """An axis from 0 to 1."""
    return Axis(label, 0.0, 1.0, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0))


def _ends(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> tuple[float, float]:
    centre = float(np.median(values))
    reach = float(np.quantile(np.abs(values - centre), 0.95)) * _FAR
    if reach == 0:
        return float(values.min()), float(values.max())
    near = values[np.abs(values - centre) <= reach]
    return float(near.min()), float(near.max())


def _step(span: float) -> float:
    """1, 2 or 5 times a power of ten, for four to eight steps."""
    power = 10.0 ** math.floor(math.log10(span / 4))
    return max(factor * power for factor in (1, 2, 5) if span / (factor * power) >= 4 * (1 - 1e-9))
