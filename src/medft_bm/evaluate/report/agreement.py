"""Bland–Altman plots: the difference between reply and truth against their mean, for every measured quantity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from medft_bm.evaluate.compare import TITLES, Who
from medft_bm.evaluate.report.axes import Axis, axis_of
from medft_bm.evaluate.report.plots import MOST_POINTS, Plot, Rule, level, series
from medft_bm.evaluate.report.words import difference, number
from medft_bm.evaluate.score import Scored
from medft_bm.metrics.agreement import bias, difference_row, lower_limit, upper_limit
from medft_bm.tasks.base import Measures

Lines: TypeAlias = tuple[float | None, float | None, float | None]
"""Bias, lower and upper limit; ``None`` where one is no number."""


@dataclass(frozen=True)
class Agreement:
    """How one model agrees with the truth on one quantity.

    See :mod:`medft_bm.metrics.agreement` for what the numbers are.

    Attributes:
        part: name in the mix.
        quantity: what is measured.
        unit: of it.
        who: who answered.
        n: replies that were read.
        subjects: patients among them.
        bias: mean of reply minus truth; ``None`` when it is no number, as after an absurd reply.
        lower: lower limit of agreement; ``None`` likewise, and with one reply.
        upper: upper limit, likewise.
        plot: of the differences.
    """

    part: str
    quantity: str
    unit: str
    who: Who
    n: int
    subjects: int
    bias: float | None
    lower: float | None
    upper: float | None
    plot: Plot

    @property
    def title(self) -> str:
        """Of who answered."""
        return TITLES[self.who]


@dataclass(frozen=True)
class _Read:
    uid: str
    subject: str
    mean: float
    difference: float


def agreements(
    parts: Mapping[int, Mapping[Who, Sequence[Scored]]], names: Sequence[str], most: int = MOST_POINTS
) -> list[Agreement]:
    """Every quantity of every part that measures, for each model that gave readable answers.

    Args:
        parts: by part, what the models answered.
        names: of the parts of the mix.
        most: points drawn in one plot.
    """
    found = []
    for part, members in parts.items():
        task = next(iter(members.values()))[0].item.task
        if not isinstance(task, Measures):
            continue
        read: dict[str, dict[Who, list[_Read]]] = {}
        for who, of in members.items():
            for one in of:
                for quantity, (said, true) in task.measured(one.item.sample, one.score).items():
                    pair = _Read(one.item.uid, one.item.sample.subject, (said + true) / 2, said - true)
                    read.setdefault(quantity, {}).setdefault(who, []).append(pair)
        for quantity, by_who in read.items():
            found += _of_quantity(names[part], quantity.replace("_", " "), task.unit, by_who, most)
    return found


def _of_quantity(
    part: str, quantity: str, unit: str, by_who: Mapping[Who, Sequence[_Read]], most: int
) -> list[Agreement]:
    """Panels on common axes, so that before and after can be compared by eye."""
    every = [one for of in by_who.values() for one in of]
    lines = {who: _lines(of) for who, of in by_who.items()}
    # The limits often lie beyond every difference, and a plot without them would show less spread than there is.
    heights = [one.difference for one in every] + [at for three in lines.values() for at in three if at is not None]
    x = axis_of(f"mean of reply and truth ({unit})", [one.mean for one in every], around_zero=True)
    y = axis_of(f"reply − truth ({unit})", heights, around_zero=True)
    return [_agreement(part, quantity, unit, who, of, lines[who], x, y, most) for who, of in by_who.items()]


def _lines(read: Sequence[_Read]) -> Lines:
    """Bias, lower and upper limit."""
    sums = np.array([difference_row(one.difference, 0.0) for one in read]).sum(axis=0)
    return _finite(bias(sums)), _finite(lower_limit(sums)), _finite(upper_limit(sums))


def _agreement(
    part: str, quantity: str, unit: str, who: Who, read: Sequence[_Read], lines: Lines, x: Axis, y: Axis, most: int
) -> Agreement:
    mean, lower, upper = lines
    said = [f"{name} {difference(value)}" for name, value in zip(("bias", "lower", "upper"), lines, strict=True)]
    rules: list[Rule] = level(0.0, y, "", "zero")
    for text, value, kind in zip(said, lines, ("bias", "limit", "limit"), strict=True):
        rules += [] if value is None else level(value, y, text, kind)
    title = f"{quantity}, {TITLES[who]}"
    drawn = series(who, TITLES[who], {one.uid: _dot(one, unit) for one in read}, x, y, most)
    summary = f"Bland–Altman plot of the {title}: {', '.join(said)} {unit}, {len(read)} replies"
    return Agreement(
        part=part,
        quantity=quantity,
        unit=unit,
        who=who,
        n=len(read),
        subjects=len({one.subject for one in read}),
        bias=mean,
        lower=lower,
        upper=upper,
        plot=Plot(part, title, summary, x, y, (drawn,), tuple(rules)),
    )


def _dot(one: _Read, unit: str) -> tuple[float, float, str]:
    return one.mean, one.difference, f"mean {number(one.mean)} {unit}, difference {difference(one.difference)} {unit}"


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
