"""Read one box, in the coordinates asked for or in others that cannot be mistaken for them."""

from __future__ import annotations

from medft_bm.core.geometry import Size
from medft_bm.core.types import Coordinates
from medft_bm.tasks.reading.answers import agreed
from medft_bm.tasks.reading.box_text import Four, only_box
from medft_bm.tasks.reading.canonical import BOX, alone
from medft_bm.tasks.reading.numbers import ANY_NUMBER
from medft_bm.tasks.reading.refusal import Refusal

EDGE = 0.05
"""How far beyond the image, as a share of its sides, a corner is taken to be on its edge."""

Corners = tuple[float, float, float, float]

_SCALES: dict[Coordinates, tuple[float, float]] = {"fraction": (1.0, 1.0), "thousandth": (1000.0, 1000.0)}


def read_box(reply: str, coordinates: Coordinates, seen: Size) -> Corners | Refusal:
    """The only box of a reply: x and y of one corner, x and y of the opposite one.

    Numbers that fit the coordinates asked for are in these. Others count where their unit or their size leaves one
    possibility: percent signs; pixels that are called so; decimals up to 1 where whole numbers were asked for; pixels
    past 1000 of an image that is so large. Numbers between may be pixels or thousandths, and are refused. So are keys
    and stated orders of another convention, such as y before x or width and height.

    Args:
        reply: as the model wrote it.
        coordinates: asked for.
        seen: size of the image that the model sees, which pixels count on.

    Returns:
        Fractions of the width and height of the image, from 0 to 1, in the order they were written: any two opposite
        corners, counted from the corner of the image that was asked for.
    """
    if written := alone(reply, BOX, 4):
        four = Four(tuple(map(float, written)), unit="", points=any("." in number for number in written))
        return _fractions(four, coordinates, seen)
    return agreed(reply, ANY_NUMBER, lambda part: _fractions(only_box(part), coordinates, seen))


def _fractions(four: Four | Refusal, coordinates: Coordinates, seen: Size) -> Corners | Refusal:
    if isinstance(four, Refusal):
        return four
    sides = _sides(four, coordinates, seen)
    if isinstance(sides, Refusal):
        return sides
    x1, y1, x2, y2 = four.values
    w, h = sides
    corners = _clipped(x1 / w), _clipped(y1 / h), _clipped(x2 / w), _clipped(y2 / h)
    return Refusal.NO_AREA if corners[0] == corners[2] or corners[1] == corners[3] else corners


def _clipped(fraction: float) -> float:
    return min(1.0, max(0.0, fraction))


def _sides(four: Four, coordinates: Coordinates, seen: Size) -> tuple[float, float] | Refusal:
    """Width and height of the image in the numbers of this box."""
    pixels = (float(seen.w), float(seen.h))
    if four.unit:
        stated = {"percent": (100.0, 100.0), "px": pixels}
        sides = stated.get(four.unit)
        return Refusal.UNIT if sides is None else sides if _inside(four, sides) else Refusal.OUTSIDE
    if coordinates != "fraction" and four.points and _inside(four, _SCALES["fraction"], edge=0.0):
        return _SCALES["fraction"]
    asked = _SCALES.get(coordinates, pixels)
    if _inside(four, asked):
        return asked
    if coordinates != "pixel" and max(four.values) > 1000 * (1 + EDGE) and _inside(four, pixels):
        return pixels
    fits_another = max(four.values) > 2 and any(_inside(four, sides) for sides in (*_SCALES.values(), pixels))
    return Refusal.COORDINATES if fits_another else Refusal.OUTSIDE


def _inside(four: Four, sides: tuple[float, float], edge: float = EDGE) -> bool:
    x1, y1, x2, y2 = four.values
    w, h = sides
    return (
        -edge * w <= min(x1, x2)
        and max(x1, x2) <= (1 + edge) * w
        and -edge * h <= min(y1, y2)
        and max(y1, y2) <= (1 + edge) * h
    )
