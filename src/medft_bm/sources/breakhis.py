"""BreakHis: breast histology tiles whose file names say class, patient and magnification."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar, Literal

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.records import ClassLabel, Record, Skip
from medft_bm.core.types import ImageRef
from medft_bm.imaging.read import picture_size
from medft_bm.imaging.slices import safe_path
from medft_bm.sources.files import matching

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

    def __post_init__(self) -> None:
        unknown = sorted(set(self.magnification) - set(_MAGNIFICATIONS))
        if unknown or not self.magnification:
            raise ConfigError(
                f"magnification: {unknown or 'nothing'} is not in BreakHis",
                where=f"source {self.name}",
                fix=f"choose from {list(_MAGNIFICATIONS)}",
            )

    def files(self, root: Path) -> Iterator[Path]:
        """Every PNG file under the root."""
        return (root / path for path in self.units(root))

    def units(self, root: Path) -> list[str]:
        """Relative paths of the PNG files under the root.

        Raises:
            DataError: none of them has a BreakHis name.
        """
        paths = matching(root, "**/*.png")
        if not any(_NAME.fullmatch(PurePosixPath(path).name) for path in paths):
            raise DataError(
                f"none of {len(paths)} PNG files is called like SOB_M_DC-14-3909-100-014.png",
                where=str(root),
                fix="point the root at the folder BreaKHis_v1; renamed tiles go with the source image_folder",
            )
        return paths

    def records_of(self, root: Path, unit: str, skip: Skip) -> Iterator[Record]:
        """The record of one tile, if it has a wanted magnification and its name says the patient."""
        match = _NAME.fullmatch(PurePosixPath(unit).name)
        if match is None:
            skip(unit, "the file name does not say the patient")
        elif int(match["magnification"]) in self.magnification:
            yield self._record(root, unit, match)

    def _record(self, root: Path, path: str, match: re.Match[str]) -> Record:
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
        )


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
