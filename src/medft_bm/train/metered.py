"""TRL's trainer with a log that says how fast it is."""

from __future__ import annotations

from typing import Any

from medft_bm.train.steady import SteadyTrainer
from medft_bm.train.throughput import Throughput


class MeteredTrainer(SteadyTrainer):
    """``SFTTrainer`` that counts what goes through it; stock rates include start-up, evaluation and saving.

    Attributes:
        throughput: what counts, if anything.
    """

    throughput: Throughput | None = None

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> tuple[list[Any], Any]:
        """Times how long the step waits for its batches, and counts what is in them."""
        if self.throughput is None:
            return super().get_batch_samples(epoch_iterator, num_batches, device)  # type: ignore[no-any-return]
        with self.throughput.fetching() as fetched:
            batches, count = super().get_batch_samples(epoch_iterator, num_batches, device)
            fetched.extend(batches)
        return batches, count

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds the rates since the last line of training, and those of the whole training to its last line."""
        if self.throughput is not None and "loss" in logs:
            logs.update(self.throughput.line())
        elif self.throughput is not None and "train_loss" in logs:
            logs.update(self.throughput.summary())
        super().log(logs, start_time)
