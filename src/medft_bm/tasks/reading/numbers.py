"""Numbers as people and models write them: decimal points and commas, thousands, exponents, signs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

# A digit glued to a letter or behind a letter and a hyphen (x1, P2, L-4) is a name, not a number. Other scripts write
# no blanks between words and numbers.
_LATIN = "A-Za-zÀ-ɏ"
RUN = re.compile(rf"(?<![{_LATIN}\d_.])(?<![{_LATIN}]-)(?:\d[\d.,]*|\.\d[\d.,]*)(?:[eE][-+]?\d{{1,9}})?")
ANY_NUMBER = re.compile(rf"(?<![{_LATIN}\d_])\.?\d")
GLUED = re.compile(rf"[{_LATIN}]")

_POINT = re.compile(r"\d+\.?\d*|\.\d+")
_DECIMAL_COMMA = re.compile(r"\d+,\d{1,2}|0+,\d+|\d+,\d{4,}")
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+\.\d*|[1-9]\d{0,2}(?:,\d{3}){2,}")
_EUROPEAN_THOUSANDS = re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+,\d+")
_POINTS_LISTED = re.compile(r"(?:\d*\.\d+,)+\d*\.\d+")
_DIGITS = re.compile(r"\d+")
_SIGN = re.compile(r"(?:(?<![\w)\]%°])-|\bminus )$", re.IGNORECASE)

MANY = 500
"""The most numbers of a text that are looked at, decimals as two: whoever writes more has lost the way."""


def too_many(text: str) -> bool:
    """Whether there are more numbers than :data:`MANY`, without looking at the rest."""
    return next(islice(_DIGITS.finditer(text), 2 * MANY, None), None) is not None


@dataclass(frozen=True)
class Number:
    """One number in a text.

    Attributes:
        value: ``None`` where it can be read in two ways.
        step: one unit in its last place, which says how far it is rounded.
        start: where it begins, its sign included.
        end: where it ends, its unit left out.
        written: its digits.
    """

    value: float | None
    step: float
    start: int
    end: int
    written: str


def numbers(text: str) -> Iterator[Number]:
    """Every run of digits, points and commas that is no name: one number, or a list such as ``42.1,17.3``."""
    for run in RUN.finditer(text):
        digits, exponent = _trimmed(run[0])
        sign = _SIGN.search(text, max(0, run.start() - 6), run.start())
        start, end = run.start(), run.start() + len(digits + exponent)
        if "," in digits and not exponent and _POINTS_LISTED.fullmatch(digits):
            pieces = re.finditer(r"[^,]+", digits)
            yield from (number(piece[0], "", start + piece.start(), start + piece.end()) for piece in pieces)
        else:
            yield number(digits, exponent, sign.start() if sign else start, end, negative=bool(sign))


def number(digits: str, exponent: str, start: int, end: int, negative: bool = False) -> Number:
    """One number from its digits, points and commas.

    A comma is a decimal comma where it cannot be one between thousands, and the other way round: ``42,5`` and
    ``1,234.5`` are numbers, ``1,234`` may be either.
    """
    text = _with_points(digits) if "," in digits else digits
    if not _POINT.fullmatch(text):
        return Number(None, 0.0, start, end, digits)
    step = 10.0 ** max(-300, min(300, int(exponent[1:] or 0) - len(text.partition(".")[2])))
    return Number(float(text + exponent) * (-1 if negative else 1), step, start, end, digits)


def _with_points(digits: str) -> str:
    if _DECIMAL_COMMA.fullmatch(digits):
        return digits.replace(",", ".")
    if _THOUSANDS.fullmatch(digits):
        return digits.replace(",", "")
    return digits.replace(".", "").replace(",", ".") if _EUROPEAN_THOUSANDS.fullmatch(digits) else digits


def _trimmed(run: str) -> tuple[str, str]:
    """Digits without the punctuation of their sentence, and the exponent."""
    mantissa, e, exponent = run.replace("E", "e").partition("e")
    return (mantissa, e + exponent) if e else (mantissa.rstrip(".,"), "")
