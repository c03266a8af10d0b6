"""A step before the first one that leaves no trace, for the checks at the start of a training."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from medft_bm.train.stopping import same_randomness


@dataclass(frozen=True)
class Rehearsal:
    """A trainer that is about to start, with one of its batches.

    Attributes:
        trainer: in ``on_train_begin``, when devices, precision, checkpointing of activations and resumed weights are
            as they will be.
        batch: as the collator made it, on the trainer's device.
        count: what the trainer divides its loss by.
    """

    trainer: Any
    batch: dict[str, Any]
    count: Any

    @classmethod
    def of(cls, trainer: Any, rows: Sequence[int]) -> Rehearsal:
        """Collate these rows of the training set as the one batch of a step."""
        collated = trainer.data_collator([trainer.train_dataset[row] for row in rows])
        batches, count = trainer.get_batch_samples(iter([trainer._prepare_inputs(collated)]), 1, trainer.args.device)
        return cls(trainer, batches[0], count)

    def step(self) -> float:
        """Loss of a forward and backward pass as in training; the gradients stay on the weights."""
        with self.trainer.accelerator.autocast():
            return float(self.trainer.training_step(self.trainer.model, dict(self.batch), self.count))

    def loss(self) -> float:
        """Loss of a forward pass, with dropout; the same random numbers give the same loss."""
        import torch

        trainer = self.trainer
        with torch.no_grad(), untouched(trainer), trainer.accelerator.autocast():
            return float(trainer.compute_loss(trainer.model, dict(self.batch), num_items_in_batch=self.count))


@contextmanager
def untouched(trainer: Any) -> Iterator[None]:
    """Put back what a step moves: random numbers and averages of the log; drop its gradients and free its memory."""
    import torch

    averages, tokens = copy.deepcopy(trainer._metrics), trainer._total_train_tokens
    mode = trainer.model.training
    with same_randomness():
        try:
            trainer.model.train()
            yield
        finally:
            trainer.model.zero_grad(set_to_none=True)
            trainer.model.train(mode)
            trainer.ledger.clear()
            trainer._metrics, trainer._total_train_tokens = averages, tokens
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
