"""What a task is: one object for the question, the answer, the reading of a reply and its score."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, TypeAlias, runtime_checkable

import numpy as np

from medft_bm.core.geometry import Points
from medft_bm.core.motion import Motion
from medft_bm.core.records import Record, Skip
from medft_bm.core.types import Metric, Sample, Score, View, stable_uid
from medft_bm.metrics.statistic import Statistic

Guess: TypeAlias = Callable[[Sample, View], str]
"""A trivial baseline: the reply it would give."""

MARGIN = 0.02
"""How near to the edge of a moved image a truth may come, as a share of the shorter side."""


class Task(Protocol):
    """A kind of question: a frozen dataclass whose fields are the options a user may set.

    Attributes:
        name: as registered.
        summary: one line for ``medft tasks``.
        version: raise it when the same record yields another sample, prompt or answer; caches rebuild.
        unit: unit of the answer: mm, degree, or empty.
        metrics: what it reports; the first is the headline.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    version: ClassVar[int]

    @property
    def unit(self) -> str:
        """Unit of the answer."""
        ...

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """What it reports, headline first."""
        ...

    def samples(self, record: Record, source: str, skip: Skip) -> Iterator[Sample]:
        """The questions this record can answer."""
        ...

    def prompt(self, sample: Sample, view: View) -> str:
        """The question, in terms of the image the model sees."""
        ...

    def answer(self, sample: Sample, view: View) -> str:
        """The reference answer, exactly as the model should write it."""
        ...

    def score(self, sample: Sample, view: View, reply: str) -> Score:
        """Compare a reply with the truth, on the original slice."""
        ...

    def baseline(self, train: Sequence[Sample]) -> Guess:
        """The best guess that never looks at the image, learnt from training samples."""
        ...


@runtime_checkable
class Movable(Protocol):
    """A task whose truth can follow an image that is turned, mirrored, cut or enlarged while training.

    A task without this method is trained on images that stay where they are.
    """

    def moved(self, sample: Sample, motion: Motion) -> Sample | None:
        """The sample on the moved image, so that prompt and answer say what is measured there.

        Returns:
            ``None`` when the truth cannot follow this motion, or is no longer whole in the image.
        """
        ...


@dataclass(frozen=True)
class Answered:
    """One question with its answer, as a metric over all of them sees it.

    Attributes:
        sample: the question, with its truth.
        score: what the reply is worth; its ``values`` are ``None`` when no answer was found.
        probabilities: of every class of a closed set, in the order of the sample's classes; ``None`` when the model
            was not asked for them.
    """

    sample: Sample
    score: Score
    probabilities: Sequence[float] | None = None


@dataclass(frozen=True)
class Pooled:
    """A metric that is no mean over samples.

    Attributes:
        metric: name, unit and direction; ``unscored`` says nothing here.
        row: what one sample contributes, always as many numbers; ``None`` leaves it out.
        statistic: the metric, from the rows of all samples.
        bounds: lowest and highest value it can have, which make its interval better; ``None`` is not known.
    """

    metric: Metric
    row: Callable[[Answered], Sequence[float] | None]
    statistic: Statistic
    bounds: tuple[float, float] | None = None


@runtime_checkable
class Pools(Protocol):
    """A task with metrics that need all samples of a part at once, such as a median or an area under a curve."""

    def pooled(self, samples: Sequence[Sample]) -> tuple[Pooled, ...]:
        """The metrics, for these samples of one part of a mix."""
        ...


@runtime_checkable
class ClosedSet(Protocol):
    """A task whose answer is one of a few known beforehand, so that a model can be asked how probable each is."""

    def candidates(self, sample: Sample, view: View) -> Sequence[str]:
        """Every answer there is, each exactly as :meth:`Task.answer` would write it."""
        ...


@runtime_checkable
class Measures(Protocol):
    """A task whose answers are measurements, which can be set against the true ones in a plot."""

    def measured(self, sample: Sample, score: Score) -> Mapping[str, tuple[float, float]]:
        """Every quantity by its name for people, as (predicted, true) in the task's unit; empty without an answer."""
        ...


@runtime_checkable
class Draws(Protocol):
    """A task with truths that can be drawn at random without having seen any."""

    def drawn(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """The sample with a random truth in place of its own."""
        ...


@runtime_checkable
class Rewords(Protocol):
    """A task that can ask the same in other words, to see whether answers hang on the wording."""

    def reworded(self, sample: Sample, view: View) -> str | None:
        """The question in words that were never trained on, with the same facts and the same form of answer.

        Returns:
            ``None`` where the wording is not the task's own, as with a preset.
        """
        ...


def moved_sample(sample: Sample, motion: Motion, truth: Mapping[str, Any], places: Points = ()) -> Sample | None:
    """The sample on a moved image.

    Args:
        sample: before.
        motion: what happens to its image.
        truth: after.
        places: ``(n, 2)`` continuous pixels of the image before, which have to stay in sight.

    Returns:
        ``None`` when a place leaves the image, or comes nearer to its edge than :data:`MARGIN` and than it was.
    """
    if len(places) and not motion.keeps(places, MARGIN * min(motion.dst.h, motion.dst.w)):
        return None
    return replace(sample, size=motion.dst, spacing=motion.spacing, truth=truth)


def sample_of(task: Task, source: str, record: Record, truth: Mapping[str, Any], label: str) -> Sample:
    """The sample that asks ``task`` about ``label`` on a record.

    Args:
        task: the task that asks.
        source: name of the part of the mix, which keeps uids of two data sets apart.
        record: what the source says of the image.
        truth: see :class:`~medft_bm.core.types.Sample`.
        label: what is asked about; becomes a tag and, with the image, the uid.
    """
    image = record.image
    return Sample(
        uid=stable_uid(task.name, source, image.path, image.axis, image.index, label),
        task=task.name,
        source=source,
        subject=record.subject,
        image=image,
        size=record.size,
        spacing=record.spacing,
        truth=truth,
        tags={**record.tags, "label": label},
        split=record.split,
    )
