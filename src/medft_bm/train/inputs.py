"""Frozen towers are not passed backwards through."""

from __future__ import annotations

from typing import Any

from transformers import TrainerCallback


class FrozenInputs(TrainerCallback):  # type: ignore[misc]
    """Leaves the outputs of embeddings as they are when activations are recomputed.

    TRL and transformers each make them require a gradient, text and image patches alike, so that re-entrant
    recomputation has something to start from. Ours is not re-entrant and needs none, and with them a frozen vision
    tower would be gone through backwards for nothing: twice the operations of a step where images are most of it.
    """

    @classmethod
    def of(cls, trainer: Any) -> FrozenInputs:
        """For a trainer as it was made: takes away what TRL put there."""
        made = cls()
        made.on_train_begin(trainer.args, trainer.state, trainer.control, trainer.model)
        return made

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Called by the trainer after transformers has done the same again."""
        # DeepSpeed ZeRO-3 with adapters recomputes re-entrantly, whatever it is told.
        if not (args.gradient_checkpointing_kwargs or {}).get("use_reentrant"):
            model.disable_input_require_grads()
