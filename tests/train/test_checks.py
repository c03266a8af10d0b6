"""The checks at the start let a sound training pass without a trace, and stop each kind of broken one."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils._pytree import tree_map

from medft_bm.core.errors import MedftError
from medft_bm.train.adapted import check_effect, check_names, nudged, saved_weights
from medft_bm.train.checks import StartChecks
from medft_bm.train.features import check_features
from medft_bm.train.gradients import check_gradients
from medft_bm.train.rehearsal import Rehearsal
from medft_bm.train.run import make_trainer
from medft_bm.train.settings import sft_config
from medft_bm.train.towers import tower_of

CHECKS = ["labels", "image tokens", "gradients", "adapters", "adapter names", "attention"]


@pytest.fixture
def make(checkpoint, family, prepared, helpers, tmp_path):
    """A trainer that is about to start, with whatever settings."""

    def make(name="run", **train):
        config = helpers.config(checkpoint, tmp_path / name, **train)
        loaded = family.load(str(checkpoint), revision=None, dtype="float32", attention="sdpa")
        return make_trainer(prepared, family, config, loaded, sft_config(config, validate=False))

    return make


@pytest.fixture
def rehearsal(make):
    return Rehearsal.of(make(), [0, 5])


def detached(_module, _inputs, out):
    return tree_map(lambda leaf: leaf.detach() if isinstance(leaf, torch.Tensor) else leaf, out)


def report(folder):
    return json.loads((folder / "startup.json").read_text())


def test_the_checks_leave_no_trace(make, family, prepared, tmp_path):
    trainer = make(loss="task")
    state = [value.clone() for value in trainer.model.state_dict().values()]
    mode = trainer.model.training
    draws = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()

    StartChecks(trainer, prepared.items("train"), family, tmp_path / "run").on_train_begin(None, trainer.state, None)

    assert [(line["check"], line["outcome"]) for line in report(tmp_path / "run")] == [
        (name, "passed") for name in CHECKS
    ]
    assert all(map(torch.equal, trainer.model.state_dict().values(), state))
    assert all(weight.grad is None for weight in trainer.model.parameters())
    assert trainer.model.training == mode
    assert torch.equal(torch.get_rng_state(), draws[0])
    assert (np.random.get_state()[1] == draws[1]).all()
    assert random.getstate() == draws[2]
    assert not trainer._metrics["train"]
    assert trainer._total_train_tokens == 0


def test_a_training_goes_on_bit_for_bit_as_if_nothing_had_been_checked(make, family, prepared, tmp_path):
    if family.name != "gemma3":
        pytest.skip("nothing in it depends on the family")
    losses, weights = [], []
    for name in ("checked", "plain"):
        trainer = make(name, loss="task", gradient_checkpointing=True)  # with dropout
        if name == "checked":
            trainer.add_callback(StartChecks(trainer, prepared.items("train"), family, tmp_path / name))
        trainer.train()
        losses.append([(line["loss"], line["num_tokens"]) for line in trainer.state.log_history if "loss" in line])
        weights.append(list(trainer.model.state_dict().values()))
    assert losses[0] == losses[1]
    assert all(map(torch.equal, *weights))


def test_an_adapter_that_is_cut_off_from_the_loss_is_named(rehearsal, family):
    name, layer = next((n, m) for n, m in rehearsal.trainer.model.named_modules() if hasattr(m, "lora_B"))
    layer.lora_B["default"].register_forward_hook(detached)
    with pytest.raises(MedftError, match="no gradient to 2 adapter tensors") as refused:
        check_gradients(rehearsal, family)
    assert name in str(refused.value)


def test_a_tower_that_is_cut_off_from_the_loss_is_named(make, family):
    trainer = make(towers={"vision": {"train": "full"}})
    for name, module in trainer.model.named_modules():
        if tower_of(name, family) == "projector":
            module.register_forward_hook(detached)
    with pytest.raises(MedftError, match="no gradient to the vision tower"):
        check_gradients(Rehearsal.of(trainer, [0]), family)


def test_every_weight_of_a_full_fine_tuning_gets_a_gradient(make, family):
    said = check_gradients(Rehearsal.of(make(method="full"), [0, 1]), family)
    assert "finite gradients on all" in said


def test_a_weight_that_is_no_number_is_named(rehearsal, family):
    name, weight = next((n, w) for n, w in rehearsal.trainer.model.named_parameters() if "embed_tokens" in n)
    with torch.no_grad():
        weight[3:] = float("nan")
    with pytest.raises(MedftError, match="loss of the first batch is nan") as refused:
        check_gradients(rehearsal, family)
    assert name in str(refused.value)


def test_gradients_that_are_no_numbers_are_named(rehearsal, family):
    name, half = next((n, w) for n, w in rehearsal.trainer.model.named_parameters() if ".lora_B." in n)
    half.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(MedftError, match="gradients of 1 weights are no numbers") as refused:
        check_gradients(rehearsal, family)
    assert name in str(refused.value)


def test_half_an_adapter_may_be_still_only_while_the_other_half_is_zero(rehearsal, family):
    half = next(w for n, w in rehearsal.trainer.model.named_parameters() if ".lora_A." in n)
    half.register_hook(torch.zeros_like)
    check_gradients(rehearsal, family)
    with nudged(rehearsal.trainer.model), pytest.raises(MedftError, match="no gradient to 1 adapter"):
        check_gradients(rehearsal, family)


def test_adapters_that_are_switched_off_are_refused(rehearsal):
    assert "moves the loss" in check_effect(rehearsal)
    with rehearsal.trainer.model.disable_adapter(), pytest.raises(MedftError, match="whatever the 14 adapters say"):
        check_effect(rehearsal)


def test_a_nudge_is_taken_back_bit_for_bit(rehearsal):
    before = {name: value.clone() for name, value in rehearsal.trainer.model.state_dict().items()}
    check_effect(rehearsal)
    after = rehearsal.trainer.model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


@pytest.mark.parametrize("towers", [{}, {"vision": {"train": "full"}}], ids=["adapters", "a tower beside adapters"])
def test_names_that_do_not_load_again_are_refused(make, towers):
    model = make(towers=towers).model
    saved = saved_weights(model)
    check_names(model, saved)
    for name in (next(iter(saved)), next(reversed(saved))):
        renamed = {f"x.{key}" if key == name else key: value for key, value in saved.items()}
        with pytest.raises(MedftError, match="lost between saving and loading"):
            check_names(model, renamed)


def test_a_trained_weight_that_the_adapter_does_not_hold_is_refused(rehearsal):
    model = rehearsal.trainer.model
    norm = next(weight for name, weight in model.named_parameters() if "norm" in name)
    norm.requires_grad_(True)
    with pytest.raises(MedftError, match="1 weights would be lost"):
        check_names(model, saved_weights(model))


def test_an_image_without_its_vectors_is_refused(rehearsal):
    assert "image tokens" in check_features(rehearsal)
    batch = dict(rehearsal.batch)
    if "image_grid_thw" in batch:
        first = int(batch["image_grid_thw"][0].prod())
        batch |= {"image_grid_thw": batch["image_grid_thw"][:1], "pixel_values": batch["pixel_values"][:first]}
    else:
        batch["pixel_values"] = batch["pixel_values"][:1]
    with pytest.raises(MedftError, match=r"hold \d+ image tokens, but the vision tower makes \d+ vectors"):
        check_features(replace(rehearsal, batch=batch))


def test_a_failed_check_stops_the_training_before_its_first_step_and_is_written_down(make, family, prepared, tmp_path):
    trainer = make()
    trainer.data_collator.collate.completion_only_loss = False
    trainer.add_callback(StartChecks(trainer, prepared.items("train"), family, tmp_path / "run"))
    with pytest.raises(MedftError, match="image token carries loss"):
        trainer.train()
    assert trainer.state.global_step == 0
    assert [(line["check"], line["outcome"]) for line in report(tmp_path / "run")] == [("labels", "failed")]


def test_what_needs_the_whole_model_is_skipped_where_no_process_has_it(make, family, prepared, tmp_path):
    trainer = make()
    trainer.is_deepspeed_enabled = True
    checks = StartChecks(trainer, prepared.items("train"), family, tmp_path / "run")
    checks.on_train_begin(trainer.args, trainer.state, trainer.control)
    assert [(line["check"], line["outcome"]) for line in report(tmp_path / "run")] == [
        ("labels", "passed"),
        ("model", "skipped"),
    ]
