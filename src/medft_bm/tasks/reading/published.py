"""Read the numbers of a reply as MedVision published it with its annotations 1.0.0."""

from __future__ import annotations

import re

import numpy as np

from medft_bm.tasks.reading.refusal import Refusal

_NUMBER = re.compile(r"-?\d+\.?\d*")


def last_numbers(reply: str, count: int) -> tuple[float, ...] | Refusal:
    """The last numbers anywhere in the reply, whatever they stand for, in single precision.

    This is the published rule with its faults: of ``x1=0.1, y1=0.2`` the digits of the names count, an exponent is a
    number of its own, and the second bound of a range is negative. Only what single precision cannot hold is refused
    here, because a score could not be averaged with it.
    """
    found = _NUMBER.findall(reply)
    if len(found) < count:
        return Refusal.TOO_FEW if found else Refusal.NO_NUMBER
    with np.errstate(over="ignore"):
        values = tuple(float(np.float32(float(number))) for number in found[-count:])
    return values if np.isfinite(values).all() else Refusal.UNCLEAR
