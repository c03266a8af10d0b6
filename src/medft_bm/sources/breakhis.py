"""BreakHis: breast histology tiles whose file names say class, patient and magnification."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.records import ClassLabel, Record, Skip
from medft_bm.core.types import ImageRef, Split
from medft_bm.imaging.read import picture_size
from medft_bm.imaging.slices import safe_path
from medft_bm.sources.files import matching
from medft_bm.sources.tables import at_row, filled_text, read_rows, split_of

_SUBTYPES = {
    # code in the file name: (benign or malignant, name)
    "A": ("B", "adenosis"),
    "F": ("B", "fibroadenoma"),
    "PT": ("B", "phyllodes tumor"),
    "TA": ("B", "tubular adenoma"),
    "DC": ("M", "ductal carcinoma"),
    "LC": ("M", "lobular carcinoma"),
    "MC": ("M", "mucinous carcinoma"),
    "PC": ("M", "papillary carcinoma"),
}
SUBTYPES = tuple(name for _, name in _SUBTYPES.values())
READINGS = {"subtype": SUBTYPES, "binary": ("benign", "malignant")}
_MAGNIFICATIONS = (40, 100, 200, 400)

_NAME = re.compile(
    r"SOB_(?P<side>[BM])_(?P<code>[A-Z]+)-(?P<case>\d+-\d+)(?P<block>[A-Z]*)-(?P<magnification>\d+)-\d+\.png"
)


@dataclass(frozen=True)
class BreakHis:
    """Tiles called like ``SOB_M_DC-14-3909-100-014.png``, in any folder below the root.

    Attributes:
        magnification: which of 40, 100, 200 and 400 to take.
        reading: ``subtype`` asks for one of eight diagnoses, ``binary`` for benign or malignant.
        subject: ``case`` is the biopsy number (14-22549), ``slide`` adds the block letters (14-22549AB) and is what the
            published count of 82 patients uses. Blocks of one biopsy carry one number, so ``case`` never puts tissue of
            one patient on both sides of a split; the number decides even where two classes share it (13412).
        folds_file: path under the root of the official ``Folds.csv`` (columns fold, mag, grp, filename); empty leaves
            the split to ``data.split``. It keeps the 82 slides apart, not the biopsies: where a fold has blocks of one
            biopsy on both sides, preparation refuses it under ``case``; ``slide`` follows the publication.
        fold: which fold of it, 1 to 5. Tiles that the fold does not list are left out.
    """

    name: ClassVar[str] = "breakhis"
    summary: ClassVar[str] = (
        "BreakHis breast histology: eight diagnoses or benign/malignant, patient from the file name"
    )
    revision: ClassVar[int] = 1
    makes_its_data: ClassVar[bool] = False

    magnification: tuple[int, ...] = _MAGNIFICATIONS
    reading: Literal["subtype", "binary"] = "subtype"
    subject: Literal["case", "slide"] = "case"
    folds_file: str = ""
    fold: Literal[1, 2, 3, 4, 5] | None = None

    def __post_init__(self) -> None:
        unknown = sorted(set(self.magnification) - set(_MAGNIFICATIONS))
        if unknown or not self.magnification:
            raise ConfigError(
                f"magnification: {unknown or 'nothing'} is not in BreakHis",
                where=f"source {self.name}",
                fix=f"choose from {list(_MAGNIFICATIONS)}",
            )
        if bool(self.folds_file) != (self.fold is not None):
            given, other = ("folds_file", "fold") if self.folds_file else ("fold", "folds_file")
            raise ConfigError(
                f"{given}: it needs {other}",
                where=f"source {self.name}",
                fix="for example folds_file: Folds.csv, fold: 1",
            )

    def files(self, root: Path) -> Iterator[Path]:
        """The file of the folds, if one is given, and every PNG file under the root."""
        if self.folds_file:
            yield safe_path(root, self.folds_file)
        yield from (root / path for path in self.units(root))

    def units(self, root: Path) -> list[str]:
        """Relative paths of the PNG files under the root.

        Raises:
            DataError: none of them has a BreakHis name, or the file of the folds cannot be used.
        """
        paths = matching(root, "**/*.png")
        self._splits(root)
        if not any(_NAME.fullmatch(PurePosixPath(path).name) for path in paths):
            raise DataError(
                f"none of {len(paths)} PNG files is called like SOB_M_DC-14-3909-100-014.png",
                where=str(root),
                fix="point the root at the folder BreaKHis_v1; renamed tiles go with the source image_folder",
            )
        return paths

    def records_of(self, root: Path, unit: str, skip: Skip) -> Iterator[Record]:
        """The record of one tile, if it has a wanted magnification and its name says the patient."""
        name = PurePosixPath(unit).name
        match = _NAME.fullmatch(name)
        if match is None:
            skip(unit, "the file name does not say the patient")
        elif int(match["magnification"]) in self.magnification:
            splits = self._splits(root)
            if splits is None or name in splits:
                yield self._record(root, unit, match, splits[name] if splits else None)
            else:
                skip(unit, f"fold {self.fold} does not list it")

    def _splits(self, root: Path) -> dict[str, Split] | None:
        """Official split by file name; the folders of published copies differ, the names do not."""
        if self.fold is None:
            return None
        path = safe_path(root, self.folds_file)
        return _splits(path, self.fold, path.stat().st_mtime_ns if path.exists() else 0)

    def _record(self, root: Path, path: str, match: re.Match[str], split: Split | None) -> Record:
        side, subtype = _diagnosis(path, match["side"], match["code"])
        label = subtype if self.reading == "subtype" else side
        classes = READINGS[self.reading]
        return Record(
            subject=match["case"] + (match["block"] if self.subject == "slide" else ""),
            image=ImageRef(path),
            size=picture_size(safe_path(root, path)),
            spacing=None,
            annotations=(ClassLabel(classes.index(label), classes),),
            tags={"modality": "histopathology", "anatomy": "breast", "magnification": f"{match['magnification']}X"},
            split=split,
        )


@lru_cache(maxsize=4)
def _splits(path: Path, fold: int, stamp_ns: int) -> dict[str, Split]:
    """File name to its split in one fold; kept, because every tile asks."""
    splits: dict[str, Split] = {}
    columns = {f"folds_file.{name}": name for name in ("fold", "mag", "grp", "filename")}
    for number, row in enumerate(read_rows(path, columns), start=1):
        where = at_row(path, number)
        if filled_text(row, "fold", where) != str(fold):
            continue
        name = PurePosixPath(filled_text(row, "filename", where)).name
        match, magnification = _NAME.fullmatch(name), filled_text(row, "mag", where)
        if match is None or match["magnification"] != magnification:
            what = f"{name!r} is not a tile at magnification {magnification}"
            raise DataError(what, where=where, fix="restore the original Folds.csv")
        if name in splits:
            raise DataError(f"fold {fold} lists {name} twice", where=where, fix="keep one row per tile and fold")
        splits[name] = split_of(filled_text(row, "grp", where), where)
    if not splits:
        raise DataError(f"no row for fold {fold}", where=str(path), fix="the original Folds.csv has the folds 1 to 5")
    return splits


def _diagnosis(path: str, side: str, code: str) -> tuple[str, str]:
    """Benign or malignant, and the subtype; file name and folders must not contradict each other."""
    expected, subtype = _SUBTYPES.get(code, ("", ""))
    folders = {name for name in SUBTYPES if name.replace(" ", "_") in PurePosixPath(path).parts}
    if side != expected or folders - {subtype}:
        raise DataError(
            f"the file name says {side}_{code} ({subtype or 'no known class'}), its folder {sorted(folders)}",
            where=path,
            fix="restore the original BreakHis name or folder",
        )
    return ("benign" if side == "B" else "malignant"), subtype
