"""The order in which training samples come: one function of the seed and the epoch, whatever was run before."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Sampler

Ints: TypeAlias = NDArray[np.int64]

WINDOW_STEPS = 50  # as many as transformers sorts by length at a time
CHARACTERS_PER_TOKEN = 3  # of prompts full of digits; image tokens are known exactly and are most of a row


@dataclass(frozen=True)
class Order:
    """How one epoch is ordered; every row comes exactly once.

    Attributes:
        rows: how many.
        together: rows that all processes work on at one time, each its own share.
        step: rows of one optimiser step, a multiple of ``together``.
        seed: of all epochs.
        parts: of every row, to give each step the parts in the proportion of the whole; ``None`` for any order.
        lengths: of every row, to put rows of about one length together; ``None`` for any order.
    """

    rows: int
    together: int
    step: int
    seed: int
    parts: Ints | None = None
    lengths: Ints | None = None

    def epoch(self, number: int) -> Ints:
        """Rows in the order of this epoch."""
        # The order of the trainer's own sampler, so that a plain training is one that transformers would do.
        shuffle = torch.Generator().manual_seed(self.seed + number)
        order: Ints = torch.randperm(self.rows, generator=shuffle).numpy()
        rng = np.random.default_rng([self.seed, number])
        if self.parts is not None:
            order = _spread(order, self.parts, rng)
            order = _shuffled_inside(order, self.step, rng)
        if self.lengths is not None:
            window = self.step if self.parts is not None else WINDOW_STEPS * self.step
            order = _grouped(order, self.lengths, window, self.together, rng)
        return order


class EpochOrder(Sampler[int]):  # type: ignore[misc]
    """Sampler of an :class:`Order`.

    It asks for the epoch instead of counting or being told: ``set_epoch`` of accelerate 1.15 does not reach a sampler
    behind skipped batches on several processes, and a resumed training would repeat the order of its first epoch.

    Args:
        order: of every epoch.
        epoch: number of the epoch that begins now.
    """

    def __init__(self, order: Order, epoch: Callable[[], int]) -> None:
        self.order = order
        self.epoch = epoch

    def __len__(self) -> int:
        return self.order.rows

    def __iter__(self) -> Iterator[int]:
        yield from self.order.epoch(self.epoch()).tolist()


def row_lengths(rows: Any) -> Ints:
    """Tokens of every prepared row, those of its text by their characters."""
    lengths: list[int] = []
    for batch in rows.select_columns(["view", "prompt", "completion"]).iter(1000):  # by rows it takes ten times as long
        for view, *texts in zip(batch["view"], batch["prompt"], batch["completion"], strict=True):
            characters = sum(len(turn["content"]) for turns in texts for turn in turns)
            lengths.append(json.loads(view)["image_tokens"] + characters // CHARACTERS_PER_TOKEN)
    return np.array(lengths, np.int64)


def _spread(order: Ints, parts: Ints, rng: np.random.Generator) -> Ints:
    """Every part at even distances over the epoch, from a start of its own; inside a part the order stays."""
    of = parts[order]
    counts = np.bincount(of)
    by_part = np.argsort(of, kind="stable")
    place = np.empty(len(of))
    place[by_part] = np.arange(len(of)) - (np.cumsum(counts) - counts)[of[by_part]]
    return order[np.argsort((place + rng.random(len(counts))[of]) / counts[of], kind="stable")]


def _shuffled_inside(order: Ints, step: int, rng: np.random.Generator) -> Ints:
    """No process and no micro-batch gets always the same part."""
    return order[np.lexsort((rng.random(len(order)), np.arange(len(order)) // step))]


def _grouped(order: Ints, lengths: Ints, window: int, together: int, rng: np.random.Generator) -> Ints:
    """Sorted by length inside windows, and then in a random order of groups, so that length is no trend."""
    places = np.arange(len(order))
    windows, groups = places // window, places // together
    order = order[np.lexsort((lengths[order], windows))]
    turn = rng.random(groups[-1] + 1)
    if len(order) % together:
        turn[-1] = 1  # a group that is not full stays last: ahead of others it would shift their borders
    return order[np.lexsort((turn[groups], windows))]
