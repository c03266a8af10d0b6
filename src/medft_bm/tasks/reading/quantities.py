"""Numbers of a text with their units, and what stands around them that makes them no plain value."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from medft_bm.tasks.reading.numbers import GLUED, Number, numbers
from medft_bm.tasks.reading.refusal import Refusal
from medft_bm.tasks.reading.units import Unit, unit_after, unit_before

_NAMES = re.compile(
    r"\b(?:steps?|fig(?:ure)?s?|slices?|landmarks?|points?|images?|cases?|patients?|series|frames?|no|number)"
    r"[.:]? ?#?$|#$|[a-zμ]\^\{?$",
    re.IGNORECASE,
)
_TOLERANCE = re.compile(r"(?:±|\+ ?/ ?-|\+-) ?[\d.,]+ ?%?")
_ENUMERATED = re.compile(r"^([1-9])[.)] (?=[^\d\s])", re.MULTILINE)
_LISTED = re.compile(
    r"[ )\]]{0,2}(?:[,;/+|]|[,;]? ?\b(?:x|by|to|or|and|und|et|y|e)\b|[-~…])?[ (\[]{0,2}(?:about |approximately )?",
    re.IGNORECASE,
)
_RANGE = re.compile(r" ?(?:-|~|…|\b(?:to|bis|à|a|up to|through)\b) ?", re.IGNORECASE)
_BETWEEN = re.compile(r"\bbetween (?:about |approximately )?$", re.IGNORECASE)
_LIMIT = re.compile(
    r"(?:(?<![-=])[<>≤≥]=?|\b(?:less|more|greater|smaller|larger|longer|shorter|fewer|higher|lower) than|"
    r"\bat (?:least|most)|\bup to|\bunder|\bover|\bbelow|\babove|\bexceed(?:s|ing)?|\bnot)"
    r"(?: about| approximately| roughly)? ?$",
    re.IGNORECASE,
)
_OR = re.compile(r"[ ,;(]{0,3}\bor (?:about |approximately )?", re.IGNORECASE)
_OPEN_ENDED = re.compile(
    r" ?(?:\+(?! ?[\d/])|or (?:more|less|larger|smaller|greater|longer|above|below)\b)", re.IGNORECASE
)
_COMPUTED_BEFORE = re.compile(
    r"(?:[√^]|π ?/|\bsqrt) ?\(?$|\b(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|point)"
    r"(?: and)?[ -]$",
    re.IGNORECASE,
)
_COMPUTED_AFTER = re.compile(r" ?(?:[\^π√½⅓⅔¼¾⅛⅜⅝⅞⁄²³]|!)")
_AROUND = 30


@dataclass(frozen=True)
class Quantity:
    """One number with what belongs to it.

    Attributes:
        number: the digits.
        unit: ``None`` where none is stated.
        end: where number and unit end.
        doubt: why it is no plain value; ``None`` where it is one.
    """

    number: Number
    unit: Unit | None
    end: int
    doubt: Refusal | None = None

    @property
    def value(self) -> float:
        """In mm, degrees ...; the number itself without a unit or where it is unclear."""
        return (self.number.value or 0.0) * self._scale

    @property
    def step(self) -> float:
        """How far the value is rounded."""
        return self.number.step * self._scale

    @property
    def _scale(self) -> float:
        return self.unit.scale if self.unit else 1.0

    def agrees(self, other: Quantity) -> bool:
        """Whether both are one value, rounded to different places."""
        return abs(self.value - other.value) <= max(self.step, other.step) * 0.501


def without_asides(text: str) -> str:
    """A plain text without tolerances (``± 2``) and without the numerals of a numbered list."""
    text = _TOLERANCE.sub(" ", text)
    enumerated = {match[1] for match in _ENUMERATED.finditer(text)}
    return _ENUMERATED.sub("", text) if {"1", "2"} <= enumerated else text


def quantities(text: str) -> list[Quantity]:
    """Every number of a plain text that is no name, with its own unit, its label's, or that of its list."""
    found: list[Quantity] = []
    for number in numbers(text):
        unit = unit_after(text, number.end)
        if (found and number.start < found[-1].end) or (unit is None and _is_name(text, number)):
            continue
        end = unit.end if unit else number.end
        label = None if unit else unit_before(text, found[-1].end if found else 0, number.start)
        found.append(Quantity(number, unit or label, end, _doubt(text, number, end)))
    for i in range(len(found) - 1, 0, -1):
        found[i - 1] = _beside(text, found[i - 1], found[i])
    return found


def _is_name(text: str, number: Number) -> bool:
    """``3rd``, ``2D``, ``slice 12``, the 2 of ``mm^2``."""
    return bool(GLUED.match(text, number.end) or _NAMES.search(text, max(0, number.start - _AROUND), number.start))


def _doubt(text: str, number: Number, end: int) -> Refusal | None:
    before = max(0, number.start - _AROUND)
    if number.value is None or _COMPUTED_AFTER.match(text, number.end):
        return Refusal.UNCLEAR
    if _COMPUTED_BEFORE.search(text, before, number.start):
        return Refusal.UNCLEAR
    if _LIMIT.search(text, before, number.start) or _OPEN_ENDED.match(text, end):
        return Refusal.RANGE
    return Refusal.NEGATIVE if number.value < 0 else None


def _beside(text: str, first: Quantity, second: Quantity) -> Quantity:
    """The first of two neighbours, with the unit and the doubts of a list or a range that it shares with the second."""
    shares = first.unit is None and _LISTED.fullmatch(text, first.end, second.number.start)
    unit = second.unit if shares else first.unit
    between = _BETWEEN.search(text, max(0, first.number.start - _AROUND), first.number.start)
    if between or _RANGE.fullmatch(text, first.end, second.number.start):
        return replace(first, unit=first.unit or second.unit, doubt=Refusal.RANGE)
    if first.unit and not second.unit and _OR.fullmatch(text, first.end, second.number.start):
        return replace(first, doubt=Refusal.CONTRADICTS)
    if _split(text, first, second):
        return replace(first, unit=first.unit or second.unit, doubt=Refusal.UNCLEAR)
    return replace(first, unit=unit)


def _split(text: str, first: Quantity, second: Quantity) -> bool:
    """Whether two runs of digits may be one number, with its thousands or its decimals set apart."""
    between, digits = text[first.end : second.number.start], first.number.written
    thousands = between in (" ", "'") and len(digits) <= 3 and len(second.number.written.split(".")[0]) == 3
    return digits.isdigit() and (thousands or between == " . ")
