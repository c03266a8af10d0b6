"""What is asked, in a user's words: a question that no training has asked yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.geometry import Box
from medft_bm.core.records import Annotation, AxesLabel, BoxLabel, ClassLabel, Landmarks, Record
from medft_bm.core.types import Sample
from medft_bm.predict.place import Shown
from medft_bm.tasks import load_task
from medft_bm.tasks.base import Task

SOME_MM = 1e6
"""A length that no task finds too short to be asked about."""


@dataclass(frozen=True)
class Wanted:
    """A question in a user's words.

    Attributes:
        task: registered name.
        options: of the task.
        label: the structure, for tasks about one.
        classes: the closed list, for a classification.
        points: landmarks, two for a distance and four for the angle between two lines.
        tags: what kind of image it is: modality, anatomy and the like.
    """

    task: str
    options: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""
    classes: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


def asked(wanted: Wanted, shown: Shown, plane: str) -> tuple[Task, Sample]:
    """The task and a sample about the image, made as training makes them.

    Its truth is a stand-in: only the question and the reading of a reply are of use.

    Args:
        wanted: the question.
        shown: the image.
        plane: of the slice; empty for a picture.

    Raises:
        ConfigError: unknown task or option, or something that the task needs is not said.
        DataError: an answer in mm or degrees, and the pixel size is unknown.
    """
    options = dict(wanted.options)
    if wanted.task == "angle_distance":
        options.setdefault("measure", "angle" if len(wanted.points) == 4 else "distance")
    task = load_task(wanted.task, options)
    if wanted.task not in _STAND_INS:
        fix = "give the run folder of a training that asks it, without --task"
        raise ConfigError(f"nothing is known of how {wanted.task!r} is asked", where="--task", fix=fix)
    require_spacing(task, shown)
    annotation = _STAND_INS[wanted.task](wanted, shown)
    tags = {**({"plane": plane} if plane else {}), **wanted.tags}
    record = Record("", shown.ref, shown.size, shown.spacing, (annotation,), tags)
    refused: list[str] = []
    samples = list(task.samples(record, "", lambda _, why: refused.append(why)))
    if not samples:
        raise ConfigError(f"{task.name} does not ask this: {', '.join(refused)}", where="--option", fix="change them")
    return task, samples[0]


def require_spacing(task: Task, shown: Shown) -> None:
    """Refuse an answer in mm or degrees where the pixel size is unknown.

    Raises:
        DataError: it is unknown.
    """
    if task.unit and shown.spacing is None:
        raise DataError(
            f"{task.name} answers in {task.unit}, and the file does not state its pixel size in mm",
            where="--spacing",
            fix="give it, like --spacing 0.7 or --spacing 0.7,0.5 (height, width); dots per inch are not looked at",
        )


def _box(wanted: Wanted, shown: Shown) -> Annotation:
    return BoxLabel(_label(wanted), Box(0.0, 0.0, float(shown.size.h), float(shown.size.w)))


def _axes(wanted: Wanted, shown: Shown) -> Annotation:
    return AxesLabel(_label(wanted), SOME_MM, SOME_MM)


def _class(wanted: Wanted, shown: Shown) -> Annotation:
    if len(set(wanted.classes)) < 2:
        raise ConfigError("a classification needs two classes or more", where="--classes", fix="--classes a,b,c")
    return ClassLabel(0, wanted.classes)


def _landmarks(wanted: Wanted, shown: Shown) -> Annotation:
    names = wanted.points
    if len(names) not in (2, 4) or any(a == b for a, b in zip(names[::2], names[1::2], strict=True)):
        fix = "two landmarks for a distance, four for an angle: --points A,B,C,D is between the lines A-B and C-D"
        raise ConfigError(f"{len(names)} landmark(s)", where="--points", fix=fix)
    places = {name: (float(k), float(k * k)) for k, name in enumerate(names)}
    lines = tuple(zip(names[::2], names[1::2], strict=True))
    return Landmarks(places, lines[:1], ((lines[0], lines[1]),) if len(lines) == 2 else ())


def _label(wanted: Wanted) -> str:
    if not wanted.label:
        fix = "name it as in training, like --label liver"
        raise ConfigError(f"{wanted.task} needs the structure to ask about", where="--label", fix=fix)
    return wanted.label


_STAND_INS: Mapping[str, Callable[[Wanted, Shown], Annotation]] = {
    "detection": _box,
    "lesion_size": _axes,
    "classification": _class,
    "angle_distance": _landmarks,
}
