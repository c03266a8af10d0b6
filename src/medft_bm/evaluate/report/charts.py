"""Lengths of the bars in the report, in per cent of the axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from medft_bm.evaluate.compare import TITLES, WHO, Row, Who
from medft_bm.evaluate.report.words import bounds, label, number


@dataclass(frozen=True)
class Bar:
    """One bar; positions in per cent of the axis.

    Attributes:
        who: whose it is.
        title: of who it is, in words.
        value: as text.
        around: interval as text, or empty.
        width: end of the bar; ``None`` when there is no value.
        low: lower end of the interval.
        high: upper end, cut at the end of the axis.
        beyond: whether the value lies past the end of the axis.
    """

    who: Who
    title: str
    value: str
    around: str
    width: float | None
    low: float | None
    high: float | None
    beyond: bool


@dataclass(frozen=True)
class Chart:
    """Bars of one part's headline metric on one axis that starts at zero."""

    part: str
    label: str
    end: str
    bars: tuple[Bar, ...]


def chart(row: Row) -> Chart:
    """The bars of one row: everyone who was evaluated, on a common axis."""
    end = _axis_end(row)
    return Chart(
        part=row.part,
        label=label(row.metric),
        end=f"{end:g}",
        bars=tuple(_bar(row, who, end) for who in WHO if who in row.results),
    )


def _bar(row: Row, who: Who, end: float) -> Bar:
    interval = row.results[who].interval
    if interval is None:
        return Bar(who, TITLES[who], number(None), "no reply could be scored", None, None, None, False)
    low, high = (None if at is None else _percent(at, end) for at in (interval.low, interval.high))
    width = _percent(interval.value, end)
    return Bar(who, TITLES[who], number(interval.value), bounds(interval), width, low, high, interval.value > end)


def _percent(value: float, end: float) -> float:
    return round(min(max(value / end, 0.0), 1.0) * 100, 2)


def _axis_end(row: Row) -> float:
    """1 for a share; else round, and such that one absurd mean does not press all others flat."""
    if not row.metric.unit and row.metric.higher_is_better:
        return 1.0
    tops = {
        who: result.interval.high or result.interval.value for who, result in row.results.items() if result.interval
    }
    most = max(tops.values(), default=1.0)
    others = sorted(tops.values())[:-1]
    if others and most > 4 * others[-1] > 0:
        most = 4 * others[-1]
    return _round_up(most)


def _round_up(value: float) -> float:
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    steps: Sequence[float] = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
    return next(step * power for step in steps if step * power >= value * (1 - 1e-9))
