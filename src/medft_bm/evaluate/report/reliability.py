"""Reliability diagrams: how often a class is right that a model gives a probability of so much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medft_bm.evaluate.compare import TITLES, Who
from medft_bm.evaluate.report.axes import share_axis
from medft_bm.evaluate.report.plots import Plot, Point, Rule, Series, across, upwards
from medft_bm.evaluate.report.words import number
from medft_bm.evaluate.score import Scored
from medft_bm.metrics.calibration import BINS, bin_of, calibration_row, expected_calibration_error


@dataclass(frozen=True)
class Bin:
    """Replies of about one confidence.

    Attributes:
        low: smallest confidence that belongs here.
        high: largest.
        n: replies.
        confidence: their mean probability of the likeliest class.
        accuracy: share of them whose likeliest class is the true one.
    """

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Reliability:
    """One model on one part.

    Attributes:
        part: name in the mix.
        who: who answered.
        n: replies with probabilities.
        subjects: patients among them.
        error: expected calibration error (:func:`~medft_bm.metrics.calibration.expected_calibration_error`).
        bins: those that hold replies.
        plot: the diagram.
    """

    part: str
    who: Who
    n: int
    subjects: int
    error: float
    bins: tuple[Bin, ...]
    plot: Plot

    @property
    def title(self) -> str:
        """Of who answered."""
        return TITLES[self.who]


def reliabilities(parts: Mapping[int, Mapping[Who, Sequence[Scored]]], names: Sequence[str]) -> list[Reliability]:
    """A diagram for every part and model with class probabilities."""
    found = [_reliability(names[part], who, of) for part, members in parts.items() for who, of in members.items()]
    return [one for one in found if one is not None]


def _reliability(part: str, who: Who, scored: Sequence[Scored]) -> Reliability | None:
    known = [one for one in scored if one.reply.probabilities and "class_id" in one.item.sample.truth]
    if not known:
        return None
    given = [(one.reply.probabilities or (), int(one.item.sample.truth["class_id"])) for one in known]
    confidence = np.array([max(probabilities) for probabilities, _ in given])
    right = np.array([np.argmax(probabilities) == truth for probabilities, truth in given], np.float64)
    places = np.array([bin_of(value) for value in confidence])
    bins = tuple(
        Bin(k / BINS, (k + 1) / BINS, int(chosen.sum()), float(confidence[chosen].mean()), float(right[chosen].mean()))
        for k in range(BINS)
        if (chosen := places == k).any()
    )
    sums = np.array([calibration_row(*one) for one in given]).sum(axis=0)
    error = float(expected_calibration_error(sums))
    subjects = len({one.item.sample.subject for one in known})
    return Reliability(part, who, len(known), subjects, error, bins, _plot(part, who, bins, error, len(known)))


def _plot(part: str, who: Who, bins: Sequence[Bin], error: float, n: int) -> Plot:
    x, y = share_axis("probability of the likeliest class"), share_axis("share that is right")
    points = tuple(
        Point(
            across(one.confidence),
            upwards(one.accuracy),
            f"{one.n} replies: probability {number(one.confidence)}, right {number(one.accuracy)}",
            radius=round(3 + 9 * float(np.sqrt(one.n / n)), 1),
        )
        for one in bins
    )
    summary = f"Reliability of {TITLES[who]}: expected calibration error {number(error)} over {n} replies"
    diagonal = Rule(across(0), upwards(0), across(1), upwards(1), "", "zero")
    drawn = Series(who, TITLES[who], points, len(points))
    return Plot(part, f"reliability, {TITLES[who]}", summary, x, y, (drawn,), (diagonal,), "bin")
