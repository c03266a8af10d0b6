"""Units as people and models write them, in several languages."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LENGTH = (
    r"(?:mms?|mil{1,2}[ií]m[eèéí]t(?:re|er|ro|ri)s?|cms?|[cz]ent[ií]m[eèé]t(?:re|er|ro|ri)s?|"
    r"[uμ]m|micromet(?:re|er)s?|microns?|m|met(?:re|er)s?)"
)
_END = r"(?![A-Za-zÀ-ɏ\d])"
_ANGLE = r"°|(?:deg|degrees?|degr[eé]s?|grados?|gradi|graus)" + _END + "|度|градус(?:а|ов)?"
_PLAIN = (
    r"(?P<mm>(?:mms?|mil{1,2}[ií]m[eèéí]t(?:re|er|ro|ri)s?)" + _END + r"|毫米|мм)"
    r"|(?P<cm>(?:cms?|[cz]ent[ií]m[eèé]t(?:re|er|ro|ri)s?)" + _END + r"|厘米|公分|см)"
    r"|(?P<um>(?:[uμ]m|micromet(?:re|er)s?|microns?)" + _END + r"|微米)"
    r"|(?P<m>(?:m|met(?:re|er)s?)" + _END + r")"
    rf"|(?P<degree>{_ANGLE})"
    r"|(?P<px>(?:px|pix|pixels?)" + _END + r"|像素)"
    r"|(?P<percent>%|percent" + _END + ")"
)
# What is measured in these is no length and no angle, or is not one that was asked for.
_OTHER = (
    r"(?P<other>" + _LENGTH + r"(?:\^?\{?[23]\}?(?!\d)|[²³])"
    r"|" + _LENGTH + r" ?(?:/|per ) ?(?=[a-z])"
    r"|(?:sq|square|cubic)\.? " + _LENGTH + _END + r"|(?:voxels?|inch(?:es)?|feet|foot|ft|dm|nm|km|ml|cc|hu|kg|ms|"
    r"rad|radians?|grad|gon|arc ?min(?:ute)?s?|arc ?sec(?:ond)?s?|minutes?|seconds?|hours?|days?|weeks?|months?|"
    r"years?|times|thousand|hundred|million|dozen|points?|slices?|dpi)" + _END + r"|″|′|π)"
)
# What every unit begins with: a look for that is far cheaper.
_BEGINS = r"(?=[^\W\d_]|[°%″′])"
UNIT = re.compile(f"{_BEGINS}(?:{_OTHER}|{_PLAIN})", re.IGNORECASE)
_ATTACHED = re.compile(rf"[ \-)\]}}\"'(\[]{{0,3}}(?:{UNIT.pattern}|(?P<inch>in(?= ?(?:[.,;)]|$))))", re.IGNORECASE)
_STATED = re.compile(rf"[^0-9\n]{{0,12}}\bunits?[\"' ]{{0,3}}[:=] ?[\"']?(?:{UNIT.pattern})", re.IGNORECASE)

_SCALES = {"mm": 1.0, "cm": 10.0, "um": 0.001, "m": 1000.0}


@dataclass(frozen=True)
class Unit:
    """A unit where it stands in a text.

    Attributes:
        kind: mm, degree, px, percent or other; every length is one in mm.
        scale: mm, degrees ... in one of it.
        start: where its name begins.
        end: where it ends.
    """

    kind: str
    scale: float
    start: int
    end: int


def unit_after(text: str, at: int) -> Unit | None:
    """The unit of a number that ends there: right behind it, in brackets, or as the next JSON key."""
    match = _ATTACHED.match(text, at) or _STATED.match(text, at)
    return _unit(match) if match else None


def unit_before(text: str, start: int, stop: int) -> Unit | None:
    """The last unit in the label of a number, which is the end of the line and sentence that lead to it."""
    start = max(start, stop - 40, text.rfind("\n", start, stop) + 1, text.rfind(". ", start, stop) + 1)
    return next(reversed(units_between(text, start, stop)), None)


def units_between(text: str, start: int, stop: int) -> list[Unit]:
    """Every unit that stands as a word of its own; no single letter does without a number."""
    found = [_unit(match) for match in _WORDS.finditer(text, start, stop)]
    return [unit for unit in found if unit.end - unit.start > 1]


_WORDS = re.compile(rf"(?<![A-Za-zÀ-ɏ])(?:{UNIT.pattern})", re.IGNORECASE)


def _unit(match: re.Match[str]) -> Unit:
    name = match.lastgroup or "other"
    kind = "mm" if name in _SCALES else "other" if name == "inch" else name
    return Unit(kind, _SCALES.get(name, 1.0), match.start(name), match.end(name))
