"""Whether two ways to measure agree: bias and limits of agreement.

Bland and Altman 1986, "Statistical methods for assessing agreement between two methods of clinical measurement", Lancet
327(8476). The limits treat every measurement as one of its own. With several per patient they are somewhat too narrow
(Bland and Altman 2007, "Agreement between methods of measurement with multiple observations per individual", Journal
of Biopharmaceutical Statistics 17(4)); their intervals, which resample patients, are not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LIMIT = 1.96
"""Standard deviations from the bias to a limit of agreement: 95 % of normally distributed differences lie between."""


def difference_row(predicted: float, true: float) -> tuple[float, float, float]:
    """What one pair of measurements adds to the sums below: difference, its square, and one."""
    difference = predicted - true
    return difference, difference * difference, 1.0


def bias(sums: NDArray[Any]) -> NDArray[Any]:
    """Mean difference, above 0 when too much is measured.

    Args:
        sums: ``(..., 3)`` sums of :func:`difference_row`.

    Returns:
        ``(...)``; NaN without a pair.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., 0] / sums[..., 2])


def lower_limit(sums: NDArray[Any]) -> NDArray[Any]:
    """Lower limit of agreement: bias less 1.96 standard deviations; NaN with under two pairs (see :func:`bias`)."""
    return bias(sums) - LIMIT * _deviation(sums)


def upper_limit(sums: NDArray[Any]) -> NDArray[Any]:
    """Upper limit of agreement: bias and 1.96 standard deviations; NaN with under two pairs (see :func:`bias`)."""
    return bias(sums) + LIMIT * _deviation(sums)


def _deviation(sums: NDArray[Any]) -> NDArray[Any]:
    total, squares, n = sums[..., 0], sums[..., 1], sums[..., 2]
    with np.errstate(invalid="ignore", divide="ignore"):
        # Rounding may leave a spread of nothing just below 0.
        variance = np.maximum(squares - total * total / n, 0.0) / np.where(n > 1, n - 1, np.nan)
    return np.asarray(np.sqrt(variance))
