"""TRL's trainer, and the few places where stock behaviour would mislead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from medft_bm.config.training import Train
from medft_bm.train.collate import MARKS, MarkedBatches
from medft_bm.train.ledger import Ledger, not_finite
from medft_bm.train.loss import WEIGHTS, LossKind, weigh
from medft_bm.train.metered import MeteredTrainer
from medft_bm.train.optimizer import OwnRates
from medft_bm.train.sampling import EpochOrder, Ints, Order, row_lengths

if TYPE_CHECKING:
    from medft_bm.prepare.dataset import Prepared


@dataclass(frozen=True)
class About:
    """What the trainer knows of the rows beside what the model sees.

    Attributes:
        names: of the parts.
        uids: prepared rows by mode, ``train`` or ``eval``, to name them by.
        loss: ``train.loss``.
        parts: of every training row, when every step gets its share of them.
        lengths: of every training row in tokens, when rows of one length belong together.
    """

    names: Sequence[str]
    uids: Mapping[str, Any]
    loss: LossKind = "token"
    parts: Ints | None = None
    lengths: Ints | None = None

    @classmethod
    def of(cls, prepared: Prepared, train: Train) -> About:
        """Only what these settings need; reading the lengths of a million rows takes a while."""
        rows = prepared.rows("train")
        return cls(
            names=[part.name for part in prepared.parts],
            uids={"train": rows, "eval": prepared.rows("validation")},
            loss=train.loss,
            parts=np.array(rows["part"]) if train.sampling == "balanced" else None,
            lengths=row_lengths(rows) if train.group_by_length else None,
        )


class Trainer(MeteredTrainer):
    """``SFTTrainer`` with overrides that each say what goes wrong without them.

    Args:
        about: the rows.
        args: as for ``SFTTrainer``, like all others.
    """

    own_rates: OwnRates | None = None
    """Learning rates by tower, where they differ."""

    def create_optimizer(self, *model: Any) -> Any:
        """Stock knows one learning rate for the whole model."""
        fresh = self.optimizer is None or not hasattr(self.optimizer, "param_groups")
        optimizer = super().create_optimizer(*model)
        if self.own_rates is not None and fresh:
            self.own_rates.set_on(optimizer, model[0] if model else self.model)
        return optimizer

    def __init__(self, *args: Any, about: About, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Qwen's classes say that their own loss takes no number of tokens of a step. It is TRL's loss that is used, and
        # without that number every micro-batch would weigh the same, however few tokens it has.
        self.model_accepts_loss_kwargs = True
        self.about = about
        self.ledger = Ledger(self.accelerator, about.loss, about.names)
        self.data_collator: MarkedBatches = MarkedBatches(self.data_collator)

    def _get_train_sampler(self, train_dataset: Any = None) -> EpochOrder:
        """Stock orders know no parts, and a training resumed on several processes would repeat its first epoch's."""
        together = self.args.train_batch_size * self.args.world_size
        order = Order(
            rows=len(self.train_dataset if train_dataset is None else train_dataset),
            together=together,
            step=together * self.args.gradient_accumulation_steps,
            seed=self.args.seed if self.args.data_seed is None else self.args.data_seed,
            parts=self.about.parts,
            lengths=self.about.lengths,
        )
        return EpochOrder(order, epoch=lambda: int(self.state.epoch or 0))

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> tuple[list[Any], Any]:
        """The batches of one step, and what their losses are divided by: stock counts tokens only."""
        batches, count = super().get_batch_samples(epoch_iterator, num_batches, device)
        if self.about.loss != "token" and batches:
            count = weigh(batches, self.about.loss, len(self.about.names), self.accelerator.reduce)
        return batches, count

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """TRL's loss with weighted tokens; what each sample has is noted before TRL averages it away."""
        marks = {name: inputs.pop(name) for name in MARKS}
        weights = inputs.pop(WEIGHTS, None)

        def note(_module: Any, _args: Any, out: Any) -> None:
            if getattr(out, "log_probs", None) is None:  # another pass, for logits that some settings of TRL need
                return
            self.ledger.note(out, **marks)
            if weights is not None:
                out.log_probs = out.log_probs * weights[:, None]

        listening = model.register_forward_hook(note)
        try:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        finally:
            listening.remove()

    def _clip_grad_norm(self, model: Any) -> Any:
        """Stops before the optimiser makes every weight NaN: stock would go on, and save them."""
        norm = super()._clip_grad_norm(model)
        if (table := self.ledger.close_step(norm)) is not None:
            raise not_finite("loss", table, norm, self.state.global_step + 1, self.about.uids["train"])
        return norm

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Adds the loss of every part."""
        if self.model.training and "loss" in logs:
            logs.update(self.ledger.line())
        super().log(logs, start_time)

    def evaluation_loop(self, *args: Any, metric_key_prefix: str = "eval", **kwargs: Any) -> Any:
        """Adds the loss of every part; the mean over batches gives way to the loss that is trained on."""
        self.ledger.clear()
        output = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **kwargs)
        found, table = self.ledger.evaluation()
        if not table[:, 2].isfinite().all():
            raise not_finite("eval_loss", table, None, self.state.global_step, self.about.uids["eval"])
        output.metrics.update({f"{metric_key_prefix}_{name}": value for name, value in found.items()})
        return output
