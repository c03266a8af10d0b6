"""Which of several classes does the image show?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.motion import Motion
from medft_bm.core.records import ClassLabel, Record, Skip
from medft_bm.core.registry import did_you_mean
from medft_bm.core.types import Metric, Sample, Score, View
from medft_bm.tasks.base import Guess, Pooled, sample_of
from medft_bm.tasks.class_metrics import class_metrics
from medft_bm.tasks.reading.classes import read_class
from medft_bm.tasks.reading.refusal import Refusal
from medft_bm.tasks.wording import scene

PROMPT = "{scene} Which of these does it show: {classes}? Answer with one of these names only."
REWORDED = "{scene} Choose what it shows from this list: {classes}. Reply with the chosen name and nothing else."


@dataclass(frozen=True)
class Classification:
    """One class of a closed list, answered by its name.

    Attributes:
        positive: classes that count as positive where the list is also read as positive or negative (sensitivity,
            specificity, predictive values); empty for no such reading.
    """

    name: ClassVar[str] = "classification"
    summary: ClassVar[str] = "the class of an image, by name"
    version: ClassVar[int] = 1
    unit: ClassVar[str] = ""
    metrics: ClassVar[tuple[Metric, ...]] = (Metric("accuracy"),)

    positive: tuple[str, ...] = ()

    def samples(self, record: Record, source: str, skip: Skip) -> Iterator[Sample]:
        """One sample per class label of the record."""
        for label in record.annotations:
            if not isinstance(label, ClassLabel):
                continue
            if not 0 <= label.class_id < len(label.classes):
                raise DataError(
                    f"class {label.class_id} is not one of the {len(label.classes)} classes",
                    where=record.image.path,
                    fix="check the class list of the source",
                )
            self._check_positive(label.classes)
            truth = {"class_id": label.class_id, "classes": list(label.classes)}
            yield sample_of(self, source, record, truth, label.classes[label.class_id])

    def _check_positive(self, classes: Sequence[str]) -> None:
        unknown = [name for name in self.positive if name not in classes]
        if unknown:
            what = f"positive: {unknown[0]!r} is not a class{did_you_mean(unknown[0], classes)}"
            raise ConfigError(what, where=f"task {self.name}", fix="write class names as the source spells them")
        if self.positive and set(self.positive) == set(classes):
            what = "positive: it holds every class, so none is negative"
            raise ConfigError(what, where=f"task {self.name}", fix="leave the negative classes out")

    def prompt(self, sample: Sample, view: View) -> str:
        """The question with every class name."""
        return PROMPT.format(scene=scene(sample), classes=", ".join(sample.truth["classes"]))

    def reworded(self, sample: Sample, view: View) -> str:
        """The same list, asked for otherwise."""
        return REWORDED.format(scene=scene(sample), classes=", ".join(sample.truth["classes"]))

    def answer(self, sample: Sample, view: View) -> str:
        """The class name."""
        return str(sample.truth["classes"][sample.truth["class_id"]])

    def candidates(self, sample: Sample, view: View) -> list[str]:
        """The name of every class, in the order of their ids."""
        return [str(name) for name in sample.truth["classes"]]

    def score(self, sample: Sample, view: View, reply: str) -> Score:
        """Accuracy: 1 for the right class, else 0."""
        said = read_class(reply, sample.truth["classes"])
        if isinstance(said, Refusal):
            return Score(None, why=said)
        return Score({"accuracy": float(said == sample.truth["class_id"])}, said)

    def pooled(self, samples: Sequence[Sample]) -> tuple[Pooled, ...]:
        """Metrics of the whole list of classes (see ``tasks/class_metrics.py``); none where lists differ."""
        classes = samples[0].truth["classes"]
        if any(sample.truth["classes"] != classes for sample in samples):
            return ()
        occurring = {int(sample.truth["class_id"]) for sample in samples}
        return class_metrics(classes, occurring, {classes.index(name) for name in self.positive})

    def moved(self, sample: Sample, motion: Motion) -> Sample:
        """The same class: it is one of the whole image, and has no place that could be lost."""
        return replace(sample, size=motion.dst, spacing=motion.spacing)

    def baseline(self, train: Sequence[Sample]) -> Guess:
        """The most frequent class."""
        counts = Counter(sample.tags["label"] for sample in train)
        # Ties by name, so that the guess does not depend on the order of the samples.
        majority = min(counts, key=lambda label: (-counts[label], label), default="")
        return lambda sample, view: majority
