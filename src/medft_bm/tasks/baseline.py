"""Guesses learnt from training samples that never look at the image: medians, random answers, the nearest sample's."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from medft_bm.core.geometry import PixelMap
from medft_bm.core.types import Sample, View
from medft_bm.tasks.base import Draws, Guess, Task


def group_medians(
    train: Sequence[Sample], group: Callable[[Sample], str], values: Callable[[Sample], Sequence[float]]
) -> Callable[[Sample], list[float] | None]:
    """Median of each value within a sample's group; over all training samples where the group is new.

    The median is the constant that minimises the mean absolute error, so it is the strongest guess of its kind.

    Returns:
        A function from a sample to the guess, ``None`` when there was nothing to learn from.
    """
    seen: dict[str, list[Sequence[float]]] = defaultdict(list)
    for sample in train:
        seen[group(sample)].append(values(sample))
    medians = {name: np.median(np.asarray(rows, np.float64), axis=0).tolist() for name, rows in seen.items()}
    overall = np.median(np.asarray([row for rows in seen.values() for row in rows]), axis=0).tolist() if seen else None
    return lambda sample: medians.get(group(sample), overall)


def random_guess(task: Task, train: Sequence[Sample]) -> Guess:
    """A truth that the task draws itself, or the answer of any training sample of the same label.

    Every sample has one draw, by a hash of its uid. A class is thus drawn as often as it occurs in training, and a box
    is anywhere in the image.
    """
    if isinstance(task, Draws):
        return lambda sample, view: task.answer(task.drawn(sample, np.random.default_rng(_hash(sample.uid))), view)
    groups = by_label(task, train)

    def guess(sample: Sample, view: View) -> str:
        donors = groups.get(label_of(sample), groups[None])
        return answer_of(task, pick(sample.uid, donors), sample, view)

    return guess if train else no_answer


def by_label(task: Task, train: Sequence[Sample]) -> Mapping[str | None, Sequence[Sample]]:
    """Training samples by what they are asked about, in the order of their uids, and all of them under ``None``.

    Where every sample of a label has the same answer, as with classes, the label may be the answer: there are no groups
    then, so that no guess is told what it is to guess.
    """
    ordered = sorted(train, key=lambda sample: sample.uid)
    groups: dict[str | None, list[Sample]] = defaultdict(list, {None: ordered})
    if _labels_leave_open(task, ordered):
        for sample in ordered:
            groups[label_of(sample)].append(sample)
    return groups


def _labels_leave_open(task: Task, train: Sequence[Sample]) -> bool:
    answers: dict[str, str] = {}
    for sample in train:
        answer = task.answer(sample, View(sample.size, sample.spacing, PixelMap.identity(sample.size), 0))
        if answers.setdefault(label_of(sample), answer) != answer:
            return True
    return False


def label_of(sample: Sample) -> str:
    """What the sample is asked about."""
    return sample.tags.get("label", "")


def answer_of(task: Task, donor: Sample, sample: Sample, view: View) -> str:
    """The answer about another sample, as if its image were stretched over this one's.

    Places stay where they are as fractions of the image; lengths in mm and angles are those of the other image.
    """
    to_view = PixelMap.stretch(donor.size, sample.size).then(view.from_slice)
    return task.answer(donor, replace(view, spacing=to_view.spacing(donor.spacing), from_slice=to_view))


def pick(uid: str, donors: Sequence[Sample]) -> Sample:
    """One of the donors, by a hash of the uid of the sample that needs an answer."""
    return donors[_hash(uid) % len(donors)]


def no_answer(sample: Sample, view: View) -> str:
    """The guess of those who have learnt nothing."""
    return ""


def _hash(uid: str) -> int:
    return int(hashlib.sha256(uid.encode()).hexdigest()[:16], 16)
