"""The same questions with one thing changed: does the model look, does it use the pixel size, is it robust?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from PIL import Image, ImageOps

from medft_bm.config.training import SIDES
from medft_bm.core.geometry import Spacing
from medft_bm.core.motion import Motion
from medft_bm.core.types import Sample, View
from medft_bm.evaluate.questions import Question
from medft_bm.prepare.dataset import Item
from medft_bm.prepare.sides import names_a_side
from medft_bm.tasks.base import Movable, Rewords

GREY = (128, 128, 128)

Kind: TypeAlias = Literal["looks", "scales", "robust"]
"""What a model that measures does: answer worse, answer in proportion, or answer as well as before."""


@dataclass(frozen=True)
class Probed:
    """One question after a probe.

    Attributes:
        question: what is asked.
        sample: the truth that belongs to it.
        view: what the model sees.
        unit: written behind a reply that names no unit, because the question asks for this one.
    """

    question: Question
    sample: Sample
    view: View
    unit: str = ""

    def read(self, reply: str) -> str:
        """The reply as its reader needs it."""
        named = any(unit in reply.lower() for unit in ("mm", "cm", "metre", "meter"))
        return f"{reply} {self.unit}" if self.unit and not named else reply


Change: TypeAlias = Callable[[Item, Question, Item], Probed | None]
"""From a row, its question, and a row of the same part about another patient, to the probed question; ``None`` where it
cannot be."""


@dataclass(frozen=True)
class Probe:
    """One way to change a question.

    Attributes:
        name: in files.
        asks: what it finds out.
        expected: what a model that measures does.
        kind: how the answers are judged.
        change: what is done.
        factor: by which lengths should change; 1 where they should not.
    """

    name: str
    asks: str
    expected: str
    kind: Kind
    change: Change
    factor: float = 1.0


def _blank(item: Item, asked: Question, other: Item) -> Probed:
    size = (item.sample.size.w, item.sample.size.h)
    return _with_picture(item, asked, "blank", lambda: Image.new("RGB", size, GREY))


def _shuffled(item: Item, asked: Question, other: Item) -> Probed | None:
    if other.sample.subject == item.sample.subject:
        return None
    size = (item.sample.size.w, item.sample.size.h)
    return _with_picture(item, asked, "shuffled", lambda: other.image.resize(size, Image.Resampling.BICUBIC))


def _with_picture(item: Item, asked: Question, name: str, picture: Callable[[], Image.Image]) -> Probed:
    return Probed(replace(asked, picture=picture, probe=name), item.sample, item.view)


def _mirrored(item: Item, asked: Question, other: Item) -> Probed | None:
    task, sample = item.task, item.sample
    if not isinstance(task, Movable) or names_a_side(item, SIDES):
        return None
    moved = task.moved(sample, Motion.window(sample.size, sample.spacing, flip_x=True))
    if moved is None:
        return None
    words = task.prompt(moved, item.view)
    question = _with_picture(item, asked, "mirrored", lambda: ImageOps.mirror(item.image)).question
    return Probed(replace(question, prompt=words), moved, item.view)


def _spaced(factor: float) -> Change:
    def change(item: Item, asked: Question, other: Item) -> Probed | None:
        spacing, seen = item.sample.spacing, item.view.spacing
        if item.task.unit != "mm" or spacing is None or seen is None:
            return None
        sample = replace(item.sample, spacing=Spacing(spacing.y * factor, spacing.x * factor))
        view = replace(item.view, spacing=Spacing(seen.y * factor, seen.x * factor))
        words = item.task.prompt(sample, view)
        question = replace(asked, prompt=words, probe=f"spacing x{factor:g}")
        return None if words == item.prompt_text else Probed(question, sample, view)

    return change


def _centimetres(item: Item, asked: Question, other: Item) -> Probed | None:
    before, unit, after = item.prompt_text.rpartition("in mm")
    if item.task.unit != "mm" or not unit or item.sample.tags.get("preset"):
        return None
    question = replace(asked, prompt=f"{before}in cm{after}", probe="centimetres")
    return Probed(question, item.sample, item.view, "cm")


def _reworded(item: Item, asked: Question, other: Item) -> Probed | None:
    words = item.task.reworded(item.sample, item.view) if isinstance(item.task, Rewords) else None
    if words is None:
        return None
    return Probed(replace(asked, prompt=words, probe="reworded"), item.sample, item.view)


LOOKS = "Does it look at the image?"
USES = "Does it use the pixel size?"
ROBUST = "Is it robust?"

PROBES = (
    Probe("blank image", LOOKS, "worse without the image", "looks", _blank),
    Probe("another patient's image", LOOKS, "worse on another patient's image", "looks", _shuffled),
    Probe("half the pixel size", USES, "half the length", "scales", _spaced(0.5), 0.5),
    Probe("twice the pixel size", USES, "twice the length", "scales", _spaced(2.0), 2.0),
    Probe("mirrored image", ROBUST, "as good on the mirrored image", "robust", _mirrored),
    Probe("asked in cm", ROBUST, "as good in another unit", "robust", _centimetres),
    Probe("other words", ROBUST, "as good in other words", "robust", _reworded),
)


def probed(probe: Probe, items: Sequence[Item], questions: Sequence[Question]) -> list[Probed | None]:
    """The questions of one part after a probe; ``None`` where it does not apply.

    Args:
        probe: what to change.
        items: of one part; every one borrows from the next that is about another patient.
        questions: how each is asked plainly.
    """
    # Likelihoods are not compared, so they are not asked for.
    plain = [replace(question, candidates=()) for question in questions]
    return [probe.change(item, plain[index], _other(items, index)) for index, item in enumerate(items)]


def _other(items: Sequence[Item], index: int) -> Item:
    following = [*items[index + 1 :], *items[:index]]
    subject = items[index].sample.subject
    return next((item for item in following if item.sample.subject != subject), items[index])
