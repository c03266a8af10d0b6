"""Read an answer out of free text: numbers with units, boxes, class names. When in doubt there is no answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

MILLIMETRES = {"mm": 1.0, "millimetre": 1.0, "millimeter": 1.0, "cm": 10.0, "centimetre": 10.0, "centimeter": 10.0}
DEGREES = {"°": 1.0, "deg": 1.0, "degree": 1.0}

LIMIT = 1e6
"""Magnitude no measurement on a medical image reaches; past it a reply is noise, not an answer."""

Unit: TypeAlias = Literal["mm", "degree"]
_UNITS = {"mm": MILLIMETRES, "degree": DEGREES}

# A digit glued to a letter (x1, P2, T12) is a name, not a number.
_LISTED = re.compile(r"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_ALONE = re.compile(r"(?<![\w.])[-+]?(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
# A range or a chain of dots is several numbers in one: whichever were taken, it would be a guess.
_AMBIGUOUS = re.compile(r"\d\s*[-\u2012-\u2015]\s*\d|\d\.\d+\.\d")
_UNIT_WORD = re.compile(r"\s*(°|[a-zA-Z]+)")
_LIST = re.compile(r"\s*(?:,|or|and|to|by|x|×|/|,\s*(?:and|or))\s*")
_TAG = re.compile(r"<answer>(.*?)</answer>", re.DOTALL | re.IGNORECASE)


def answer_part(reply: str) -> str:
    """What stands in the last ``<answer>`` tag, or the whole reply when there is none."""
    tagged = _TAG.findall(reply)
    return tagged[-1] if tagged else reply


def read_measurements(reply: str, count: int, unit: Unit) -> list[float] | None:
    """Exactly ``count`` non-negative measurements, converted to ``unit``.

    A unit holds for every number of its list: both numbers of ``4.2 x 1.7 cm`` are centimetres. Numbers without a unit
    are taken to be in ``unit``. When there are more numbers than wanted, those that carry a unit count, if they are
    exactly as many as wanted; otherwise the reply is ambiguous.

    Returns:
        The values in order of appearance, or ``None``.
    """
    text = answer_part(reply)
    if _AMBIGUOUS.search(text):
        return None
    numbers = list((_ALONE if count == 1 else _LISTED).finditer(text))
    factors = _factors(text, numbers, _UNITS[unit])
    if len(numbers) > count:
        kept = [(number, factor) for number, factor in zip(numbers, factors, strict=True) if factor is not None]
        numbers, factors = [number for number, _ in kept], [factor for _, factor in kept]
    values = [float(n[0].replace(",", "")) * (f or 1.0) for n, f in zip(numbers, factors, strict=True)]
    return values if len(values) == count and all(0 <= value < LIMIT for value in values) else None


def _factors(text: str, numbers: Sequence[re.Match[str]], known: Mapping[str, float]) -> list[float | None]:
    """For each number the factor of its unit, ``None`` without one; a list shares the unit of its last number."""
    factors: list[float | None] = []
    for number in numbers:
        word = _UNIT_WORD.match(text, number.end())
        factors.append(known.get(word[1].lower().removesuffix("s")) if word else None)
    for i in range(len(numbers) - 2, -1, -1):
        if factors[i] is None and _LIST.fullmatch(text, numbers[i].end(), numbers[i + 1].start()):
            factors[i] = factors[i + 1]
    return factors


def read_numbers(reply: str, count: int) -> list[float] | None:
    """Exactly ``count`` plain numbers, inside the last square brackets that hold that many, or in the whole text."""
    text = answer_part(reply)
    for inside in [*reversed(re.findall(r"\[([^\[\]]*)\]", text)), text]:
        values = [float(number) for number in _LISTED.findall(inside)]
        if len(values) == count and all(abs(value) < LIMIT for value in values):
            return values
    return None


def read_class(reply: str, classes: Sequence[str]) -> int | None:
    """Index of the only class that the reply names, ignoring case, punctuation and line breaks.

    A name inside a longer one that is also there (``carcinoma`` in ``ductal carcinoma``) does not count.
    """
    text = _plain(answer_part(reply))
    named: list[int] = []
    for index in sorted(range(len(classes)), key=lambda i: -len(classes[i])):
        pattern = re.compile(rf"(?<!\w){re.escape(_plain(classes[index]))}(?!\w)")
        if pattern.search(text):
            named.append(index)
            text = pattern.sub(" ", text)
    return named[0] if len(named) == 1 else None


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", " ", text).strip().lower()
