"""What tables say of pictures: rows of a CSV or Parquet file, and cells read as splits, spacings, classes and tags."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from pydantic import Field

from medft_bm.core.errors import INSTALL, ConfigError, DataError, DependencyError, GeometryError
from medft_bm.core.geometry import Spacing
from medft_bm.core.registry import did_you_mean
from medft_bm.core.types import Split
from medft_bm.imaging.slices import safe_path

SPLIT_NAMES: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
Column = Annotated[str, Field(min_length=1)]
Columns = str | tuple[Column, Column]
"""One column with mm per pixel (a number, or y and x in one cell), or two columns: y, x."""


def optional(package: str, what: str) -> Any:
    """A package of the ``train`` extra, imported when first needed.

    Raises:
        DependencyError: it is not installed.
    """
    try:
        return import_module(package)
    except ImportError as error:
        named = package.partition(".")[0]
        raise DependencyError(
            f"{what} needs the package {named!r}: {error}", where=f"import {package}", fix=INSTALL
        ) from error


def read_rows(path: Path, columns: Mapping[str, str]) -> list[dict[str, Any]]:
    """The cells of the wanted columns, row by row; text in a CSV file, typed in a Parquet file.

    Args:
        path: a file called ``*.csv`` (UTF-8, commas) or ``*.parquet``.
        columns: option to the column it names; options that are empty want nothing.

    Raises:
        DataError: missing, unreadable or without rows.
        ConfigError: an option names a column that is not there.
        DependencyError: Parquet without pyarrow.
    """
    wanted = {option: column for option, column in columns.items() if column}
    if not path.is_file():
        raise DataError("the table does not exist", where=str(path), fix="check the root and the option")
    read = {".csv": _csv_rows, ".parquet": _parquet_rows}.get(path.suffix.lower())
    if read is None:
        raise DataError(f"{path.name} is not a table", where=str(path), fix="use a .csv or .parquet file")
    try:
        rows = read(path, wanted)
    except (OSError, ValueError, csv.Error) as error:
        fix = "save it again, as Parquet or as CSV in UTF-8"
        raise DataError(f"the table cannot be read: {error}", where=str(path), fix=fix) from error
    if not rows:
        raise DataError("the table has no rows", where=str(path), fix="write one row per picture below the header")
    return rows


def _csv_rows(path: Path, wanted: Mapping[str, str]) -> list[dict[str, Any]]:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        table = csv.DictReader(stream)
        check_columns(wanted, table.fieldnames or (), str(path))
        rows = []
        for number, row in enumerate(table, start=1):
            if None in row:  # where csv keeps the values that have no column
                fix = "quote values that hold a comma"
                raise DataError("the row has more values than the header", where=at_row(path, number), fix=fix)
            rows.append({column: row[column] for column in wanted.values()})
    return rows


def _parquet_rows(path: Path, wanted: Mapping[str, str]) -> list[dict[str, Any]]:
    parquet = optional("pyarrow.parquet", "a Parquet table")
    check_columns(wanted, parquet.read_schema(path).names, str(path))
    rows: list[dict[str, Any]] = parquet.read_table(path, columns=sorted(set(wanted.values()))).to_pylist()
    return rows


def check_columns(wanted: Mapping[str, str], header: Sequence[str], where: str) -> None:
    """Refuse options that name no column, or one of two columns of one name.

    Raises:
        ConfigError: with the nearest column.
    """
    for option, column in wanted.items():
        if column not in header:
            what = f"{option}: the table has no column {column!r}{did_you_mean(column, header)}"
            raise ConfigError(what, where=where, fix=f"correct the option {option.partition('.')[0]}")
        if header.count(column) > 1:
            what = f"{option}: the table has {header.count(column)} columns called {column!r}"
            raise ConfigError(what, where=where, fix="rename or drop one of them")


def at_row(path: Path, number: int) -> str:
    """How messages name a row; the first one below the header is row 1."""
    return f"{path}, row {number}"


def text_of(value: Any) -> str:
    """A cell as text: nothing for null and NaN, ``12`` for 12.0, which is how tables store 12 beside a null."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def filled_text(row: Mapping[str, Any], column: str, where: str) -> str:
    """A cell as text, which may not be empty.

    Raises:
        DataError: it is.
    """
    text = text_of(row[column])
    if not text:
        raise DataError(f"nothing in the column {column!r}", where=where, fix="fill it in, or drop the row")
    return text


def picture_path(root: Path, folder: str, row: Mapping[str, Any], column: str, where: str) -> str:
    """POSIX path under the root of the picture that a row names relative to ``folder``.

    Raises:
        DataError: an empty cell, or a path that leaves the root.
    """
    relative = (PurePosixPath(folder) / filled_text(row, column, where)).as_posix()
    try:
        safe_path(root, relative)
    except DataError as error:
        raise DataError(error.what, where=where, fix=error.fix) from error
    return relative


def split_of(name: str, where: str) -> Split:
    """Which of our three splits a name means.

    Raises:
        DataError: none of them.
    """
    split = SPLIT_NAMES.get(name.lower())
    if split is None:
        raise DataError(f"{name!r} is not a split", where=where, fix=f"use one of {', '.join(SPLIT_NAMES)}")
    return split


def spacing_columns(columns: Columns) -> tuple[str, ...]:
    """The one or two columns that are named, if any."""
    named = (columns,) if isinstance(columns, str) else columns
    return tuple(column for column in named if column)


def spacing_in(row: Mapping[str, Any], columns: Columns, where: str) -> Spacing:
    """Spacing from one cell with one number or ``[y, x]``, or from two cells; mm per pixel.

    Raises:
        DataError: not one or two numbers, or not positive and finite.
    """
    cells = [row[column] for column in spacing_columns(columns)]
    values = list(cells[0]) if len(cells) == 1 and isinstance(cells[0], (list, tuple)) else cells
    fix = "give mm per pixel: one number, or y and x"
    try:
        numbers = [float(value) for value in values]
    except (TypeError, ValueError) as error:
        raise DataError(f"the spacing must be in numbers, got {values}", where=where, fix=fix) from error
    if len(numbers) not in (1, 2):
        raise DataError(f"the spacing must be one or two numbers, got {values}", where=where, fix=fix)
    try:
        return Spacing(numbers[0], numbers[-1])
    except GeometryError as error:
        raise GeometryError(error.what, where=where, fix=fix) from error


def tags_in(row: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, str]:
    """Tag to the text in its column; an empty cell says nothing."""
    return {tag: text for tag, column in columns.items() if (text := text_of(row[column]))}


def classes_of(values: Iterable[Any], given: tuple[str, ...], where: str) -> tuple[str, ...]:
    """The classes: as given, or every label in the column, sorted by name.

    Raises:
        ConfigError: the labels are numbers and nobody says what they mean.
        DataError: fewer than two labels.
    """
    if given:
        return given
    found = sorted({text for value in values if (text := text_of(value))})
    if found and all(name.lstrip("-").isdigit() for name in found):
        what = f"classes: the labels are numbers: {', '.join(found[:5])}"
        raise ConfigError(what, where=where, fix="name the classes in `classes`, in the order of the numbers from 0")
    if len(found) < 2:
        what = f"{len(found)} label(s) in the column, at least 2 are needed"
        raise DataError(what, where=where, fix="check the option label_column, or list the classes")
    return tuple(found)


def class_id(value: Any, classes: Sequence[str], where: str) -> int:
    """Number of the class that a cell names, or states as a number from 0.

    Raises:
        DataError: empty, or no such class.
    """
    text = text_of(value)
    if text in classes:
        return classes.index(text)
    number = int(value) if isinstance(value, bool) else int(text) if text.isdecimal() else -1
    if 0 <= number < len(classes):
        return number
    what = f"{text!r} is not one of the classes{did_you_mean(text, classes)}" if text else "the label is empty"
    raise DataError(what, where=where, fix="correct the table, or the option classes")


def value_at(row: Mapping[str, Any], column: str, where: str) -> Any:
    """The value of a column; ``objects.bbox`` is the field of a column of objects, one list whichever way they nest.

    Raises:
        ConfigError: no such field.
    """
    if column in row:
        return row[column]
    value: Any = row
    for key in column.split("."):
        for one in value if isinstance(value, list) else [value]:
            if not isinstance(one, Mapping) or key not in one:
                known = did_you_mean(key, one) if isinstance(one, Mapping) else ""
                raise ConfigError(f"{column}: no field {key!r}{known}", where=where, fix="correct the column")
        value = [one[key] for one in value] if isinstance(value, list) else value[key]
    return value
