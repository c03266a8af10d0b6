"""Labels, answers and images of the rows, part by part."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from medft_bm.core.geometry import Box
from medft_bm.core.types import SPLITS, Sample, Split
from medft_bm.inspect.histogram import Histogram, histogram
from medft_bm.prepare.codec import load_sample

if TYPE_CHECKING:
    from medft_bm.prepare.dataset import Prepared

LOOKED_AT = 20_000
"""Rows of a split whose samples are decoded, evenly spread where there are more."""
MOST_LABELS = 12
"""Labels of a part that get a line; the rarer ones share one."""
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Label:
    """One label of a part.

    Attributes:
        name: as in the question; of several labels, how many.
        counts: rows by split.
        measures: histogram by name of what is measured.
    """

    name: str
    counts: Mapping[Split, int]
    measures: Mapping[str, Histogram]


@dataclass(frozen=True)
class PartFacts:
    """What the rows of one part are about.

    Attributes:
        name: of the part.
        task: that asks.
        source: that was read.
        labels: most frequent first.
        sizes: name to smallest, median and largest, over distinct images.
        unknown_spacing: images without a pixel size.
        images: distinct ones that were looked at.
        modalities: images by modality; empty where it is not stated.
    """

    name: str
    task: str
    source: str
    labels: list[Label]
    sizes: Mapping[str, tuple[float, float, float]]
    unknown_spacing: int
    images: int
    modalities: Mapping[str, int]

    @property
    def measures(self) -> list[str]:
        """Names of all that is measured on any label."""
        return list(dict.fromkeys(name for label in self.labels for name in label.measures))


@dataclass
class _Seen:
    """One part while it is read: values by label, measure and whether they are held out; distinct images."""

    counts: dict[str, Counter[Split]] = field(default_factory=lambda: defaultdict(Counter))
    values: dict[str, dict[str, tuple[list[float], list[float]]]] = field(default_factory=lambda: defaultdict(dict))
    images: dict[int, Sample] = field(default_factory=dict)

    def add(self, sample: Sample, measured: Mapping[str, float], split: Split, image: int) -> None:
        label = sample.tags.get("label", "")
        self.counts[label][split] += 1
        self.images.setdefault(image, sample)
        for name, value in measured.items():
            self.values[label].setdefault(name, ([], []))[split != "train"].append(value)


def part_facts(prepared: Prepared) -> tuple[list[PartFacts], dict[str, int]]:
    """Facts of every part, and how many rows of each split they are from."""
    seen = [_Seen() for _ in prepared.parts]
    looked: dict[str, int] = {}
    for split in SPLITS:
        rows = prepared.rows(split)
        places = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), LOOKED_AT)).round().astype(int))
        looked[split] = len(places)
        picked = rows.select(places.tolist()).select_columns(["part", "image", "sample", "completion"])
        for batch in picked.iter(1000):
            columns = (batch[name] for name in ("part", "image", "sample", "completion"))
            for part, image, text, completion in zip(*columns, strict=True):
                sample, unit = load_sample(text), prepared.parts[part].task.unit
                seen[part].add(sample, measures(sample, unit, completion[0]["content"]), split, image)
    return [_facts(part.name, part.task.name, part.source, one)
            for part, one in zip(prepared.parts, seen, strict=True)], looked  # fmt: skip


def measures(sample: Sample, unit: str, answer: str) -> dict[str, float]:
    """What the truth of a sample measures, by name and unit; empty for a class.

    Args:
        sample: the question.
        unit: of the answer.
        answer: the reference answer; its numbers are those a model learns to write.
    """
    truth, found = sample.truth, dict[str, float]()
    if "box" in truth:
        box, size, spacing = Box(*truth["box"]), sample.size, sample.spacing
        h, w = box.y1 - box.y0, box.x1 - box.x0
        found["area (% of the image)"] = 100 * h * w / (size.h * size.w)
        if spacing is not None:
            found["longer side (mm)"] = max(h * spacing.y, w * spacing.x)
    if unit:
        numbers = [float(number) for number in NUMBER.findall(answer)]
        axes = {"major", "major_mm"} & set(truth) and len(numbers) == 2
        names = ["major axis", "minor axis"] if axes else [str(truth.get("kind", "answer"))]
        found |= {f"{name} ({unit})": number for name, number in zip(names, numbers, strict=False)}
    return found


def _facts(name: str, task: str, source: str, seen: _Seen) -> PartFacts:
    known = [one for one in seen.images.values() if one.spacing is not None]
    columns: dict[str, list[float]] = {
        "height (px)": [one.size.h for one in seen.images.values()],
        "width (px)": [one.size.w for one in seen.images.values()],
        "pixel height (mm)": [one.spacing.y for one in known if one.spacing],
        "pixel width (mm)": [one.spacing.x for one in known if one.spacing],
    }
    modalities = Counter(one.tags.get("modality", "") for one in seen.images.values())
    sizes = {column: _ends(values) for column, values in columns.items() if values}
    unknown = len(seen.images) - len(known)
    return PartFacts(name, task, source, _labels(seen), sizes, unknown, len(seen.images), dict(modalities))


def _ends(values: list[float]) -> tuple[float, float, float]:
    return float(min(values)), float(np.median(values)), float(max(values))


def _labels(seen: _Seen) -> list[Label]:
    """A line for each of the most frequent labels, on common axes, and one for all others."""
    ordered = sorted(seen.counts, key=lambda name: (-seen.counts[name].total(), name))
    groups = [(name, [name]) for name in ordered[:MOST_LABELS]]
    if rest := ordered[MOST_LABELS:]:
        groups.append((f"{len(rest)} others", rest))
    ranges: dict[str, list[float]] = defaultdict(list)
    for of in seen.values.values():
        for measure, (train, held) in of.items():
            ranges[measure] += [*train, *held]
    return [Label(name, _summed(seen, members), _measured(seen, members, ranges)) for name, members in groups]


def _summed(seen: _Seen, labels: list[str]) -> dict[Split, int]:
    return {split: sum(seen.counts[label][split] for label in labels) for split in SPLITS}


def _measured(seen: _Seen, labels: list[str], ranges: Mapping[str, list[float]]) -> dict[str, Histogram]:
    found: dict[str, Any] = {}
    for measure, every in ranges.items():
        train, held = (
            [value for label in labels for value in seen.values[label].get(measure, ([], []))[which]]
            for which in (0, 1)
        )
        if train or held:
            found[measure] = histogram(train, held, every)
    return found
