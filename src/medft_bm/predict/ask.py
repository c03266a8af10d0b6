"""A question about an image, put to a model as evaluation puts it, and the reply read as evaluation reads it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from medft_bm.core.types import Sample, View
from medft_bm.evaluate.backends.transformers import Transformers
from medft_bm.evaluate.questions import Question
from medft_bm.evaluate.replies import Reply
from medft_bm.models.base import Loaded, ModelFamily
from medft_bm.predict.answer import Answer, read_answer
from medft_bm.predict.place import Place, Shown
from medft_bm.predict.taught import Lesson, asked_again
from medft_bm.predict.wanted import Wanted, asked
from medft_bm.tasks.base import Task


@dataclass(frozen=True, eq=False)
class Asked:
    """A question about an image, ready for a model.

    Attributes:
        place: where the image is.
        shown: the image.
        view: what the model sees of it.
        prompt: the question.
        task: that asks; ``None`` for free text.
        sample: that is asked; ``None`` for free text.
        notes: what a reader of the answer should know.
    """

    place: Place
    shown: Shown
    view: View
    prompt: str
    task: Task | None = None
    sample: Sample | None = None
    notes: tuple[str, ...] = ()

    def reply(self, loaded: Loaded, max_new_tokens: int) -> Reply:
        """What the model says, greedily.

        Raises:
            MedftError: the accelerator is out of memory.
        """
        question = Question("", self.prompt, lambda: self.shown.image)
        return Transformers(loaded, max_new_tokens, batch=1).ask([question])[0]

    def answer(self, reply: Reply) -> Answer | None:
        """What the reply says; ``None`` for free text, which is not read."""
        if self.task is None or self.sample is None:
            return None
        return read_answer(self.task, self.sample, self.view, self.place, reply.text)


def ask_freely(place: Place, shown: Shown, family: ModelFamily, text: str) -> Asked:
    """A text of the user's own.

    Raises:
        DataError: the model cannot see an image of this shape.
    """
    return Asked(place, shown, family.view(shown.size, shown.spacing), text, notes=shown.notes)


def ask_wanted(place: Place, shown: Shown, family: ModelFamily, wanted: Wanted) -> Asked:
    """A task's question, in a user's words.

    Raises:
        ConfigError: something that the task needs is not said.
        DataError: the pixel size is needed and unknown, or the model cannot see an image of this shape.
    """
    task, sample = asked(wanted, shown, place.plane)
    view = family.view(shown.size, shown.spacing)
    return Asked(place, shown, view, task.prompt(sample, view), task, sample, shown.notes)


def ask_again(place: Place, shown: Shown, family: ModelFamily, lesson: Lesson, tags: Mapping[str, str]) -> Asked:
    """A question of the training, about another image.

    Raises:
        DataError: the pixel size is needed and unknown, or the model cannot see an image of this shape.
    """
    sample = asked_again(lesson, place, shown, tags)
    view = family.view(shown.size, shown.spacing)
    notes = (*shown.notes, *_about_the_plane(place, lesson, sample, said="plane" in tags))
    return Asked(place, shown, view, lesson.task.prompt(sample, view), lesson.task, sample, notes)


def _about_the_plane(place: Place, lesson: Lesson, sample: Sample, *, said: bool) -> Iterator[str]:
    """A plane that was not trained on, or that nobody said."""
    plane, taught = sample.tags.get("plane", ""), lesson.example.tags.get("plane", "")
    if plane != taught:
        known = f"{taught} slices" if taught else "pictures"
        yield f"this question was trained on {known}, not on {plane} slices"
    elif taught and not (place.plane or said):
        yield f"a picture does not say its plane; it is asked about as {taught}, as in training (--tag plane=NAME)"
