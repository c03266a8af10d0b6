"""What a run was trained to be asked: the questions of its prepared rows, about another image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from medft_bm.config.schema import Config
from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.geometry import Spacing
from medft_bm.core.registry import did_you_mean
from medft_bm.core.types import SPLITS, Sample
from medft_bm.predict.place import AS_IS, Place, Shown, show, usual_window
from medft_bm.predict.wanted import require_spacing
from medft_bm.prepare.codec import load_sample
from medft_bm.prepare.dataset import Prepared, open_prepared
from medft_bm.tasks.base import ClosedSet, Task
from medft_bm.train.record import read_record


@dataclass(frozen=True)
class Lesson:
    """One question of a training, and what it was asked about.

    Attributes:
        task: that asks.
        example: a sample of the training with this question.
        part: its name in the mix.
    """

    task: Task
    example: Sample
    part: str


def taught_rows(config: Config) -> Prepared:
    """The rows that a run was trained with.

    Raises:
        DataError: the run says nothing of them, or they are no longer there.
    """
    record = read_record(config.run.folder)
    folder = config.data.cache / "prepared" / record.data if record else None
    if folder is None or not folder.is_dir():
        raise DataError(
            "the rows that this run was trained with are not here, so its questions are not known",
            where=str(folder or config.run.folder),
            fix="copy them here, `medft train` first, or ask in words of your own with --task",
        )
    return open_prepared(folder)


def lesson(prepared: Prepared, part: str, label: str, plane: str) -> Lesson:
    """The question of a part about a label, on images of this plane where there are any.

    Args:
        prepared: rows of the training.
        part: name in the mix; empty takes the only one.
        label: what is asked about; empty takes the only one.
        plane: of the slice that will be asked about; empty is unknown.

    Raises:
        ConfigError: no such part or label, several and none is named, or one for a part that asks about none.
    """
    names = [one.name for one in prepared.parts]
    number = names.index(_one_of(part, names, "part"))
    chosen = prepared.parts[number]
    wanted = ""
    if not isinstance(chosen.task, ClosedSet):
        wanted = _one_of(label, chosen.labels, "label")
    elif label:  # what a classification asks about is its answer
        what = f"{chosen.name!r} asks which class an image shows, not about {label!r}"
        raise ConfigError(what, where="--label", fix="leave it out")
    first: Sample | None = None
    for sample in _samples(prepared, number):
        if wanted and sample.tags["label"] != wanted:
            continue
        first = first or sample
        if not plane or sample.tags.get("plane", "") == plane:
            return Lesson(chosen.task, sample, chosen.name)
    if first is None:
        raise ConfigError(f"no row of {chosen.name!r} is left to learn its question from", where="--part")
    return Lesson(chosen.task, first, chosen.name)


def shown_as_taught(one: Lesson, place: Place, window: str = "", spacing: Spacing | None = None) -> Shown:
    """The image, shown as the training showed its own.

    Args:
        one: what was taught.
        place: of the image.
        window: in place of that of the training; empty takes that.
        spacing: for a picture, in place of what its header says.

    Raises:
        ConfigError: a spacing for a volume, which states its own, or an unknown window.
        DataError: the file cannot be read, or not with this window.
    """
    taught = one.example.image
    if not window and place.axis is None and taught.axis is not None and usual_window(place) == AS_IS:
        # Somebody chose a window when the picture was made: its values are no longer those of a volume.
        shown = show(place, AS_IS, taught.frame, spacing)
        note = f"8-bit pictures are shown as they are; the training showed slices in the window {taught.window}"
        return replace(shown, notes=(*shown.notes, note))
    return show(place, window or taught.window, taught.frame, spacing)


def asked_again(one: Lesson, place: Place, shown: Shown, tags: Mapping[str, str]) -> Sample:
    """The same question about another image; its truth is still the old one and says nothing.

    Args:
        one: what was taught.
        place: of the image.
        shown: the image.
        tags: of the image, in place of those of the training.

    Raises:
        DataError: an answer in mm or degrees, and the pixel size is unknown.
    """
    require_spacing(one.task, shown)
    plane = {"plane": place.plane} if place.plane else {}
    return replace(
        one.example,
        image=shown.ref,
        size=shown.size,
        spacing=shown.spacing,
        tags={**one.example.tags, **plane, **tags},
    )


def _samples(prepared: Prepared, part: int) -> Iterator[Sample]:
    for split in SPLITS:
        rows = prepared.rows(split)
        if len(rows):
            own = np.flatnonzero(np.asarray(rows.with_format("numpy")["part"][:]) == part)
            yield from (load_sample(row["sample"]) for row in rows.select(own).select_columns(["sample"]))


def _one_of(wanted: str, known: tuple[str, ...] | list[str], what: str) -> str:
    if not wanted and len(known) == 1:
        return known[0]
    if wanted in known:
        return wanted
    if wanted:
        asks = f"no {what} is named {wanted!r}{did_you_mean(wanted, known)}"
        raise ConfigError(asks, where=f"--{what}", fix="name it as the mix does; leave it out to see what there is")
    raise ConfigError(f"which {what}?", where=f"--{what}", fix=f"the run knows {', '.join(map(repr, known))}")
