"""The answer of the training sample that is nearest by what is known of an image without looking at it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medft_bm.core.types import Sample, View
from medft_bm.tasks.base import Guess, Task
from medft_bm.tasks.baseline import answer_of, by_label, label_of, no_answer, pick


def nearest_guess(task: Task, train: Sequence[Sample]) -> Guess:
    """The answer of the nearest training sample.

    Nearest is the one of the same label with most tags alike (modality, plane, anatomy and whatever else the source
    states), and among those the one nearest in slice number, image size and pixel size, each measured in its standard
    deviations over the training samples. What is still equal is picked by a hash.
    """
    groups = {label: _Shelf.of(samples) for label, samples in by_label(task, train).items() if samples}

    def guess(sample: Sample, view: View) -> str:
        shelf = groups.get(label_of(sample), groups[None])
        return answer_of(task, shelf.nearest(sample), sample, view)

    return guess if train else no_answer


@dataclass(frozen=True)
class _Places:
    """Training samples that have equally many tags in common with a sample, by where they are."""

    tree: Any
    samples: Sequence[Sequence[Sample]]

    @classmethod
    def of(cls, samples: Sequence[Sample], places: NDArray[np.float64]) -> _Places:
        from scipy.spatial import KDTree  # heavy

        distinct, place = np.unique(places, axis=0, return_inverse=True)
        at: list[list[Sample]] = [[] for _ in distinct]
        for sample, index in zip(samples, place.ravel().tolist(), strict=True):
            at[index].append(sample)
        return cls(KDTree(distinct), at)


@dataclass(frozen=True)
class _Shelf:
    """Training samples, indexed by tags and place.

    Attributes:
        samples: in the order of their uids.
        tags: names of the tags that are compared.
        keys: ``(distinct, tags)`` every combination of values that occurs, as numbers.
        codes: per tag, the number of every value.
        members: per combination, who has it.
        places: ``(samples, 5)`` in standard deviations.
        scale: standard deviation of each.
    """

    samples: Sequence[Sample]
    tags: Sequence[str]
    keys: NDArray[np.int64]
    codes: Sequence[dict[str, int]]
    members: Sequence[NDArray[np.intp]]
    places: NDArray[np.float64]
    scale: NDArray[np.float64]
    _alike: dict[tuple[int, ...], _Places] = field(default_factory=dict)
    _merged: dict[tuple[int, ...], _Places] = field(default_factory=dict)

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> _Shelf:
        tags = sorted({name for sample in samples for name in sample.tags} - {"label"})
        codes: list[dict[str, int]] = [{} for _ in tags]
        members: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for index, sample in enumerate(samples):
            values = zip(codes, (sample.tags.get(tag, "") for tag in tags), strict=True)
            members[tuple(known.setdefault(value, len(known)) for known, value in values)].append(index)
        places = np.array([_place(sample) for sample in samples])
        spread = places.std(axis=0)
        scale = np.where(spread > 0, spread, 1.0)
        keys = np.array(list(members), np.int64).reshape(len(members), len(tags))
        return cls(samples, tags, keys, codes, [np.array(who) for who in members.values()], places / scale, scale)

    def nearest(self, sample: Sample) -> Sample:
        """The training sample most like this one."""
        key = tuple(known.get(sample.tags.get(tag, ""), -1) for known, tag in zip(self.codes, self.tags, strict=True))
        if key not in self._alike:
            self._alike[key] = self._with_most_equal(key)
        places = self._alike[key]
        _, index = places.tree.query(np.array(_place(sample)) / self.scale)
        return pick(sample.uid, places.samples[index])

    def _with_most_equal(self, key: tuple[int, ...]) -> _Places:
        equal = (self.keys == np.array(key, np.int64)).sum(axis=1)
        best = tuple(np.flatnonzero(equal == equal.max()).tolist())
        if best not in self._merged:
            who = np.sort(np.concatenate([self.members[k] for k in best]))
            self._merged[best] = _Places.of([self.samples[index] for index in who], self.places[who])
        return self._merged[best]


def _place(sample: Sample) -> tuple[float, ...]:
    """Slice number, and logarithms of image and pixel size, which compare by ratio; what is unknown is 0."""
    spacing = (0.0, 0.0) if sample.spacing is None else (math.log(sample.spacing.y), math.log(sample.spacing.x))
    return float(sample.image.index or 0), math.log(sample.size.h), math.log(sample.size.w), *spacing
