"""What is trained is counted on the model, and nothing else changes."""

from __future__ import annotations

import json
import logging
import shutil

import pytest
import torch
from peft import get_peft_model

from medft_bm.core.errors import ConfigError, MedftError
from medft_bm.models.loading import with_adapter
from medft_bm.train.lora import lora_config
from medft_bm.train.merge import merge_adapter
from medft_bm.train.method import adapters_for
from medft_bm.train.parity import Probes, compare
from medft_bm.train.run import make_trainer, save_result, training_dtype
from medft_bm.train.settings import sft_config
from medft_bm.train.towers import plan_towers, tower_of
from medft_bm.train.trainable import check_trainable, in_float32

BESIDE = {"vision": {"train": "full", "lr": 1e-4}, "projector": {"train": "full", "lr": 1e-2}}


@pytest.fixture
def base(checkpoint, family):
    return family.load(str(checkpoint), revision=None, dtype="float32", attention="sdpa").model


@pytest.fixture
def adapted(helpers, family, base, tmp_path):
    def adapted(**settings):
        config = helpers.config(tmp_path, tmp_path, **settings)
        plans = plan_towers(config, family)
        return get_peft_model(base, lora_config(config, plans, base, family)), plans

    return adapted


@pytest.fixture
def trainer_for(checkpoint, family, prepared, helpers, tmp_path):
    """A trainer as training makes it."""

    def trainer_for(**settings):
        config = helpers.config(checkpoint, tmp_path / "run", **settings)
        loaded = family.load(
            str(checkpoint),
            revision=None,
            dtype=training_dtype(config),
            attention="sdpa",
            quantized=config.train.method == "qlora",
        )
        return make_trainer(prepared, family, config, loaded, sft_config(config, validate=False))

    return trainer_for


def test_layers_and_weights_are_counted_by_tower_and_logged(adapted, family, caplog):
    model, plans = adapted(towers={"vision": {"train": "lora", "lr": 1e-5}, "projector": {"train": "full"}})
    with caplog.at_level(logging.INFO, logger="medft_bm"):
        made = check_trainable(model, "lora", plans, family)

    assert made.weights == sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    assert made.towers["language"].adapted_layers == 14
    assert made.towers["vision"].adapted_layers > 0
    assert made.towers["vision"].lr == 1e-5
    assert made.towers["vision"].full_weights == made.towers["language"].full_weights == 0
    assert made.towers["projector"].full_weights > 0
    assert len(made.target_modules) == sum(tower.adapted_layers for tower in made.towers.values())
    assert all(isinstance(model.get_base_model().get_submodule(name), torch.nn.Module) for name in made.target_modules)
    assert all(tower_of(name, family) == "projector" for name in made.modules_to_save)
    assert "LoRA trains" in caplog.text
    assert "vision adapters on" in caplog.text


def test_a_tower_without_its_adapters_is_refused(adapted, family, helpers, tmp_path):
    model, _ = adapted()
    asked = helpers.config(tmp_path, tmp_path, towers={"vision": {"train": "lora"}})
    with pytest.raises(MedftError, match="no adapter was attached to the vision tower"):
        check_trainable(model, "lora", plan_towers(asked, family), family)


def test_adapters_on_a_frozen_tower_are_refused(adapted, family, helpers, tmp_path):
    model, _ = adapted(towers={"vision": {"train": "lora"}})
    with pytest.raises(MedftError, match="attached to the vision tower, which is frozen"):
        check_trainable(model, "lora", plan_towers(helpers.config(tmp_path, tmp_path), family), family)


def test_a_whole_tower_that_would_not_change_is_refused(adapted, family, helpers, tmp_path):
    model, _ = adapted()
    asked = helpers.config(tmp_path, tmp_path, towers={"projector": {"train": "full"}})
    with pytest.raises(MedftError, match="no weight of the projector tower would change"):
        check_trainable(model, "lora", plan_towers(asked, family), family)


def test_a_trainable_weight_of_the_base_is_refused(adapted, family):
    model, plans = adapted()
    model.get_input_embeddings().weight.requires_grad_(True)
    with pytest.raises(MedftError, match=r"1 weights outside the adapters.*embed"):
        check_trainable(model, "lora", plans, family)


def test_what_is_trained_over_a_bfloat16_base_is_float32_and_the_base_is_not(checkpoint, family, helpers, tmp_path):
    config = helpers.config(tmp_path, tmp_path, towers={"projector": {"train": "full"}})
    base = family.load(str(checkpoint), revision=None, dtype="bfloat16", attention="sdpa").model
    model = get_peft_model(base, lora_config(config, plan_towers(config, family), base, family))
    assert any(weight.requires_grad and weight.dtype == torch.bfloat16 for weight in model.parameters())

    in_float32(model)

    dtypes = {(weight.requires_grad, weight.dtype) for weight in model.parameters()}
    assert dtypes == {(True, torch.float32), (False, torch.bfloat16)}


def test_whole_towers_train_at_their_own_rate_and_travel_with_the_adapter(
    trainer_for, checkpoint, family, prepared, tmp_path
):
    trainer = trainer_for(towers=BESIDE, max_steps=3, gradient_checkpointing=True, lr=5e-3)
    before = {name: weight.detach().clone() for name, weight in trainer.model.named_parameters()}
    trainer.train()

    moved = {name for name, weight in trainer.model.named_parameters() if not torch.equal(weight, before[name])}
    assert {tower_of(name, family) for name in moved} == {"vision", "projector", "language"}
    assert all(".lora_" in name or ".modules_to_save." in name for name in moved)
    peaks = {group["initial_lr"] for group in trainer.optimizer.param_groups}
    assert peaks == {1e-4, 1e-2, 5e-3}

    out, probes = save_result(trainer, tmp_path / "run" / "adapter"), prepared.items("validation")
    plain = family.load(str(checkpoint), revision=None, dtype="float32", attention="sdpa")
    questions = Probes.encode(plain, probes)
    again = questions.logits(with_adapter(plain, out).model)
    assert compare(questions.logits(trainer.model.eval()), again).largest < 1e-5
    merge_adapter(str(checkpoint), out, tmp_path / "merged", family, probes, "float32")
    check_merged_towers(checkpoint, tmp_path / "merged", family)


def check_merged_towers(checkpoint, merged, family):
    from safetensors.torch import load_file

    old, new = (load_file(folder / "model.safetensors") for folder in (checkpoint, merged))
    assert old.keys() == new.keys()
    changed = {name for name in old if not torch.equal(old[name], new[name])}
    assert {tower_of(name, family) for name in changed} == {"vision", "projector", "language"}


def test_an_adapter_that_lost_a_whole_tower_is_refused(adapter, checkpoint, family, tmp_path):
    broken = shutil.copytree(adapter, tmp_path / "broken")
    settings = json.loads((broken / "adapter_config.json").read_text())
    settings["modules_to_save"] = [family.towers["projector"][0]]
    (broken / "adapter_config.json").write_text(json.dumps(settings))
    base = family.load(str(checkpoint), revision=None, dtype="float32", attention="sdpa")
    with pytest.raises(ConfigError, match="the adapter does not fit the base model"):
        with_adapter(base, broken)


@pytest.mark.parametrize("lora", [{"dora": True, "rslora": True}, {"modules_to_save": ["embed_tokens"]}], ids=str)
def test_every_kind_of_adapter_trains_merges_and_keeps_the_base_s_shape(
    trainer_for, checkpoint, family, prepared, tmp_path, lora
):
    trainer = trainer_for(lora={"rank": 4, "alpha": 8, **lora}, lr=5e-3)
    trainer.train()
    out = save_result(trainer, tmp_path / "run" / "adapter")

    report = merge_adapter(str(checkpoint), out, tmp_path / "merged", family, prepared.items("validation"), "float32")

    assert report.effect > 1e-3
    assert (tmp_path / "merged" / "model.safetensors").stat().st_size == (
        checkpoint / "model.safetensors"
    ).stat().st_size
    facts = json.loads((tmp_path / "run" / "trainable.json").read_text())
    assert facts["towers"]["language"]["full_weights"] > 0 or "dora" in lora


def test_gradients_reach_adapters_of_the_vision_tower_under_checkpointing(trainer_for, family):
    trainer = trainer_for(towers={"vision": {"train": "lora"}}, gradient_checkpointing=True, max_steps=1, warmup=0)
    assert moved_towers(trainer, family) == {"vision", "language"}
    assert all(getattr(module, "gradient_checkpointing", True) for module in trainer.model.modules())


def moved_towers(trainer, family):
    """Towers of which some weight is another after the training."""
    before = {name: weight.detach().clone() for name, weight in trainer.model.named_parameters()}
    trainer.train()
    after = trainer.model.named_parameters()
    return {tower_of(name, family) for name, weight in after if not torch.equal(weight, before[name])}


def test_qlora_trains_over_four_bits_and_its_adapter_belongs_to_the_full_base(
    trainer_for, checkpoint, family, prepared, tmp_path
):
    trainer = trainer_for(method="qlora", lr=5e-3, towers={"projector": {"train": "full"}})
    trained = [weight for weight in trainer.model.parameters() if weight.requires_grad]
    assert {weight.dtype for weight in trained} == {torch.float32}
    trainer.train()
    assert any("Params4bit" in type(weight).__name__ for weight in trainer.model.parameters())

    out = save_result(trainer, tmp_path / "run" / "adapter")
    report = merge_adapter(str(checkpoint), out, tmp_path / "merged", family, prepared.items("validation"), "float32")

    assert report.effect > 1e-3
    assert json.loads((tmp_path / "run" / "trainable.json").read_text())["method"] == "qlora"
    assert "quantization_config" not in json.loads((tmp_path / "merged" / "config.json").read_text())


def test_a_full_fine_tuning_leaves_a_frozen_tower_as_it_was(trainer_for, family):
    trainer = trainer_for(method="full", towers={"vision": {"train": "frozen"}})
    assert moved_towers(trainer, family) == {"projector", "language"}


def test_kernels_that_cannot_be_had_are_refused_before_training(base, family, helpers, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("this machine has what the kernels need")
    config = helpers.config(tmp_path, tmp_path, liger=True)
    with pytest.raises(MedftError, match=r"liger-kernel (is not installed|run on a GPU)") as caught:
        adapters_for(config, family, base)
    assert caught.value.where == "train.liger"
