"""Lists of named points in a JSON or CSV file: their entries, and what the fields of an entry say."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from medft_bm.core.errors import DataError, GeometryError
from medft_bm.core.geometry import Spacing
from medft_bm.core.registry import did_you_mean


def listed(path: Path) -> list[dict[str, Any]]:
    """Entries of the file, in its order: objects of a JSON list, or rows of a CSV table.

    Raises:
        DataError: missing, unreadable, empty, or not a list of entries.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            found = list(csv.DictReader(stream)) if path.suffix.lower() == ".csv" else json.load(stream)
    except FileNotFoundError as error:
        raise DataError("the landmark file does not exist", where=str(path), fix="check root and file") from error
    except (OSError, ValueError, csv.Error) as error:
        fix = "it must be a JSON list, or a table in CSV, in UTF-8"
        raise DataError(f"the landmark file cannot be read: {error}", where=str(path), fix=fix) from error
    if not isinstance(found, list) or not found or not all(isinstance(entry, dict) for entry in found):
        fix = "write one JSON object, or one CSV row, per picture"
        raise DataError("expected a non-empty list of entries", where=str(path), fix=fix)
    for number, entry in enumerate(found, start=1):
        if None in entry:  # where csv keeps the values that have no column
            raise DataError(f"row {number} has more values than the header", where=str(path), fix="correct the row")
    return found


def raw_points(entry: Mapping[str, Any], points_field: str, order: Literal["xy", "yx"]) -> dict[str, Any]:
    """Name to what is written of a point, in the order x, y and, where there is one, z.

    Args:
        entry: with an object of points in one field, or with fields called ``<name>_x``, ``<name>_y`` and ``<name>_z``.
        points_field: that one field.
        order: of the numbers in it.
    """
    held = entry.get(points_field)
    if isinstance(held, Mapping):
        turned = order == "yx"
        return {name: at[::-1] if turned and isinstance(at, (list, tuple)) else at for name, at in held.items()}
    names = [key[: -len("_x")] for key in entry if key.endswith("_x") and f"{key[:-2]}_y" in entry]
    return {name: [entry[f"{name}_{axis}"] for axis in "xyz" if f"{name}_{axis}" in entry] for name in names}


def is_missing(point: Any) -> bool:
    """Whether a point is listed without a place."""
    return point is None or (isinstance(point, (list, tuple)) and any(value in (None, "") for value in point))


def finite_numbers(value: Any, counts: Sequence[int], what: str, where: str) -> tuple[float, ...]:
    """Numbers of a list, which may be written as text.

    Args:
        value: as read from the file.
        counts: how many are allowed.
        what: how a message calls them.
        where: entry, for messages.

    Raises:
        DataError: not that many finite numbers.
    """
    numbers: list[float] = []
    if isinstance(value, (list, tuple)):  # a text would be taken for digits
        with suppress(TypeError, ValueError):
            numbers = [float(number) for number in value]
    if len(numbers) not in counts or not all(map(math.isfinite, numbers)):
        named = " or ".join({1: "one", 2: "two", 3: "three"}[count] for count in counts)
        noun = "number" if tuple(counts) == (1,) else "numbers"
        raise DataError(f"{what} must be {named} finite {noun}, got {value!r}", where=where, fix="correct the file")
    return tuple(numbers)


def cell(entry: Mapping[str, Any], name: str, option: str, where: str) -> Any:
    """What an entry holds in a field that must say something.

    Raises:
        DataError: no such field, or nothing in it.
    """
    if name not in entry:
        raise DataError(f"no field {name!r}{did_you_mean(name, entry)}", where=where, fix=f"set {option}")
    if entry[name] in (None, ""):
        raise DataError(f"nothing in the field {name!r}", where=where, fix=f"fill it in, or set {option}")
    return entry[name]


def spacing_in(value: Any, where: str) -> Spacing:
    """Pixel size from a number or ``[y, x]``, mm per pixel.

    Raises:
        DataError: neither, or not positive.
    """
    pair = value if isinstance(value, (list, tuple)) else (value, value)
    y, x = finite_numbers(pair, (2,), "the pixel size", where)
    try:
        return Spacing(y, x)
    except GeometryError as error:
        raise GeometryError(error.what, where=where, fix="correct the pixel size in the file") from error
