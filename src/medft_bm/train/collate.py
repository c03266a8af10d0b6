"""Batches that know which rows they are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from medft_bm.train.settings import FOR_IMAGES

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


def marked_collator(processor: Any, sft: Mapping[str, Any]) -> MarkedBatches:
    """The collator that the trainer makes of the same settings, for looking at batches without a trainer.

    Args:
        processor: of the checkpoint; gets a padding token where it has none.
        sft: ``train.sft``.
    """
    from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

    tokenizer = processor.tokenizer
    tokenizer.pad_token = sft.get("pad_token") or tokenizer.pad_token or tokenizer.eos_token
    settings = {name: FOR_IMAGES[name] for name in ("max_length", "completion_only_loss")}
    more = {"pad_to_multiple_of": sft.get("pad_to_multiple_of")}
    return MarkedBatches(DataCollatorForVisionLanguageModeling(processor=processor, **settings, **more))
