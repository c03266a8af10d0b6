"""Pictures with named points, listed in one JSON or CSV file."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal

from medft_bm.core.errors import ConfigError, DataError, GeometryError
from medft_bm.core.geometry import Size, Spacing
from medft_bm.core.records import Landmarks, Record, Skip
from medft_bm.core.registry import did_you_mean
from medft_bm.core.types import ImageRef
from medft_bm.imaging.read import picture_size
from medft_bm.imaging.slices import safe_path
from medft_bm.imaging.windows import Window
from medft_bm.sources.files import checked_regex, filled, stem, subject_of

Pair = tuple[str, str]


@dataclass(frozen=True)
class LandmarkFile:
    """One entry per picture: a list of JSON objects, or the rows of a CSV file.

    Attributes:
        file: path of the list under the root.
        images: folder of the pictures under the root; empty is the root.
        image_field: field with the picture's file name.
        points_field: field with an object of name to two numbers; where there is no such field, as in a CSV file, the
            points are the pairs of fields called ``<name>_x`` and ``<name>_y``.
        point_order: whether the two numbers are ``xy`` or ``yx``.
        point_origin: ``centre``: (0, 0) is the centre of the first pixel, as in OpenCV, scikit-image and most
            annotation by array index; ``corner``: it is the picture's corner, as in SVG and most drawing tools.
        pixel_size_field: field with mm per pixel, a number or ``[y, x]``; for files with a size of their own.
        pixel_size_mm: mm per pixel for all pictures, a number or ``[y, x]``; unknown when neither is given.
        subject_field: field with the patient.
        subject: regular expression with one group on the picture's relative path, instead of a field; with neither,
            every picture is its own subject.
        names: what questions call a point, where the file's name does not read well.
        distances: pairs of points to measure between.
        angles: two pairs each, the two lines.
        modality: tag, like ``ultrasound``.
        anatomy: tag, like ``fetal head``.
        window: intensity window; only pictures of more than 8 bits need one.
    """

    name: ClassVar[str] = "landmarks"
    summary: ClassVar[str] = "pictures with named points in a JSON or CSV file, for distances and angles"
    revision: ClassVar[int] = 1
    makes_its_data: ClassVar[bool] = False

    file: str
    images: str = ""
    image_field: str = "image"
    points_field: str = "points"
    point_order: Literal["xy", "yx"] = "xy"
    point_origin: Literal["centre", "corner"] = "centre"
    pixel_size_field: str = ""
    pixel_size_mm: float | tuple[float, float] | None = None
    subject_field: str = ""
    subject: str = ""
    names: Mapping[str, str] = field(default_factory=dict, hash=False)
    distances: tuple[Pair, ...] = ()
    angles: tuple[tuple[Pair, Pair], ...] = ()
    modality: str = ""
    anatomy: str = ""
    window: Window = "as_is"

    def __post_init__(self) -> None:
        where = f"source {self.name}"
        if self.pixel_size_field and self.pixel_size_mm is not None:
            raise ConfigError("give pixel_size_field or pixel_size_mm, not both", where=where, fix="drop one")
        if self.subject_field and self.subject:
            raise ConfigError("give subject_field or subject, not both", where=where, fix="drop one")
        if not self.distances and not self.angles:
            what = "distances and angles are both empty: there is nothing to measure"
            raise ConfigError(what, where=where, fix="for example distances: [[left, right]]")
        checked_regex(self.subject, where)

    def files(self, root: Path) -> Iterator[Path]:
        """The list and every picture in it."""
        yield safe_path(root, self.file)
        yield from (path for image in self.units(root) if (path := safe_path(root, image)).exists())

    def units(self, root: Path) -> list[str]:
        """Relative paths of the pictures, in the order of the list.

        Raises:
            DataError: the list is missing or not a list, an entry names no picture, or a picture is listed twice.
            ConfigError: a point that no entry has.
        """
        return list(self._entries(root))

    def records_of(self, root: Path, unit: str, skip: Skip) -> Iterator[Record]:
        """The record of one picture, if it has points to measure."""
        yield from self._record(root, unit, self._entries(root)[unit], skip)

    def _entries(self, root: Path) -> dict[str, dict[str, Any]]:
        path = safe_path(root, self.file)
        stamp = path.stat().st_mtime_ns if path.exists() else 0
        return _entries(self, path, stamp)

    def _read(self, path: Path) -> dict[str, dict[str, Any]]:
        entries: dict[str, dict[str, Any]] = {}
        for number, entry in enumerate(_listed(path)):
            image = entry.get(self.image_field)
            if not isinstance(image, str) or not image:
                known = did_you_mean(self.image_field, entry)
                what = f"entry {number} has no file name in the field {self.image_field!r}{known}"
                raise DataError(what, where=str(path), fix="set image_field")
            relative = (PurePosixPath(self.images) / image).as_posix()
            if relative in entries:
                raise DataError(f"{image} is listed twice", where=str(path), fix="keep one entry per picture")
            entries[relative] = entry
        self._require_names({name for entry in entries.values() for name in self._raw_points(entry)}, path)
        return entries

    def _require_names(self, known: set[str], path: Path) -> None:
        asked = {name for pair in self._pairs() for name in pair} | set(self.names)
        for name in sorted(asked - known):
            raise ConfigError(
                f"no entry has a point {name!r}{did_you_mean(name, known)}",
                where=str(path),
                fix="correct the name, or set points_field to the field that holds the points",
            )

    def _pairs(self) -> list[Pair]:
        return [*self.distances, *(pair for lines in self.angles for pair in lines)]

    def _record(self, root: Path, image: str, entry: Mapping[str, Any], skip: Skip) -> Iterator[Record]:
        where = f"{safe_path(root, self.file)}, entry {image}"
        size = picture_size(safe_path(root, image))
        points = self._points(entry, size, where)
        distances = tuple((a, b) for a, b in self.distances if {a, b} <= points.keys())
        angles = tuple((p, q) for p, q in self.angles if {*p, *q} <= points.keys())
        lost = len(self.distances) - len(distances) + len(self.angles) - len(angles)
        if lost:
            skip(image, f"{lost} measurement(s) with a point that is missing or outside the picture")
        if not distances and not angles:
            return
        said = {name: self.names.get(name, name) for name in points}
        yield Record(
            subject=self._subject(image, entry, where),
            image=ImageRef(image, window=self.window),
            size=size,
            spacing=self._spacing(entry, where),
            annotations=(
                Landmarks(
                    points={said[name]: yx for name, yx in points.items()},
                    distances=tuple((said[a], said[b]) for a, b in distances),
                    angles=tuple(((said[a], said[b]), (said[c], said[d])) for (a, b), (c, d) in angles),
                ),
            ),
            tags=filled({"modality": self.modality, "anatomy": self.anatomy}),
        )

    def _raw_points(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        held = entry.get(self.points_field)
        if isinstance(held, Mapping):
            return dict(held)
        first, second = self.point_order
        stems = [key[: -len("_x")] for key in entry if key.endswith("_x") and f"{key[:-2]}_y" in entry]
        return {name: (entry[f"{name}_{first}"], entry[f"{name}_{second}"]) for name in stems}

    def _points(self, entry: Mapping[str, Any], size: Size, where: str) -> dict[str, tuple[float, float]]:
        """Points on the picture: name to (y, x), continuous pixels, corner origin."""
        shift = 0.5 if self.point_origin == "centre" else 0.0
        points = {}
        for name, pair in self._raw_points(entry).items():
            if pair is None or (isinstance(pair, (list, tuple)) and any(value in (None, "") for value in pair)):
                continue
            first, second = _two_numbers(pair, f"the point {name!r}", where)
            y, x = (second, first) if self.point_order == "xy" else (first, second)
            y, x = y + shift, x + shift
            if 0 <= y <= size.h and 0 <= x <= size.w:
                points[name] = (y, x)
        return points

    def _spacing(self, entry: Mapping[str, Any], where: str) -> Spacing | None:
        value: Any = self.pixel_size_mm
        if self.pixel_size_field:
            if self.pixel_size_field not in entry:
                known = did_you_mean(self.pixel_size_field, entry)
                raise DataError(f"no field {self.pixel_size_field!r}{known}", where=where, fix="set pixel_size_field")
            value = entry[self.pixel_size_field]
        elif value is None:
            return None
        pair = value if isinstance(value, (list, tuple)) else (value, value)
        y, x = _two_numbers(pair, "the pixel size", where)
        try:
            return Spacing(y, x)
        except GeometryError as error:
            raise GeometryError(error.what, where=where, fix="correct the pixel size in the file") from error

    def _subject(self, image: str, entry: Mapping[str, Any], where: str) -> str:
        if not self.subject_field:
            return subject_of(self.subject, image, stem(image))
        subject = entry.get(self.subject_field)
        if subject in (None, ""):
            raise DataError(f"no subject in the field {self.subject_field!r}", where=where, fix="set subject_field")
        return str(subject)


@lru_cache(maxsize=4)
def _entries(source: LandmarkFile, path: Path, stamp_ns: int) -> dict[str, dict[str, Any]]:
    """Entries by relative path of the picture; kept, because every picture asks for the list."""
    return source._read(path)


def _listed(path: Path) -> list[dict[str, Any]]:
    """Entries of the file, in its order."""
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


def _two_numbers(pair: Any, what: str, where: str) -> tuple[float, float]:
    values: Sequence[float] = []
    if isinstance(pair, (list, tuple)):  # a text would be taken for two digits
        with suppress(TypeError, ValueError):
            values = [float(value) for value in pair]
    if len(values) != 2 or not all(map(math.isfinite, values)):
        raise DataError(f"{what} must be two finite numbers, got {pair!r}", where=where, fix="correct the file")
    return values[0], values[1]
