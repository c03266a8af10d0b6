"""Keep as many samples as asked for, chosen so that adding data never reshuffles what was there."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence

from medft_bm.config.schema import Data, Limits
from medft_bm.core.errors import DataError
from medft_bm.core.types import SPLITS, Sample
from medft_bm.prepare.split import unit_hash

log = logging.getLogger(__name__)


def select(samples: Sequence[Sample], data: Data) -> list[Sample]:
    """Apply the limits per task, then in total, each per split; order is by split, then by hash.

    Raises:
        DataError: nothing is left for training or testing at all.
    """
    chosen = _limited(_shuffled(samples, data.seed, "task"), data.limit_per_task, lambda sample: sample.task)
    # A second, independent order: what a per-task limit kept of a large task has small hashes in the first.
    chosen = _limited(_shuffled(chosen, data.seed, "total"), data.limit, lambda sample: "all tasks")
    if not chosen:
        raise DataError(
            f"none of the {len(samples)} samples is left after limits",
            where="data.limit, data.limit_per_task",
            fix="raise the limits; 0 drops a split, unset or -1 keeps all of it",
        )
    return sorted(chosen, key=lambda sample: SPLITS.index(sample.split or "train"))


def _shuffled(samples: Sequence[Sample], seed: int, stage: str) -> list[Sample]:
    return sorted(samples, key=lambda sample: (unit_hash(seed, stage, sample.uid), sample.uid))


def _limited(samples: Sequence[Sample], limits: Limits, group: Callable[[Sample], str]) -> list[Sample]:
    kept: list[Sample] = []
    counts: Counter[tuple[str, str]] = Counter()
    for sample in samples:
        key = (group(sample), sample.split or "train")
        limit = getattr(limits, key[1])
        if limit is None or counts[key] < limit:
            kept.append(sample)
        counts[key] += 1
    for (name, split), count in sorted(counts.items()):
        limit = getattr(limits, split)
        if limit is not None and limit > count:
            log.info("%s, %s: the limit is %d and there are %d samples; using all", name, split, limit, count)
    return kept
