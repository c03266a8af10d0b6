"""How small a difference so many patients can show, and how many patients a wanted difference takes.

Both follow Bloom (1995), "Minimum detectable effects: a simple way to report the statistical power of experimental
designs", Evaluation Review 19(5): a difference of (t_level + t_power) standard errors is found with that power. The
standard error is that of a mean of clusters of any size (linearised, with G / (G - 1)); Student's t has one degree of
freedom less than there are effective clusters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from medft_bm.metrics.aggregate import Floats, effective_clusters

POWER = 0.8
LEVEL = 0.05


@dataclass(frozen=True)
class _Spread:
    """How much patients differ: their number, how many of them count, and the standard error of their mean."""

    patients: int
    effective: float
    error: float

    @classmethod
    def of(cls, differences: Floats, subjects: Sequence[str] | NDArray[np.str_]) -> _Spread | None:
        """From paired differences; ``None`` with one patient, or when nothing varies."""
        names, member = np.unique(np.asarray(subjects), return_inverse=True)
        if len(names) < 2:
            return None
        values = np.asarray(differences, np.float64)
        apart = np.bincount(member, values - values.mean())
        error = math.sqrt(len(names) / (len(names) - 1) * float((apart**2).sum())) / len(values)
        if error <= 1e-12 * max(1.0, float(np.abs(values).max())):
            return None
        return cls(len(names), effective_clusters(np.bincount(member)), error)

    def detectable(self, patients: int) -> float:
        """The smallest difference that so many patients show."""
        freedom = max(1.0, self.effective * patients / self.patients - 1)
        quantiles = stdtrit(freedom, 1 - LEVEL / 2) + stdtrit(freedom, POWER)
        return float(quantiles * self.error * math.sqrt(self.patients / patients))


def detectable(differences: Floats, subjects: Sequence[str] | NDArray[np.str_]) -> float | None:
    """Smallest true mean difference that these patients show with 80 % power at the two-sided 5 % level.

    Args:
        differences: ``(n,)`` paired differences of two models, in any unit.
        subjects: patient of each.

    Returns:
        In that unit; ``None`` with one patient, or when nothing varies between patients.
    """
    spread = _Spread.of(differences, subjects)
    return None if spread is None else spread.detectable(spread.patients)


def patients_needed(difference: float, differences: Floats, subjects: Sequence[str] | NDArray[np.str_]) -> int | None:
    """How many patients such as these show a true mean difference with 80 % power at the two-sided 5 % level.

    Args:
        difference: wanted, not 0, in the unit of the others.
        differences: ``(n,)`` paired differences, from a pilot.
        subjects: patient of each.

    Returns:
        At least 2; ``None`` when the pilot tells no spread, as in :func:`detectable`.
    """
    spread = _Spread.of(differences, subjects)
    if spread is None or not difference:
        return None
    low, high = 1, 2
    while spread.detectable(high) > abs(difference):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if spread.detectable(middle) <= abs(difference) else (middle, high)
    return high
