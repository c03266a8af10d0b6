"""Plots of a report as plain numbers in the units of an SVG: error against size, agreement, reliability."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medft_bm.evaluate.compare import Who
from medft_bm.evaluate.report.axes import Axis

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 12, 46
MOST_POINTS = 1500
"""Points drawn for one model in one plot."""


@dataclass(frozen=True)
class Point:
    """A point on the drawing, in SVG units; ``beyond`` when it really lies outside the axes."""

    x: float
    y: float
    title: str
    beyond: bool = False
    radius: float = 3.0


@dataclass(frozen=True)
class Series:
    """The points of one model.

    Attributes:
        who: whose they are.
        title: of who it is.
        points: drawn.
        of: how many there are to draw.
    """

    who: Who
    title: str
    points: tuple[Point, ...]
    of: int

    @property
    def beyond(self) -> int:
        """Points drawn at the edge because they lie outside."""
        return sum(point.beyond for point in self.points)


@dataclass(frozen=True)
class Rule:
    """A straight line across the plot, with a word at its right end."""

    x0: float
    y0: float
    x1: float
    y1: float
    text: str = ""
    kind: str = "rule"


@dataclass(frozen=True)
class Plot:
    """One drawing.

    Attributes:
        part: name in the mix.
        title: what it shows.
        summary: the same in words, for those who do not see it.
        x: horizontal axis.
        y: vertical axis.
        series: points.
        rules: lines.
        noun: what a point is.
    """

    part: str
    title: str
    summary: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    rules: tuple[Rule, ...] = ()
    noun: str = "point"

    @property
    def x_marks(self) -> list[tuple[float, str]]:
        """Where ticks of the horizontal axis are, and what they say."""
        return [(across(share), text) for share, text in self.x.marks]

    @property
    def y_marks(self) -> list[tuple[float, str]]:
        """Where ticks of the vertical axis are, and what they say."""
        return [(upwards(share), text) for share, text in self.y.marks]

    @property
    def note(self) -> str:
        """How many points are drawn, and how many of them at the edge."""
        drawn, of = sum(len(one.points) for one in self.series), sum(one.of for one in self.series)
        beyond = sum(one.beyond for one in self.series)
        what = (
            f"{drawn} of {of} {self.noun}s, chosen by hash"
            if drawn < of
            else f"{of} {self.noun}{'' if of == 1 else 's'}"
        )
        return what + (f"; {beyond} beyond the axes, drawn at the edge" if beyond else "")


def across(share: float) -> float:
    """Share of the horizontal axis as SVG x."""
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def upwards(share: float) -> float:
    """Share of the vertical axis as SVG y."""
    return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)


def series(
    who: Who, title: str, dots: Mapping[str, tuple[float, float, str]], x: Axis, y: Axis, most: int = MOST_POINTS
) -> Series:
    """The points of one model, at most ``most`` of them.

    Args:
        who: whose they are.
        title: of who it is.
        dots: uid to x, y and a text for those who point at it.
        x: horizontal axis.
        y: vertical axis.
        most: how many to draw; those with the smallest hash of their uid, so the same for every model.
    """
    uids: Sequence[str] = list(dots)
    if len(uids) > most:
        uids = sorted(uids, key=lambda uid: hashlib.sha256(uid.encode()).digest())[:most]
    return Series(who, title, tuple(_point(*dots[uid], x, y) for uid in uids), len(dots))


def _point(at_x: float, at_y: float, title: str, x: Axis, y: Axis) -> Point:
    return Point(across(x.place(at_x)), upwards(y.place(at_y)), title, beyond=not (x.holds(at_x) and y.holds(at_y)))


def level(value: float, y: Axis, text: str, kind: str = "rule") -> list[Rule]:
    """A horizontal line at a value; none when the axis does not hold it."""
    if not y.holds(value):
        return []
    at = upwards(y.place(value))
    return [Rule(across(0), at, across(1), at, text, kind)]
