"""Batches that know which rows they are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

MARKS = ("row", "part")
"""Columns that travel with a batch and never reach the model: place in the prepared rows, index of the part."""


@dataclass(frozen=True)
class MarkedBatches:
    """TRL's collator, with the marks of every example beside what it makes; a class, so that workers can pickle it."""

    collate: Callable[[list[dict[str, Any]]], Any]

    def __call__(self, examples: list[dict[str, Any]]) -> Any:
        """A batch with one whole number per example under each name of :data:`MARKS`."""
        marks = {name: torch.tensor([example[name] for example in examples]) for name in MARKS}
        batch = self.collate(examples)
        for name, values in marks.items():
            batch[name] = values
        return batch
