"""How far a measured length or angle is from the true one."""

from __future__ import annotations

import math

from medft_bm.core.errors import GeometryError


def absolute_error(predicted: float, truth: float) -> float:
    """Distance between two values, in their unit."""
    return abs(predicted - truth)


def relative_error(predicted: float, truth: float) -> float:
    """Distance between two values as a share of the true one: 0.1 is ten per cent off.

    Raises:
        GeometryError: the truth is not a positive number, so nothing can be relative to it.
    """
    if not (math.isfinite(truth) and truth > 0):
        raise GeometryError(
            f"a relative error needs a true value above 0, got {truth}",
            fix="leave samples without a positive measurement out when they are made",
        )
    return abs(predicted - truth) / truth


def within(error: float, bound: float) -> float:
    """1 when an error does not exceed a bound, else 0; the last bits of a measurement do not decide."""
    return float(error <= bound * (1 + 1e-9))
