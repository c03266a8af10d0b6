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

NAMED_BY = {"detection": "label", "lesion_size": "label", "classification": "classes", "angle_distance": "points"}
"""The field of :class:`Wanted`, and the option of the command line, that says what a task asks about."""
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
        ConfigError: unknown task or option, or something that the task needs is not said, or has no use for is.
        DataError: an answer in mm or degrees, and the pixel size is unknown.
    """
    options = dict(wanted.options)
    if wanted.task == "angle_distance":
        options.setdefault("measure", "angle" if len(wanted.points) == 4 else "distance")
    task = load_task(wanted.task, options)
    if wanted.task not in _STAND_INS:
        fix = "give the run folder of a training that asks it, without --task"
        raise ConfigError(f"nothing is known of how {wanted.task!r} is asked", where="--task", fix=fix)
    _require_heard(wanted)
    require_spacing(task, shown)
    annotation = _STAND_INS[wanted.task](wanted, shown)
    tags = {**({"plane": plane} if plane else {}), **wanted.tags}
    record = Record("", shown.ref, shown.size, shown.spacing, (annotation,), tags)
    refused: list[str] = []
    samples = list(task.samples(record, "", lambda _, why: refused.append(why)))
    if not samples:
        raise ConfigError(f"{task.name} does not ask this: {', '.join(refused)}", where="--option", fix="change them")
    return task, samples[0]


def _require_heard(wanted: Wanted) -> None:
    own = NAMED_BY[wanted.task]
    for other in sorted(set(NAMED_BY.values()) - {own}):
        if getattr(wanted, other):
            fix = f"leave it out; {wanted.task} takes --{own}"
            raise ConfigError(f"{wanted.task} has no use for --{other}", where=f"--{other}", fix=fix)


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
    fix = "two landmarks for a distance, four for an angle: --points A,B,C,D is between the lines A-B and C-D"
    if len(names) not in (2, 4):
        raise ConfigError(f"{len(names)} landmark(s)", where="--points", fix=fix)
    measure = "distance" if len(names) == 2 else "angle"
    if wanted.options.get("measure", measure) != measure:
        what = f"{len(names)} landmarks make no {wanted.options['measure']}"
        raise ConfigError(what, where="--points", fix=fix)
    lines = tuple(zip(names[::2], names[1::2], strict=True))
    if pointless := [a for a, b in lines if a == b]:
        raise ConfigError(f"a line from {pointless[0]!r} to itself", where="--points", fix=fix)
    places = {name: (float(k), float(k * k)) for k, name in enumerate(names)}
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
