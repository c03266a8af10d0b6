"""Any dataset of the package ``datasets``: pictures with a class or with boxes, on a disk or on the Hub."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal

from medft_bm.core.errors import ConfigError, DataError, GeometryError
from medft_bm.core.geometry import Box, Size
from medft_bm.core.records import Annotation, BoxLabel, ClassLabel, Record, Skip
from medft_bm.core.types import ImageRef, Split
from medft_bm.imaging.read import picture_size
from medft_bm.imaging.slices import safe_path
from medft_bm.imaging.windows import Window
from medft_bm.sources.files import checked_tags, existing_root, filled
from medft_bm.sources.hf_copy import Wanted, copied
from medft_bm.sources.image_folder import spacing_of
from medft_bm.sources.tables import (
    Column,
    Columns,
    check_columns,
    class_id,
    classes_of,
    filled_text,
    spacing_columns,
    spacing_in,
    split_of,
    tags_in,
    text_of,
    value_at,
)


@dataclass(frozen=True)
class HfDataset:
    """One row is one picture. No code of a dataset is ever run, and nothing is unpickled.

    Everything after this source refers to pictures as files below a root, and many datasets hold theirs inside Arrow or
    Parquet. So the first use copies them, byte for byte, into a folder ``hf_dataset-<digest of the options>`` below the
    root, under a lock and visible only when complete; pictures are named by their content, never after a patient. A
    picture that is a file below the root already is used where it lies. A dataset on a disk that changes is copied
    anew; one from the Hub is fetched once, and again when the folder is deleted. To write nothing beside raw data, name
    a fresh root and link the dataset into it.

    Attributes:
        path: folder or file below the root: what ``save_to_disk`` wrote, Parquet, Arrow, JSON, CSV, or an image folder.
        repo_id: dataset on the Hub instead of ``path``; the root need not exist.
        repo_revision: its branch, tag or commit; only a commit can be fetched again unchanged.
        config_name: its configuration, where it has several.
        splits: those to read; empty is all.
        official_split: ``keep`` takes train, validation and test as they are (and the usual other names for them);
            ``ignore`` leaves the split to ``data.split``, as for a dataset with one split.
        image_column: column of pictures, or of their paths relative to the root.
        label_column: column of the class, or of the classes of the boxes: names, numbers with ``classes``, or a
            ``ClassLabel``. Empty with boxes of one class, which ``classes`` then names.
        classes: names of the classes in the order of their numbers; replaces those of a ``ClassLabel``.
        box_column: column with a list of boxes of four numbers in pixels, measured from the corner of the picture: box
            (0, 0, 1, 1) is the first pixel. A dot enters objects, as in ``objects.bbox``.
        box_format: ``xyxy`` are two corners, ``xywh`` is the upper left one, width and height.
        subject_column: column of the patient; without one every picture is its own subject.
        spacing_column: column with mm per pixel (a number or ``[y, x]``), or two columns: y, x.
        spacing_mm: mm per pixel of all pictures, one number or ``[y, x]``.
        tags: further tags, each from a column; modality and anatomy may be among them.
        modality: tag.
        anatomy: tag.
        window: intensity window; only pictures of more than 8 bits need one.
    """

    name: ClassVar[str] = "hf_dataset"
    summary: ClassVar[str] = "any `datasets` dataset with classes or boxes, on a disk or on the Hub"
    revision: ClassVar[int] = 1
    makes_its_data: ClassVar[bool] = True

    path: str = ""
    repo_id: str = ""
    repo_revision: str = ""
    config_name: str = ""
    splits: tuple[str, ...] = ()
    official_split: Literal["keep", "ignore"] = "keep"
    image_column: Column = "image"
    label_column: str = "label"
    classes: tuple[str, ...] = ()
    box_column: str = ""
    box_format: Literal["xyxy", "xywh"] = "xyxy"
    subject_column: str = ""
    spacing_column: Columns = ""
    spacing_mm: float | tuple[float, float] | None = None
    tags: Mapping[str, Column] = field(default_factory=dict, hash=False)
    modality: str = ""
    anatomy: str = ""
    window: Window = "as_is"

    def __post_init__(self) -> None:
        where = f"source {self.name}"
        if bool(self.path) == bool(self.repo_id):
            raise ConfigError("give path or repo_id, one of them", where=where, fix="for example path: my_dataset")
        if self.repo_revision and not self.repo_id:
            raise ConfigError("repo_revision: there is no repo_id", where=where, fix="drop it")
        if self.spacing_column and self.spacing_mm is not None:
            raise ConfigError("spacing_column: spacing_mm is given too", where=where, fix="drop one of them")
        if len(set(self.classes)) < len(self.classes):
            raise ConfigError("classes: a class is listed twice", where=where, fix="list every class once")
        if not self.label_column and not (self.box_column and len(self.classes) == 1):
            fix = "name the column; only boxes of one class, given in classes, do without"
            raise ConfigError("label_column: it is empty", where=where, fix=fix)
        checked_tags(self.tags, where)
        try:
            spacing_of(self.spacing_mm)
        except GeometryError as error:
            raise ConfigError(f"spacing_mm: {error.what}", where=where, fix="give mm per pixel") from error

    def files(self, root: Path) -> Iterator[Path]:
        """What was copied, and the pictures that are used where they lie; the copy is made first unless it is there."""
        made = self._copied(root)
        yield made / "dataset.json"
        yield made / "rows.jsonl"
        yield from (root / json.loads(line)["image"] for line in _lines(made))

    def units(self, root: Path) -> Sequence[str]:
        """``<folder of the copy>/<row>`` in the order of the dataset; the copy is made first unless it is there.

        Raises:
            DataError: the dataset cannot be read, a row has no usable picture, or a split is called in an unknown way.
            ConfigError: an option names a column that is not there.
        """
        made = self._copied(root)
        self._split_names(made)
        self._check_columns(made)
        return [f"{made.name}/{number}" for number in range(len(_lines(made)))]

    def records_of(self, root: Path, unit: str, skip: Skip) -> Iterator[Record]:
        """The record of one row."""
        folder, _, number = unit.rpartition("/")
        made = root / folder
        line = json.loads(_lines(made)[int(number)])
        where = f"{self.path or self.repo_id}, {line['split']}, row {line['row']}"
        row = self._values(line["values"], where)
        size = picture_size(safe_path(root, line["image"]))
        if self.box_column:
            annotations: tuple[Annotation, ...] = tuple(self._boxes(made, row, size, where))
        else:
            classes = self._classes(made)
            annotations = (ClassLabel(class_id(row[self.label_column], classes, where), classes),)
        if not annotations:
            skip(where, "no boxes")
            return
        yield Record(
            subject=filled_text(row, self.subject_column, where) if self.subject_column else line["image"],
            image=ImageRef(line["image"], window=self.window),
            size=size,
            spacing=spacing_in(row, self.spacing_column, where) if self.spacing_column else spacing_of(self.spacing_mm),
            annotations=annotations,
            tags=filled({"modality": self.modality, "anatomy": self.anatomy}) | tags_in(row, self.tags),
            split=self._split_names(made).get(line["split"]),
        )

    def _copied(self, root: Path) -> Path:
        if self.path:
            existing_root(root)
        wanted = Wanted(
            path=self.path,
            repo_id=self.repo_id,
            revision=self.repo_revision,
            config_name=self.config_name,
            splits=self.splits,
            image_column=self.image_column,
        )
        return root / copied(root, wanted)

    def _columns(self) -> dict[str, str]:
        """Columns that are read, by option."""
        named = {option: getattr(self, option) for option in ("label_column", "box_column", "subject_column")}
        named |= {f"spacing_column.{column}": column for column in spacing_columns(self.spacing_column)}
        named |= {f"tags.{tag}": column for tag, column in self.tags.items()}
        return {option: column for option, column in named.items() if column}

    def _check_columns(self, made: Path) -> None:
        """Refuse options that name no column of the first row, before any other row is read."""
        for line in _lines(made)[:1]:
            row, title = json.loads(line)["values"], self.path or self.repo_id
            columns = self._columns()
            top = {option: name if name in row else name.partition(".")[0] for option, name in columns.items()}
            check_columns(top, list(row), title)
            self._values(row, title)

    def _values(self, row: Mapping[str, Any], where: str) -> dict[str, Any]:
        return {column: value_at(row, column, where) for column in self._columns().values()}

    def _split_names(self, made: Path) -> dict[str, Split]:
        """Official split by the dataset's own name for it; nothing where there is none to keep."""
        names = _facts(made)["splits"]
        if self.official_split == "ignore" or len(names) < 2:
            return {}
        try:
            return {name: split_of(name, self.path or self.repo_id) for name in names}
        except DataError as error:
            fix = "list the splits to read in `splits`, or set official_split: ignore"
            raise DataError(error.what, where=error.where, fix=fix) from error

    def _classes(self, made: Path) -> tuple[str, ...]:
        where, own = self.path or self.repo_id, _facts(made)["names"].get(self.label_column)
        if own and self.classes and len(own) != len(self.classes):
            what = f"classes: {len(self.classes)} are named, the dataset has {len(own)}: {', '.join(own)}"
            raise ConfigError(what, where=where, fix="name every class, in the order of the numbers")
        return self.classes or tuple(own or ()) or _found_classes(made, self.label_column, where)

    def _boxes(self, made: Path, row: Mapping[str, Any], size: Size, where: str) -> Iterator[BoxLabel]:
        boxes = row[self.box_column] or []
        labels = row[self.label_column] if self.label_column else 0
        labels = labels if isinstance(labels, list) else [labels] * len(boxes)
        if len(labels) != len(boxes):
            what = f"{len(boxes)} boxes and {len(labels)} labels"
            raise DataError(what, where=where, fix="give one label per box, or one for all")
        classes = self._classes(made) if boxes else ()
        for cell, label in zip(boxes, labels, strict=True):
            yield BoxLabel(classes[class_id(label, classes, where)], self._box(cell, size, where))

    def _box(self, cell: Any, size: Size, where: str) -> Box:
        try:
            x0, y0, x1, y1 = map(float, cell)
            if self.box_format == "xywh":
                x1, y1 = x0 + x1, y0 + y1
            box = Box(y0=y0, x0=x0, y1=y1, x1=x1)
        except (TypeError, ValueError, GeometryError) as error:
            what = f"{cell} is not a box of four numbers in the form {self.box_format}"
            raise DataError(what, where=where, fix="check box_format, or correct the box") from error
        if min(box.y0, box.x0) < 0 or box.y1 > size.h or box.x1 > size.w:
            what = f"the box {cell} does not lie in the picture of {size.h} x {size.w} pixels"
            raise DataError(what, where=where, fix="check box_format, or leave such pictures out: data.on_error=skip")
        return box


def _lines(made: Path) -> list[str]:
    return _read_lines(made, (made / "rows.jsonl").stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _read_lines(made: Path, stamp_ns: int) -> list[str]:
    """Lines of the copy, parsed by whoever needs one; kept, because every row asks for its own."""
    return (made / "rows.jsonl").read_text(encoding="utf-8").splitlines()


def _facts(made: Path) -> dict[str, Any]:
    return _read_facts(made, (made / "dataset.json").stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _read_facts(made: Path, stamp_ns: int) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((made / "dataset.json").read_text(encoding="utf-8"))
    return facts


def _found_classes(made: Path, column: str, where: str) -> tuple[str, ...]:
    return _read_classes(made, column, where, (made / "rows.jsonl").stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _read_classes(made: Path, column: str, where: str, stamp_ns: int) -> tuple[str, ...]:
    cells = (value_at(json.loads(line)["values"], column, where) for line in _lines(made))
    labels = (label for cell in cells for label in (cell if isinstance(cell, list) else [cell]))
    return classes_of((text_of(label) for label in labels), (), where)
