"""Trivial guesses learnt from training samples, per group, that never look at the image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from medft_bm.core.types import Sample


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
