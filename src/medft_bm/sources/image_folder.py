"""Pictures in one folder per class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from medft_bm.core.errors import ConfigError, DataError, GeometryError
from medft_bm.core.geometry import Spacing
from medft_bm.core.records import ClassLabel, Record, Skip
from medft_bm.core.registry import did_you_mean
from medft_bm.core.types import ImageRef
from medft_bm.imaging.read import picture_size
from medft_bm.imaging.slices import safe_path
from medft_bm.imaging.windows import Window
from medft_bm.sources.files import PICTURE_SUFFIXES, checked_regex, existing_root, filled, matching, subject_of


@dataclass(frozen=True)
class ImageFolder:
    """The class of a picture is the first folder below the root; deeper folders are free.

    Attributes:
        classes: class folders in the order that gives their ids; empty takes every folder, sorted by name.
        subject: regular expression with one group, searched in the relative path; empty makes every picture its own
            subject, which is only right when no patient has two.
        spacing_mm: pixel size in mm, one number or ``[y, x]``; unknown when not given.
        modality: tag, like ``fundus photography``.
        anatomy: tag.
        window: intensity window; only pictures of more than 8 bits need one.
    """

    name: ClassVar[str] = "image_folder"
    summary: ClassVar[str] = "pictures in one folder per class"
    revision: ClassVar[int] = 1
    makes_its_data: ClassVar[bool] = False

    classes: tuple[str, ...] = ()
    subject: str = ""
    spacing_mm: float | tuple[float, float] | None = None
    modality: str = ""
    anatomy: str = ""
    window: Window = "as_is"

    def __post_init__(self) -> None:
        where = f"source {self.name}"
        if len(set(self.classes)) < len(self.classes):
            raise ConfigError("classes: a class is listed twice", where=where, fix="list every class folder once")
        try:
            spacing_of(self.spacing_mm)
        except GeometryError as error:
            raise ConfigError(f"spacing_mm: {error.what}", where=where, fix="give mm per pixel") from error
        checked_regex(self.subject, where)

    def files(self, root: Path) -> Iterator[Path]:
        """Every file in the class folders."""
        return (root / path for path in self.units(root))

    def units(self, root: Path) -> list[str]:
        """Relative paths of the files in the class folders.

        Raises:
            DataError: folders and classes do not fit each other.
        """
        self._classes(root)
        return [path for path in matching(root, "*/**/*") if (root / path).is_file()]

    def records_of(self, root: Path, unit: str, skip: Skip) -> Iterator[Record]:
        """The record of one file, if it is a picture."""
        if not unit.lower().endswith(PICTURE_SUFFIXES):
            skip(unit, "not a picture")
            return
        classes = self._classes(root)
        yield Record(
            subject=subject_of(self.subject, unit, unit),
            image=ImageRef(unit, window=self.window),
            size=picture_size(safe_path(root, unit)),
            spacing=spacing_of(self.spacing_mm),
            annotations=(ClassLabel(classes.index(unit.split("/")[0]), classes),),
            tags=filled({"modality": self.modality, "anatomy": self.anatomy}),
        )

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


def spacing_of(mm: float | tuple[float, float] | None) -> Spacing | None:
    """Spacing from one number, ``(y, x)`` or nothing.

    Raises:
        GeometryError: not positive and finite.
    """
    if mm is None:
        return None
    y, x = mm if isinstance(mm, tuple) else (mm, mm)
    return Spacing(y, x)
