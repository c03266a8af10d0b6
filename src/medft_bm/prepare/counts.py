"""What is in a prepared dataset, counted part by part."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from medft_bm.config.schema import Part
from medft_bm.core.types import SPLITS, Split
from medft_bm.prepare.codec import size_spacing_tags
from medft_bm.prepare.stored import Kept


@dataclass
class Members:
    """Of one part in one split."""

    samples: int = 0
    images: set[int] = field(default_factory=set)
    subjects: set[str] = field(default_factory=set)


@dataclass
class Counts:
    """Of one part.

    Attributes:
        splits: its members.
        labels: questions about each label, by split.
        images: rows of the image table.
        sizes: distinct images by (h, w) in px.
        spacings: distinct images by (y, x) in mm, where known.
        modalities: distinct images by modality.
        datasets: distinct images by data set, where their source reads several.
    """

    splits: dict[Split, Members] = field(default_factory=lambda: defaultdict(Members))
    labels: dict[str, Counter[Split]] = field(default_factory=lambda: defaultdict(Counter))
    images: set[int] = field(default_factory=set)
    sizes: Counter[tuple[float, float]] = field(default_factory=Counter)
    spacings: Counter[tuple[float, float]] = field(default_factory=Counter)
    modalities: Counter[str] = field(default_factory=Counter)
    datasets: Counter[str] = field(default_factory=Counter)

    def add(self, one: Kept) -> None:
        """Count one sample."""
        members = self.splits[one.split]
        members.samples += 1
        members.images.add(one.row)
        members.subjects.add(one.entry.subject)
        self.labels[one.entry.label][one.split] += 1
        if one.row in self.images:
            return
        self.images.add(one.row)
        size, spacing, tags = size_spacing_tags(one.entry.text)
        self.sizes[size["h"], size["w"]] += 1
        if spacing:
            self.spacings[spacing["y"], spacing["x"]] += 1
        self.modalities[tags.get("modality", "")] += 1
        if "dataset" in tags:
            self.datasets[tags["dataset"]] += 1


def count(parts: int, kept: Iterable[Kept]) -> list[Counts]:
    """Counts of every part, by its number."""
    counts = [Counts() for _ in range(parts)]
    for one in kept:
        counts[one.entry.part].add(one)
    return counts


def summary(parts: Sequence[Part], counts: Sequence[Counts]) -> list[dict[str, Any]]:
    """Samples, images and subjects by split and part."""
    return [
        {
            "part": part.name,
            "task": part.task,
            "split": split,
            "samples": here.splits[split].samples,
            "images": len(here.splits[split].images),
            "subjects": len(here.splits[split].subjects),
        }
        for split in SPLITS
        for part, here in zip(parts, counts, strict=True)
        if split in here.splits
    ]
