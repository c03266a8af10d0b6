"""Which of several classes does the image show?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from medft_bm.core.errors import DataError
from medft_bm.core.motion import Motion
from medft_bm.core.records import ClassLabel, Record, Skip
from medft_bm.core.types import Metric, Sample, Score, View
from medft_bm.tasks.base import Guess, sample_of
from medft_bm.tasks.reply import read_class
from medft_bm.tasks.wording import scene

PROMPT = "{scene} Which of these does it show: {classes}? Answer with one of these names only."


@dataclass(frozen=True)
class Classification:
    """One class of a closed list, answered by its name."""

    name: ClassVar[str] = "classification"
    summary: ClassVar[str] = "the class of an image, by name"
    version: ClassVar[int] = 1
    unit: ClassVar[str] = ""
    metrics: ClassVar[tuple[Metric, ...]] = (Metric("accuracy"),)

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
            truth = {"class_id": label.class_id, "classes": list(label.classes)}
            yield sample_of(self, source, record, truth, label.classes[label.class_id])

    def prompt(self, sample: Sample, view: View) -> str:
        """The question with every class name."""
        return PROMPT.format(scene=scene(sample), classes=", ".join(sample.truth["classes"]))

    def answer(self, sample: Sample, view: View) -> str:
        """The class name."""
        return str(sample.truth["classes"][sample.truth["class_id"]])

    def score(self, sample: Sample, view: View, reply: str) -> Score:
        """Accuracy: 1 for the right class, else 0."""
        said = read_class(reply, sample.truth["classes"])
        if said is None:
            return Score(None, why="the reply does not name exactly one class")
        return Score({"accuracy": float(said == sample.truth["class_id"])}, said)

    def moved(self, sample: Sample, motion: Motion) -> Sample:
        """The same class: it is one of the whole image, and has no place that could be lost."""
        return replace(sample, size=motion.dst, spacing=motion.spacing)

    def baseline(self, train: Sequence[Sample]) -> Guess:
        """The most frequent class."""
        counts = Counter(sample.tags["label"] for sample in train)
        # Ties by name, so that the guess does not depend on the order of the samples.
        majority = min(counts, key=lambda label: (-counts[label], label), default="")
        return lambda sample, view: majority
