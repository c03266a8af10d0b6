"""Pictures and volumes with named points, listed in one JSON or CSV file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.geometry import Size, Spacing
from medft_bm.core.records import Landmarks, Record, Skip
from medft_bm.core.registry import did_you_mean
from medft_bm.core.types import ImageRef
from medft_bm.core.volume import Plane, VolumeGeometry
from medft_bm.imaging.read import is_volume, picture_size, picture_spacing, read_geometry
from medft_bm.imaging.slices import safe_path
from medft_bm.imaging.windows import Window
from medft_bm.sources.files import checked_regex, checked_tags, filled, stem, stored_in, subject_of
from medft_bm.sources.landmark_list import cell, finite_numbers, is_missing, listed, raw_points, spacing_in
from medft_bm.sources.landmark_slices import PointsInVolume, Slice, Space, Yx, stated_slice, voxel_of

Pair = tuple[str, str]
Lines = tuple[Pair, ...]
"""What is measured: one pair for a distance, two for an angle."""
Entry = Mapping[str, Any]


@dataclass(frozen=True)
class LandmarkFile:
    """One entry per picture, volume or slice of a volume: a list of JSON objects, or the rows of a CSV file.

    In a volume, a point has two numbers on the slice that its entry names, as that slice is displayed, or three numbers
    anywhere. What is measured must lie in one slice: points with three numbers are projected onto it from at most half
    a voxel away, and not measured otherwise. Pixel sizes of volumes and of DICOM pictures are read from their headers.

    Attributes:
        file: path of the list under the root.
        images: folder of the images under the root; empty is the root.
        image_field: field with the image's file name, or the folder of a DICOM series.
        points_field: field with an object of name to two or three numbers; where there is no such field, as in a CSV
            file, the points are the fields called ``<name>_x``, ``<name>_y`` and, in a volume, ``<name>_z``.
        point_order: whether the numbers are ``xy`` (in a volume i, j, k) or ``yx`` (k, j, i).
        point_origin: ``centre``: (0, 0) is the centre of the first pixel, as in OpenCV, scikit-image and most
            annotation by array index; ``corner``: it is the picture's corner, as in SVG and most drawing tools.
        point_space: what three numbers are: ``voxel`` indices, or ``ras`` or ``lps`` millimetres.
        slice_field: field with the index of the slice; empty looks for the slice that three-number points lie in.
        plane_field: field with that slice's plane, or with the number of the array axis it is perpendicular to; empty
            takes the only one of ``planes``.
        planes: which slices of a volume to use.
        pixel_size_field: field with mm per pixel, a number or ``[y, x]``; for files with a size of their own.
        pixel_size_mm: mm per pixel for all pictures, a number or ``[y, x]``; with neither, it is what a DICOM header
            says, and unknown for other pictures.
        subject_field: field with the patient.
        subject: regular expression with one group on the image's relative path, instead of a field; with neither,
            every image is its own subject.
        tag_fields: further tags to split or filter by, like ``{site: hospital}``: name to field.
        names: what questions call a point, where the file's name does not read well.
        distances: pairs of points to measure between.
        angles: two pairs each, the two lines.
        modality: tag, like ``ultrasound``.
        anatomy: tag, like ``fetal head``.
        window: intensity window; only images of more than 8 bits need one.
    """

    name: ClassVar[str] = "landmarks"
    summary: ClassVar[str] = "pictures or volumes with named points in a JSON or CSV file, for distances and angles"
    revision: ClassVar[int] = 1
    makes_its_data: ClassVar[bool] = False

    file: str
    images: str = ""
    image_field: str = "image"
    points_field: str = "points"
    point_order: Literal["xy", "yx"] = "xy"
    point_origin: Literal["centre", "corner"] = "centre"
    point_space: Space = "voxel"
    slice_field: str = ""
    plane_field: str = ""
    planes: tuple[Plane, ...] = ("axial",)
    pixel_size_field: str = ""
    pixel_size_mm: float | tuple[float, float] | None = None
    subject_field: str = ""
    subject: str = ""
    tag_fields: Mapping[str, str] = field(default_factory=dict, hash=False)
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
        if self.plane_field and not self.slice_field:
            raise ConfigError("plane_field: there is no slice_field", where=where, fix="set it, or drop plane_field")
        if not self.planes or (self.slice_field and not self.plane_field and len(set(self.planes)) > 1):
            what = f"planes: {list(self.planes)} does not say which plane the slices are in"
            raise ConfigError(what, where=where, fix="give one plane, or set plane_field")
        if not self.distances and not self.angles:
            what = "distances and angles are both empty: there is nothing to measure"
            raise ConfigError(what, where=where, fix="for example distances: [[left, right]]")
        checked_regex(self.subject, where)
        checked_tags(self.tag_fields, where, "tag_fields")

    def files(self, root: Path) -> Iterator[Path]:
        """The list and every file of every image in it."""
        yield safe_path(root, self.file)
        for image in self.units(root):
            yield from stored_in(safe_path(root, image))

    def units(self, root: Path) -> list[str]:
        """Relative paths of the images, in the order of the list.

        Raises:
            DataError: the list is missing or not a list, an entry names no image, or two entries are of one picture or
                slice.
            ConfigError: a point that no entry has.
        """
        return list(self._entries(root))

    def records_of(self, root: Path, unit: str, skip: Skip) -> Iterator[Record]:
        """One record per picture, or per slice of a volume, that shows something to measure."""
        path, where = safe_path(root, unit), f"{safe_path(root, self.file)}, entry {unit}"
        entries = self._entries(root)[unit]
        if not is_volume(path):
            yield from self._picture(path, unit, entries[0], where, skip)
            return
        if self.pixel_size_field or self.pixel_size_mm is not None:
            option = "pixel_size_field" if self.pixel_size_field else "pixel_size_mm"
            raise ConfigError(f"{option}: volumes state their own", where=where, fix=f"drop {option}")
        geometry = read_geometry(path)
        for entry in entries:
            yield from self._slices(geometry, unit, entry, where, skip)

    def _entries(self, root: Path) -> dict[str, list[Entry]]:
        path = safe_path(root, self.file)
        stamp = path.stat().st_mtime_ns if path.exists() else 0
        return _entries(self, path, stamp)

    def _read(self, path: Path) -> dict[str, list[Entry]]:
        entries: dict[str, list[Entry]] = {}
        seen = set()
        for number, entry in enumerate(listed(path)):
            image = entry.get(self.image_field)
            if not isinstance(image, str) or not image:
                known = did_you_mean(self.image_field, entry)
                what = f"entry {number} has no file name in the field {self.image_field!r}{known}"
                raise DataError(what, where=str(path), fix="set image_field")
            relative = (PurePosixPath(self.images) / image).as_posix()
            place = (relative, *(str(entry.get(name)) for name in (self.slice_field, self.plane_field)))
            if place in seen:
                fix = "keep one entry per picture or slice"
                raise DataError(f"{image} is listed twice", where=str(path), fix=fix)
            seen.add(place)
            entries.setdefault(relative, []).append(entry)
        raw = (self._raw_points(entry) for of_image in entries.values() for entry in of_image)
        self._require_names({name for points in raw for name in points}, path)
        return entries

    def _require_names(self, known: set[str], path: Path) -> None:
        asked = {name for lines in self._measures() for pair in lines for name in pair} | set(self.names)
        for name in sorted(asked - known):
            raise ConfigError(
                f"no entry has a point {name!r}{did_you_mean(name, known)}",
                where=str(path),
                fix="correct the name, or set points_field to the field that holds the points",
            )

    def _measures(self) -> list[Lines]:
        return [*((pair,) for pair in self.distances), *self.angles]

    def _picture(self, path: Path, unit: str, entry: Entry, where: str, skip: Skip) -> Iterator[Record]:
        size = picture_size(path)
        points = self._points_on(self._raw_points(entry), size, where)
        measures = [lines for lines in self._measures() if _names(lines) <= points.keys()]
        lost = len(self._measures()) - len(measures)
        if lost:
            skip(unit, f"{lost} measurement(s) with a point that is missing or outside the picture")
        if measures:
            spacing = self._spacing(path, entry, where)
            image = ImageRef(unit, window=self.window)
            yield self._record(image, size, spacing, entry, points, measures, where)

    def _slices(self, geometry: VolumeGeometry, unit: str, entry: Entry, where: str, skip: Skip) -> Iterator[Record]:
        points = self._points_in(geometry, entry, where)
        shown: dict[Slice, list[Lines]] = {}
        for lines in self._measures():
            what = f"{unit} {' to '.join('-'.join(pair) for pair in lines)}"
            if not all(name in points for name in _names(lines)):
                skip(what, "a point is missing or outside the volume")
                continue
            slices = points.slices(_names(lines), self.planes)
            if not slices:
                skip(what, "its points do not lie in one slice")
            for at in slices:
                shown.setdefault(at, []).append(lines)
        for (axis, index), measures in sorted(shown.items()):
            layout = geometry.layout(axis)
            size, spacing = geometry.slice_size(layout), geometry.slice_spacing(layout)
            used = points.on((axis, index), sorted({name for lines in measures for name in _names(lines)}))
            image = ImageRef(unit, axis, index, "display", self.window)
            yield self._record(image, size, spacing, entry, used, measures, where, geometry.plane_of(axis))

    def _record(
        self,
        image: ImageRef,
        size: Size,
        spacing: Spacing | None,
        entry: Entry,
        points: Mapping[str, Yx],
        measures: Sequence[Lines],
        where: str,
        plane: str = "",
    ) -> Record:
        said = {name: self.names.get(name, name) for name in points}
        lines = [tuple((said[a], said[b]) for a, b in measure) for measure in measures]
        tags = {"modality": self.modality, "anatomy": self.anatomy, "plane": plane}
        given = {tag: str(cell(entry, name, "tag_fields", where)) for tag, name in self.tag_fields.items()}
        return Record(
            subject=self._subject(image.path, entry, where),
            image=image,
            size=size,
            spacing=spacing,
            annotations=(
                Landmarks(
                    points={said[name]: yx for name, yx in points.items()},
                    distances=tuple(one[0] for one in lines if len(one) == 1),
                    angles=tuple((one[0], one[1]) for one in lines if len(one) == 2),
                ),
            ),
            tags=filled(tags) | given,
        )

    def _raw_points(self, entry: Entry) -> dict[str, Any]:
        return raw_points(entry, self.points_field, self.point_order)

    def _points_on(self, raw: Mapping[str, Any], size: Size, where: str) -> dict[str, Yx]:
        """Points on an image: name to (y, x), continuous pixels, corner origin; without those outside."""
        shift = 0.5 if self.point_origin == "centre" else 0.0
        points = {}
        for name, at in raw.items():
            if is_missing(at):
                continue
            x, y = finite_numbers(at, (2,), f"the point {name!r}", where)
            y, x = y + shift, x + shift
            if 0 <= y <= size.h and 0 <= x <= size.w:
                points[name] = (y, x)
        return points

    def _points_in(self, geometry: VolumeGeometry, entry: Entry, where: str) -> PointsInVolume:
        only = self._stated_slice(geometry, entry, where) if self.slice_field else None
        deep, flat = {}, {}
        for name, at in self._raw_points(entry).items():
            if is_missing(at):
                continue
            numbers = finite_numbers(at, (2, 3), f"the point {name!r}", where)
            if len(numbers) == 2:
                flat[name] = at
                continue
            x, y, z = numbers
            ijk = voxel_of(geometry, (x, y, z), self.point_space, corner=self.point_origin == "corner")
            if ijk:
                deep[name] = ijk
        if only is None and flat:
            what = f"the point {next(iter(flat))!r} has two numbers, and its slice is not known"
            raise DataError(what, where=where, fix="set slice_field, or give three numbers")
        size = geometry.slice_size(geometry.layout(only[0])) if only else Size(1, 1)
        return PointsInVolume(geometry, deep, only, self._points_on(flat, size, where))

    def _stated_slice(self, geometry: VolumeGeometry, entry: Entry, where: str) -> Slice:
        index = cell(entry, self.slice_field, "slice_field", where)
        plane = cell(entry, self.plane_field, "plane_field", where) if self.plane_field else self.planes[0]
        return stated_slice(geometry, index, plane, where)

    def _spacing(self, path: Path, entry: Entry, where: str) -> Spacing | None:
        if self.pixel_size_field:
            return spacing_in(cell(entry, self.pixel_size_field, "pixel_size_field", where), where)
        return picture_spacing(path) if self.pixel_size_mm is None else spacing_in(self.pixel_size_mm, where)

    def _subject(self, image: str, entry: Entry, where: str) -> str:
        if not self.subject_field:
            return subject_of(self.subject, image, stem(image))
        return str(cell(entry, self.subject_field, "subject_field", where))


def _names(lines: Lines) -> set[str]:
    return {name for pair in lines for name in pair}


@lru_cache(maxsize=4)
def _entries(source: LandmarkFile, path: Path, stamp_ns: int) -> dict[str, list[Entry]]:
    """Entries by relative path of the image; kept, because every image asks for the list."""
    return source._read(path)
