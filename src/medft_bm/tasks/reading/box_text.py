"""Where in a text boxes are: labelled corners, lists of four, pairs of corners, four numbers alone."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from medft_bm.tasks.reading.numbers import GLUED, RUN, Number, number, numbers, too_many
from medft_bm.tasks.reading.refusal import Refusal
from medft_bm.tasks.reading.units import unit_after

_GROUP = re.compile(r"[\[({]([^\[\](){}]*)[\])}]")
_BEGUN = re.compile(r"[\[({]([^\[\](){}]*)$")
_KEY = re.compile(
    r"(?<![A-Za-z])(?:(?P<axis>[xy])[ _-]?(?P<end>[012]|min|max)|(?P<side>left|top|right|bottom))"
    r"[\"' ]{0,3}(?:[:=]|\bis\b) ?[\"']?",
    re.IGNORECASE,
)
_BETWEEN_COMMAS = re.compile(r"[^,]+")
_SIDES = {"left": "x1", "top": "y1", "right": "x2", "bottom": "y2"}
# Keys and stated orders of other conventions: y before x, or a corner or centre with a width and a height.
_FOREIGN = re.compile(
    r"(?<![A-Za-z])box_2d\b|\bx[\"' ]{0,2}, ?[\"']?y[\"' ]{0,2}, ?[\"']?w|"
    r"\by_?(?P<low>min|0|1)[\"' ]{0,2}, ?[\"']?x_?(?P=low)|"
    r"\b(?:xywh|yxyx|cxcywh)\b|\b(?:[cx]_?(?:center|centre)|center_x|centre_x|cx|w|width)[\"' ]{0,3}[:=]",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Written:
    """One number with the kind of its unit, empty when it has none."""

    number: Number
    unit: str


@dataclass(frozen=True)
class Four:
    """The four numbers of a box as they are written: x and y of one corner, x and y of the opposite one.

    Attributes:
        values: in the order x, y, x, y.
        unit: kind of unit of all four, empty when they have none.
        points: whether any is written with a decimal point.
    """

    values: tuple[float, ...]
    unit: str
    points: bool


def only_box(text: str) -> Four | Refusal:
    """The only box of a plain text, however often it is told."""
    if too_many(text):
        return Refusal.TOO_MANY
    for ways in (_labelled, _lists, _corners, _alone):
        found = ways(text)
        if isinstance(found, Refusal):
            return found
        if found:
            break
    else:
        return _nothing(text)
    if ways is not _labelled and _FOREIGN.search(text):
        return Refusal.COORDINATES
    begun = _BEGUN.search(text)
    if begun and RUN.search(begun[1]):
        return Refusal.UNFINISHED
    return found[0] if len(set(found)) == 1 else Refusal.SEVERAL_BOXES


def _nothing(text: str) -> Refusal:
    begun = _BEGUN.search(text)
    if begun and RUN.search(begun[1]):
        return Refusal.UNFINISHED
    if _FOREIGN.search(text):
        return Refusal.COORDINATES
    count = sum(1 for _ in numbers(text))
    return Refusal.TOO_MANY if count > 4 else Refusal.TOO_FEW if count else Refusal.NO_NUMBER


def _labelled(text: str) -> Sequence[Four] | Refusal:
    """Boxes whose numbers are named, in any order of the names."""
    found: dict[str, list[Written]] = defaultdict(list)
    for key in _KEY.finditer(text):
        for value in _written(text[key.end() : key.end() + 40], _whole)[:1]:
            if value.number.start > 0:
                continue
            name = _SIDES.get((key["side"] or "").lower()) or f"{key['axis']}{key['end']}".lower()
            found[name.replace("min", "1").replace("max", "2")].append(value)
    if "x0" in found and "x2" not in found:
        found = defaultdict(list, {name.replace("1", "2").replace("0", "1"): of for name, of in found.items()})
    columns = [found[name] for name in ("x1", "y1", "x2", "y2")]
    if not all(columns):
        return []
    if len({len(column) for column in columns}) > 1:
        return Refusal.SEVERAL_BOXES
    return _made(zip(*columns, strict=True))


def _lists(text: str) -> Sequence[Four] | Refusal:
    """Innermost brackets that hold four numbers; a unit behind them is that of all."""
    groups = ((_held(group[1]), unit_after(text, group.end())) for group in _GROUP.finditer(text))
    fours = ((held, unit) for held, unit in groups if len(held) == 4)
    return _made([replace(one, unit=one.unit or unit.kind) for one in held] if unit else held for held, unit in fours)


def _corners(text: str) -> Sequence[Four] | Refusal:
    """Innermost brackets that hold two numbers each, by twos."""
    pairs = [held for held in map(_held, _GROUP.findall(text)) if len(held) == 2]
    if len(pairs) % 2:
        return Refusal.SEVERAL_BOXES if len(pairs) > 2 else []
    return _made([*first, *second] for first, second in zip(pairs[::2], pairs[1::2], strict=True))


def _alone(text: str) -> Sequence[Four] | Refusal:
    """Four numbers and no others."""
    held = _held(text)
    return _made([held]) if len(held) == 4 else []


def _held(text: str) -> Sequence[Written]:
    """The numbers of a text, with commas between digits as separators or as decimal commas, whichever gives four."""
    separated = _written(text)
    if len(separated) <= 4:
        return separated
    decimal = _written(text, _whole)
    return decimal if len(decimal) in (2, 4) else separated


def _whole(run: re.Match[str]) -> Sequence[tuple[int, str]]:
    return [(run.start(), run[0])]


def _at_commas(run: re.Match[str]) -> Sequence[tuple[int, str]]:
    return [(run.start() + piece.start(), piece[0]) for piece in _BETWEEN_COMMAS.finditer(run[0])]


def _written(text: str, pieces: Callable[[re.Match[str]], Sequence[tuple[int, str]]] = _at_commas) -> list[Written]:
    found = []
    for run in RUN.finditer(text):
        for start, piece in pieces(run):
            mantissa, _, exponent = piece.replace("E", "e").partition("e")
            digits = mantissa if exponent else mantissa.rstrip(".,")
            end = start + (len(piece) if exponent else len(digits))
            unit = unit_after(text, end)
            if digits and (unit or not GLUED.match(text, end)):
                negative = text[max(0, start - 1) : start] == "-"
                one = number(digits, f"e{exponent}" if exponent else "", start - negative, end, negative)
                found.append(Written(one, unit.kind if unit else ""))
    return found


def _made(boxes: Iterable[Sequence[Written]]) -> Sequence[Four] | Refusal:
    made: list[Four] = []
    for box in boxes:
        values = tuple(one.number.value for one in box if one.number.value is not None)
        *others, unit = (one.unit for one in box)
        if len(values) < 4 or set(others) not in ({unit}, {""}):
            return Refusal.UNCLEAR
        made.append(Four(values, unit, any("." in one.number.written for one in box)))
    return made
