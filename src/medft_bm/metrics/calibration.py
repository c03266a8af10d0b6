"""Whether the probabilities of the classes of a closed set can be believed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 10
"""Equally wide bins of confidence, as many as Naeini et al. 2015 use."""


def brier_score(probabilities: Sequence[float], truth: int) -> float:
    """Squared distance between the probabilities and the truth, 0 (sure and right) to 2 (sure and wrong).

    The sum over all classes, as in Brier 1950, "Verification of forecasts expressed in terms of probability", Monthly
    Weather Review 78(1). With two classes it is twice the form that looks at one of them only.

    Args:
        probabilities: of every class; they sum to 1.
        truth: place of the true class.
    """
    return sum((probability - (k == truth)) ** 2 for k, probability in enumerate(probabilities))


def bin_of(confidence: float) -> int:
    """Which of the :data:`BINS` a probability belongs to; a bin holds its upper end and not its lower one."""
    return min(max(math.ceil(confidence * BINS) - 1, 0), BINS - 1)


def calibration_row(probabilities: Sequence[float], truth: int) -> list[float]:
    """What one sample adds to the sums of :func:`expected_calibration_error`.

    Returns:
        Confidence less rightness in the bin of the likeliest class, 0 in all others, and one: ``BINS + 1`` numbers.
    """
    likeliest = max(range(len(probabilities)), key=lambda k: probabilities[k])
    row = [0.0] * BINS + [1.0]
    row[bin_of(probabilities[likeliest])] = probabilities[likeliest] - (likeliest == truth)
    return row


def expected_calibration_error(sums: NDArray[Any]) -> NDArray[Any]:
    """Mean distance between how sure of its likeliest class a model is and how often it is right, 0..1.

    Naeini, Cooper and Hauskrecht 2015, "Obtaining well calibrated probabilities using Bayesian binning", AAAI; the form
    for several classes is that of Guo et al. 2017, "On calibration of modern neural networks", ICML. It is biased
    upwards with few samples: compare it between models on the same samples, not between data sets.

    Args:
        sums: ``(..., BINS + 1)`` sums of :func:`calibration_row`.

    Returns:
        ``(...)``; NaN without a sample.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.abs(sums[..., :-1]).sum(axis=-1) / sums[..., -1])
