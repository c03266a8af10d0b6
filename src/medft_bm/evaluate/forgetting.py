"""What a model knew before on questions that it was not trained for, and still knows after."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from medft_bm.config.load import load_config
from medft_bm.config.schema import Config
from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.types import Split
from medft_bm.evaluate.compare import Row, Who, compare
from medft_bm.evaluate.run import open_evaluation
from medft_bm.evaluate.score import Scored
from medft_bm.models.base import ModelFamily
from medft_bm.prepare.arrow import columns
from medft_bm.prepare.dataset import Prepared, prepare_dataset

FOLDER = "general"


def general_set(config: Config, family: ModelFamily, prepared: Prepared) -> Prepared | None:
    """The mix of ``evaluate.general``, prepared for the same model into the same cache; ``None`` when none is named.

    Args:
        config: of the run.
        family: of its model.
        prepared: what the run trains on.

    Raises:
        ConfigError: the file is no mix, or hides the names of its patients with a salt of its own.
        DataError: its data cannot be prepared, or a patient or picture that would be asked about is trained on.
    """
    path = config.evaluate.general
    if path is None:
        return None
    # What is set for this run, in words or in the environment, is not about that mix.
    words = [f"model.name={config.model.name}", f"data.cache={config.data.cache}"]
    data = load_config(path, words, environ={}).config.data
    if data.salt not in ("", config.data.salt):
        raise ConfigError(
            "data.salt is not that of the run, so nobody could see whether a patient is in both",
            where=str(path),
            fix="leave it out there; the run's is used",
        )
    # Under one salt, one patient has one hidden name.
    general = prepare_dataset(data.model_copy(update={"salt": config.data.salt}), family, config.prepare)
    _require_unseen(general, config.evaluate.split, prepared, path)
    return general


def _require_unseen(general: Prepared, split: Split, prepared: Prepared, path: Path) -> None:
    seen = sorted(_distinct(general, split, "subject") & _distinct(prepared, "train", "subject"))
    if seen:
        raise DataError(
            f"{len(seen)} subject(s) of the general set are trained on, such as {seen[0]}",
            where=str(path),
            fix="split both mixes by the same data.split, or take other data; a name means one patient in all sources",
        )
    copies = _copies(general, split, prepared)
    if copies:
        raise DataError(
            f"{copies} picture(s) of the general set are trained on, under other names",
            where=str(path),
            fix="leave them out, or call their patients the same in both mixes by the sources' option `subject`",
        )


def _distinct(prepared: Prepared, split: Split, column: str) -> set[Any]:
    return set(columns(prepared.rows(split), column)[column].unique().to_pylist())


def _copies(general: Prepared, split: Split, prepared: Prepared) -> int:
    """How many pictures of a general set are trained on, to the last pixel; without those that show nothing."""
    asked, trained = _Pictures.of(general, split), _Pictures.of(prepared, "train")
    copies = 0
    for size in asked.rows.keys() & trained.rows.keys():
        known = {hashlib.sha256(picture).digest() for picture in trained.read(size)}
        copies += sum(hashlib.sha256(one).digest() in known and _shows_something(one) for one in asked.read(size))
    return copies


def _shows_something(picture: bytes) -> bool:
    return bool(np.ptp(np.asarray(Image.open(BytesIO(picture)).convert("L"))))


@dataclass(frozen=True)
class _Pictures:
    """The pictures of a split by their size on disk: those of other sizes are no copies, and need not be read.

    Attributes:
        encoded: the Arrow column of all pictures.
        rows: places in it, by the number of bytes there.
    """

    encoded: Any
    rows: Mapping[int, Sequence[int]]

    @classmethod
    def of(cls, prepared: Prepared, split: Split) -> _Pictures:
        import pyarrow.compute as pc

        encoded = pc.struct_field(columns(prepared.images, "image")["image"], "bytes")
        sizes = pc.binary_length(encoded).to_numpy()
        rows: dict[int, list[int]] = defaultdict(list)
        for row in _distinct(prepared, split, "image"):
            rows[int(sizes[row])].append(row)
        return cls(encoded, rows)

    def read(self, size: int) -> Iterator[bytes]:
        return (self.encoded[row].as_py() for row in self.rows[size])


def forgetting_rows(run_folder: Path, general: Prepared, config: Config) -> list[Row]:
    """Before and after on the general set, as far as both were asked; nothing when none was.

    Args:
        run_folder: with ``evaluation/general/{base,tuned}``.
        general: the general set, prepared for this model's family.
        config: of the run.

    Raises:
        DataError: an evaluation is unreadable, or of another general set.
    """
    folder = run_folder / "evaluation" / FOLDER
    found: dict[Who, Sequence[Scored]] = {}
    for who in ("base", "tuned"):
        evaluation = open_evaluation(folder / who, general)
        if evaluation is not None:
            found[who] = evaluation.scored
    common = set.intersection(*({one.item.uid for one in of} for of in found.values())) if found else set()
    asked: dict[Who, Sequence[Scored]] = {
        who: [one for one in of if one.item.uid in common] for who, of in found.items()
    }
    names = [part.name for part in general.parts]
    return compare(asked, names, resamples=config.evaluate.bootstrap, seed=config.run.seed) if common else []
