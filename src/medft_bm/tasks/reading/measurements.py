"""Read lengths and angles: with or without a unit, in prose, lists, labels, JSON, LaTeX."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from medft_bm.core.geometry import Size, Spacing
from medft_bm.tasks.reading.answers import agreed
from medft_bm.tasks.reading.canonical import ANGLE, LENGTHS, alone
from medft_bm.tasks.reading.numbers import ANY_NUMBER, too_many
from medft_bm.tasks.reading.quantities import Quantity, quantities, without_asides
from medft_bm.tasks.reading.refusal import Refusal
from medft_bm.tasks.reading.units import units_between

ROUNDING = 0.1
"""How far, in mm or degrees, an answer may pass its bound because it is rounded."""

_APPOSITION = re.compile(
    r"[ (\[,=≈~/]{0,4}(?:or|i\.e\.,?|that is,?|equivalent to|equal to|equals|which is|about|approximately|approx\.?| )*"
    r"[ (\[=≈~]{0,4}",
    re.IGNORECASE,
)
_BREAKS_OFF = re.compile(r"[\[({][^\[\](){}]*[\d.,]$")
_MINUTES = re.compile(r"(?:°|\bdeg(?:rees?)?) ?(?:and )?\d[\d.]* ?(?:'|′|arc|min)", re.IGNORECASE)


def diagonal_mm(size: Size, spacing: Spacing | None) -> float:
    """The longest distance within an image; without a bound where the pixel size is unknown."""
    return math.inf if spacing is None else math.hypot(size.h * spacing.y, size.w * spacing.x)


def read_lengths(reply: str, count: int, longest_mm: float) -> tuple[float, ...] | Refusal:
    """Exactly ``count`` lengths in mm, in the order in which they stand.

    A unit holds for every number of its list: both of ``4.2 x 1.7 cm`` are centimetres. Metric lengths are converted;
    a number without a unit is in mm, unless other numbers have another unit. One length in two units, or told twice, is
    one length. Where there are more numbers than wanted, those with a unit count.

    Args:
        reply: as the model wrote it.
        count: how many were asked for.
        longest_mm: no longer one is possible, see :func:`diagonal_mm`.
    """

    def possible(values: tuple[float, ...] | Refusal) -> tuple[float, ...] | Refusal:
        if isinstance(values, Refusal):
            return values
        return values if max(values) <= longest_mm + ROUNDING else Refusal.TOO_LONG

    if written := alone(reply, LENGTHS, count):
        return possible(tuple(map(float, written)))
    return agreed(reply, ANY_NUMBER, lambda part: possible(_read(part, count, "mm")))


def read_angle(reply: str, top: float) -> tuple[float] | Refusal:
    """Exactly one angle in degrees, from 0 to ``top``. Radians and minutes are refused."""

    def possible(values: tuple[float, ...] | Refusal) -> tuple[float] | Refusal:
        if isinstance(values, Refusal):
            return values
        return (values[0],) if values[0] <= top else Refusal.ANGLE

    def read(part: str) -> tuple[float] | Refusal:
        return Refusal.UNIT if _MINUTES.search(part) else possible(_read(part, 1, "degree"))

    if written := alone(reply, ANGLE, 1):
        return possible((float(written[0]),))
    return agreed(reply, ANY_NUMBER, read)


def _read(part: str, count: int, kind: str) -> tuple[float, ...] | Refusal:
    text = without_asides(part)
    if too_many(text):
        return Refusal.TOO_MANY
    everything = quantities(text)
    chosen = _chosen(text, everything, count, kind)
    if any(one.doubt for one in chosen):
        return next(one.doubt for one in chosen if one.doubt)
    if _BREAKS_OFF.search(text):
        return Refusal.UNFINISHED
    if len(chosen) < count:
        foreign = any(one.unit and one.unit.kind != kind for one in everything)
        return Refusal.UNIT if foreign else Refusal.TOO_FEW if chosen else Refusal.NO_NUMBER
    if len(chosen) > count:
        return Refusal.TOO_MANY
    if any(one.unit is None for one in chosen) and _other_scale(text, kind):
        return Refusal.UNCLEAR
    return tuple(one.value for one in chosen)


def _chosen(text: str, everything: Sequence[Quantity], count: int, kind: str) -> Sequence[Quantity]:
    """The quantities that can be the answer, each length once."""
    possible: list[Quantity] = []
    for one in everything:
        if one.unit is not None and one.unit.kind != kind:
            continue
        if possible and _converts(text, possible[-1], one):
            possible[-1] = _clearest([possible[-1], one])
        else:
            possible.append(one)
    with_unit = [one for one in possible if one.unit]
    chosen = with_unit if len(possible) > count and len(with_unit) >= count else possible
    rounds = [chosen[i : i + count] for i in range(0, len(chosen), count)]
    if all(len(told) == count and all(map(Quantity.agrees, told, rounds[0])) for told in rounds[1:]):
        return [_clearest(same) for same in zip(*rounds, strict=True)]
    return chosen


def _clearest(same: Sequence[Quantity]) -> Quantity:
    """Of one value told several times the least rounded one, and doubts before all."""
    return min(same, key=lambda one: (one.doubt is None, one.step))


def _converts(text: str, first: Quantity, second: Quantity) -> bool:
    """Whether the second only says the first in another unit."""
    if not (first.unit and second.unit and first.unit.scale != second.unit.scale and first.agrees(second)):
        return False
    return bool(_APPOSITION.fullmatch(text, first.end, second.number.start))


def _other_scale(text: str, kind: str) -> bool:
    """Whether some length is told in another unit, which a bare number may be in too."""
    units = units_between(text, 0, len(text)) if kind == "mm" else []
    return any(unit.kind == kind and unit.scale != 1.0 for unit in units) or bool(re.search(r"\d ?(?:cm|m|μm)\b", text))
