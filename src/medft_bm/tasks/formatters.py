"""Questions, answers and scores for research code that has its own data: plain facts in, text and numbers out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass
from typing import Any, TypeVar

from medft_bm.config.options import build
from medft_bm.core.errors import DataError
from medft_bm.core.geometry import PixelMap, Size, Spacing
from medft_bm.core.types import Coordinates, ImageRef, Sample, Score, View
from medft_bm.tasks.base import Task

T = TypeVar("T")


@dataclass(frozen=True)
class Facts:
    """One annotated image, as much as a question needs.

    Attributes:
        size: (h, w) of the image in pixels.
        truth: what the task asks for, in continuous pixels of the image with corner origin (y before x): ``box`` and
            ``label`` (detection), ``major`` and ``minor`` end points, or ``major_mm`` and ``minor_mm``, and ``label``
            (lesion_size), ``kind``, ``points``, ``lines`` and ``directed`` (angle_distance), ``class_id`` and
            ``classes`` (classification).
        spacing: (y, x) in mm per pixel; ``None`` is unknown.
        seen: (h, w) of the image after the model's processor; ``None`` when it sees the image as it is.
        tags: modality, plane, anatomy; for the first sentence of the prompt.
        coordinates: how boxes are written.
    """

    size: tuple[int, int]
    truth: dict[str, Any]
    spacing: tuple[float, float] | None = None
    seen: tuple[int, int] | None = None
    tags: dict[str, str] | None = None
    coordinates: Coordinates = "fraction"


def format_prompt(task: Task, facts: Any) -> str:
    """The question about an image.

    Args:
        task: from :func:`medft_bm.tasks.load_task`.
        facts: a mapping, :class:`Facts` or another dataclass with the fields of :class:`Facts`.

    Raises:
        ConfigError: a field that does not exist or has the wrong type.
        DataError: a truth that the task does not understand, or unknown spacing where mm are asked for.
    """
    sample, view = _sample_and_view(task, facts)
    return _understood(task, lambda: task.prompt(sample, view))


def format_answer(task: Task, facts: Any) -> str:
    """The reference answer, in terms of the image the model sees (see :func:`format_prompt`)."""
    sample, view = _sample_and_view(task, facts)
    return _understood(task, lambda: task.answer(sample, view))


def score_reply(task: Task, facts: Any, reply: str) -> Score:
    """What a reply is worth, on the original image (see :func:`format_prompt`)."""
    sample, view = _sample_and_view(task, facts)
    return _understood(task, lambda: task.score(sample, view, reply))


def _sample_and_view(task: Task, facts: Any) -> tuple[Sample, View]:
    fields = facts if isinstance(facts, Mapping) else vars(facts) if is_dataclass(facts) else None
    if fields is None:
        raise DataError(
            f"facts must be a mapping or a dataclass, got {type(facts).__name__}", where=f"task {task.name}"
        )
    made = build(Facts, fields, where=f"facts for task {task.name}")
    size = Size(*made.size)
    spacing = None if made.spacing is None else Spacing(*made.spacing)
    there = PixelMap.stretch(size, Size(*(made.seen or made.size)))
    sample = Sample("", task.name, "", "", ImageRef(""), size, spacing, made.truth, made.tags or {})
    return sample, View(there.dst, there.spacing(spacing), there, 0, made.coordinates)


def _understood(task: Task, make: Callable[[], T]) -> T:
    try:
        return make()
    except (KeyError, TypeError, IndexError) as error:
        raise DataError(
            f"the truth lacks or garbles {error}", where=f"task {task.name}", fix="see medft_bm.tasks.formatters.Facts"
        ) from error
