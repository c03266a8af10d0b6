"""Pictures with a class each: in one folder per class, or listed in a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from medft_bm.core.errors import ConfigError, DataError, GeometryError
from medft_bm.core.geometry import Spacing
from medft_bm.core.records import ClassLabel, Record, Skip
from medft_bm.core.registry import did_you_mean
from medft_bm.core.types import ImageRef
from medft_bm.imaging.read import picture_size, picture_spacing
from medft_bm.imaging.slices import safe_path
from medft_bm.imaging.windows import Window
from medft_bm.sources.files import (
    PICTURE_SUFFIXES,
    checked_regex,
    checked_tag_patterns,
    checked_tags,
    existing_root,
    filled,
    matching,
    subject_of,
    tags_of,
)
from medft_bm.sources.tables import (
    Column,
    Columns,
    at_row,
    class_id,
    classes_of,
    filled_text,
    picture_path,
    read_rows,
    spacing_columns,
    spacing_in,
    split_of,
    tags_in,
)


@dataclass(frozen=True)
class ImageFolder:
    """The class of a picture is the first folder below the root, deeper folders are free; or a table says it.

    Attributes:
        classes: classes in the order that gives their ids, and for labels that are numbers from 0 their names; empty
            takes every class folder, or every label of the table, sorted by name.
        subject: regular expression with one group, searched in the relative path; without it and ``subject_column``
            every picture is its own subject, which is only right when no patient has two.
        spacing_mm: pixel size in mm, one number or ``[y, x]``; when not given what a DICOM header says, and unknown for
            other pictures.
        tags: further tags for grouping and splitting, such as site: without a table a regular expression with one
            group, searched in the relative path; with one a column, and modality and anatomy may be among them.
        modality: tag, like ``fundus photography``.
        anatomy: tag.
        window: intensity window; only pictures of more than 8 bits need one.
        table: path under the root of a ``.csv`` or ``.parquet`` file, one row per picture; empty reads class folders.
        images: folder that the file names in the table are relative to; empty is the root.
        image_column: column with the picture's file name.
        label_column: column with the class, by name or as a number from 0.
        subject_column: column with the patient.
        split_column: column with the official split: train, validation or test, or another usual name for them.
        spacing_column: column with mm per pixel, or two columns: y, x.
    """

    name: ClassVar[str] = "image_folder"
    summary: ClassVar[str] = "pictures in one folder per class, or listed with their class in a CSV or Parquet table"
    revision: ClassVar[int] = 1
    makes_its_data: ClassVar[bool] = False

    classes: tuple[str, ...] = ()
    subject: str = ""
    spacing_mm: float | tuple[float, float] | None = None
    tags: Mapping[str, Column] = field(default_factory=dict, hash=False)
    modality: str = ""
    anatomy: str = ""
    window: Window = "as_is"
    table: str = ""
    images: str = ""
    image_column: Column = "image"
    label_column: Column = "label"
    subject_column: str = ""
    split_column: str = ""
    spacing_column: Columns = ""

    def __post_init__(self) -> None:
        where = f"source {self.name}"
        if len(set(self.classes)) < len(self.classes):
            raise ConfigError("classes: a class is listed twice", where=where, fix="list every class once")
        try:
            spacing_of(self.spacing_mm)
        except GeometryError as error:
            raise ConfigError(f"spacing_mm: {error.what}", where=where, fix="give mm per pixel") from error
        checked_regex(self.subject, where)
        for option in ("images", "subject_column", "split_column", "spacing_column"):
            if getattr(self, option) and not self.table:
                raise ConfigError(f"{option}: there is no table", where=where, fix="set table, or drop it")
        for one, other in (("subject_column", "subject"), ("spacing_column", "spacing_mm")):
            if getattr(self, one) and getattr(self, other):
                raise ConfigError(f"{one}: {other} is given too", where=where, fix="drop one of them")
        check = checked_tags if self.table else checked_tag_patterns
        check(self.tags, where)

    def files(self, root: Path) -> Iterator[Path]:
        """Every file in the class folders, or the table and every picture in it."""
        if self.table:
            yield safe_path(root, self.table)
        yield from (path for unit in self.units(root) if (path := root / unit).is_file())

    def units(self, root: Path) -> list[str]:
        """Relative paths of the files in the class folders, or of the pictures in the order of the table.

        Raises:
            DataError: folders and classes do not fit each other, or the table is unusable, lists a picture twice or
                leaves the root.
            ConfigError: an option names a column that is not there.
        """
        if self.table:
            return list(self._listed(root).rows)
        self._classes(root)
        return [path for path in matching(root, "*/**/*") if (root / path).is_file()]

    def records_of(self, root: Path, unit: str, skip: Skip) -> Iterator[Record]:
        """The record of one file, if it is a picture."""
        if self.table:
            yield self._listed_record(root, unit)
        elif unit.lower().endswith(PICTURE_SUFFIXES):
            classes, path = self._classes(root), safe_path(root, unit)
            yield Record(
                subject=subject_of(self.subject, unit, unit),
                image=ImageRef(unit, window=self.window),
                size=picture_size(path),
                spacing=spacing_of(self.spacing_mm) or picture_spacing(path),
                annotations=(ClassLabel(classes.index(unit.split("/")[0]), classes),),
                tags=filled({"modality": self.modality, "anatomy": self.anatomy}) | tags_of(self.tags, unit),
            )
        else:
            skip(unit, "not a picture")

    def _listed(self, root: Path) -> _Table:
        path = safe_path(existing_root(root), self.table)
        return _table(self, root, path.stat().st_mtime_ns if path.exists() else 0)

    def _listed_record(self, root: Path, unit: str) -> Record:
        table = self._listed(root)
        number, row = table.rows[unit]
        where, path = at_row(root / self.table, number), safe_path(root, unit)
        if not path.is_file():
            raise DataError(f"the picture {unit} does not exist", where=where, fix="check image_column and images")
        spacing = spacing_in(row, self.spacing_column, where) if self.spacing_column else spacing_of(self.spacing_mm)
        named = self.subject_column
        return Record(
            subject=filled_text(row, named, where) if named else subject_of(self.subject, unit, unit),
            image=ImageRef(unit, window=self.window),
            size=picture_size(path),
            spacing=spacing or picture_spacing(path),
            annotations=(ClassLabel(class_id(row[self.label_column], table.classes, where), table.classes),),
            tags=filled({"modality": self.modality, "anatomy": self.anatomy}) | tags_in(row, self.tags),
            split=split_of(filled_text(row, self.split_column, where), where) if self.split_column else None,
        )

    def _columns(self) -> dict[str, str]:
        named = {option: getattr(self, option) for option in ("image_column", "label_column")}
        named |= {option: getattr(self, option) for option in ("subject_column", "split_column")}
        spacing = {f"spacing_column.{column}": column for column in spacing_columns(self.spacing_column)}
        return named | spacing | {f"tags.{tag}": column for tag, column in self.tags.items()}

    def _classes(self, root: Path) -> tuple[str, ...]:
        folders = sorted(
            path.name for path in existing_root(root).iterdir() if path.is_dir() and not path.name.startswith(".")
        )
        for name in sorted(set(folders) ^ set(self.classes)) if self.classes else ():
            if name in folders:
                what = f"the folder {name!r} is not one of the classes{did_you_mean(name, self.classes)}"
            else:
                what = f"the class {name!r} has no folder{did_you_mean(name, folders)}"
            raise DataError(what, where=str(root), fix="list every class folder in `classes`, or leave it empty")
        if len(folders) < 2:
            raise DataError(
                f"{len(folders)} class folder(s), at least 2 are needed",
                where=str(root),
                fix="point the root at the folder that holds one folder per class",
            )
        return self.classes or tuple(folders)


@dataclass(frozen=True)
class _Table:
    """Number and cells of the row by relative path of the picture, and the classes."""

    rows: dict[str, tuple[int, dict[str, Any]]]
    classes: tuple[str, ...]


@lru_cache(maxsize=4)
def _table(source: ImageFolder, root: Path, stamp_ns: int) -> _Table:
    """The table as read; kept, because every picture asks for its row."""
    path = safe_path(root, source.table)
    rows: dict[str, tuple[int, dict[str, Any]]] = {}
    for number, row in enumerate(read_rows(path, source._columns()), start=1):
        where = at_row(path, number)
        unit = picture_path(root, source.images, row, source.image_column, where)
        if unit in rows:
            what = f"{unit} is listed in row {rows[unit][0]} too"
            raise DataError(what, where=where, fix="keep one row per picture")
        rows[unit] = (number, row)
    labels = (row[source.label_column] for _, row in rows.values())
    return _Table(rows, classes_of(labels, source.classes, str(path)))


def spacing_of(mm: float | tuple[float, float] | None) -> Spacing | None:
    """Spacing from one number, ``(y, x)`` or nothing.

    Raises:
        GeometryError: not positive and finite.
    """
    if mm is None:
        return None
    y, x = mm if isinstance(mm, tuple) else (mm, mm)
    return Spacing(y, x)
