"""Recomputing activations costs a frozen tower no backward pass, and changes no gradient."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import TrainerCallback

from medft_bm.train.run import make_trainer
from medft_bm.train.settings import sft_config


class Seen(TrainerCallback):
    """Whether the first layer of the vision tower was asked for gradients, and what the adapters got."""

    def __init__(self):
        self.asked, self.gradients = [], {}

    def on_step_begin(self, args, state, control, model=None, **_):
        tower = next(part for name, part in model.named_modules() if name.endswith(("vision_tower", "visual")))
        self.listening = next(
            layer.register_forward_pre_hook(lambda _, inputs: self.asked.append(inputs[0].requires_grad))
            for name, layer in tower.named_modules()
            if name.endswith((".layers.0", "blocks.0"))
        )

    def on_pre_optimizer_step(self, args, state, control, model=None, **_):
        self.listening.remove()
        named = model.named_parameters()
        self.gradients = {name: weight.grad.clone() for name, weight in named if weight.grad is not None}


def one_step(checkpoint, family, prepared, helpers, run, *, hooks):
    config = helpers.config(checkpoint, run, max_steps=1, gradient_checkpointing=True)
    loaded = family.load(str(checkpoint), revision=None, dtype="float32", attention="sdpa")
    torch.manual_seed(0)
    trainer = make_trainer(prepared, family, config, loaded, sft_config(config, validate=False))
    seen = Seen()
    trainer.add_callback(seen)
    if hooks:
        trainer.callback_handler.callbacks = [
            callback for callback in trainer.callback_handler.callbacks if type(callback).__name__ != "FrozenInputs"
        ]
    with FlopCounterMode(display=False) as counted:
        trainer.train()
    return seen, counted.get_total_flops()


@pytest.mark.filterwarnings("ignore:.*checkpointing.*:FutureWarning")
def test_a_frozen_vision_tower_is_not_gone_through_backwards(checkpoint, family, prepared, helpers, tmp_path):
    ours, few = one_step(checkpoint, family, prepared, helpers, tmp_path / "ours", hooks=False)
    stock, many = one_step(checkpoint, family, prepared, helpers, tmp_path / "stock", hooks=True)

    assert ours.asked == [False] * len(ours.asked) != []
    if family.name != "qwen3_vl":  # whose patches are embedded where transformers does not look
        assert True in stock.asked, "transformers no longer does it: FrozenInputs can go"
        assert few < 0.9 * many
    assert ours.gradients
    assert ours.gradients.keys() == stock.gradients.keys()
    assert all(torch.equal(ours.gradients[name], stock.gradients[name]) for name in ours.gradients)
