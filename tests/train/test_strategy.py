"""What ``train.strategy`` means to the trainer, and what is refused before anything starts."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
import torch

from medft_bm.config.training import Train
from medft_bm.core.errors import ConfigError, DependencyError
from medft_bm.train import strategy
from medft_bm.train.strategy import ZERO, check_strategy, shard_by_layer, strategy_settings


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")


def preset(name: str) -> dict:
    return json.loads((files("medft_bm.train") / "presets" / f"{name}.json").read_text())


@pytest.mark.parametrize("name", ["auto", "ddp"])
def test_ddp_searches_for_no_unused_weights_and_needs_no_launcher(name, monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    assert strategy_settings(Train(strategy=name)) == {"ddp_find_unused_parameters": False}


@pytest.mark.parametrize("method", ["lora", "full"])
def test_every_trained_weight_takes_part_in_every_step(checkpoint, family, prepared, helpers, tmp_path, method):
    from medft_bm.train.run import make_trainer
    from medft_bm.train.settings import sft_config

    towers = {"vision": {"train": "lora"}} if method == "lora" else {}
    config = helpers.config(checkpoint, tmp_path / "run", method=method, towers=towers)
    loaded = family.load(str(checkpoint), revision=None, dtype="float32", attention="sdpa")
    trainer = make_trainer(prepared, family, config, loaded, sft_config(config, validate=False))

    trainer.compute_loss(trainer.model.train(), next(iter(trainer.get_train_dataloader()))).backward()

    trained = {name: weight for name, weight in trainer.model.named_parameters() if weight.requires_grad}
    assert trained
    assert [name for name, weight in trained.items() if weight.grad is None] == []


@pytest.mark.parametrize("name", ["fsdp", *ZERO])
def test_what_shards_needs_a_launcher_even_for_one_process(name, monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(ConfigError, match=f"{name} needs a launcher") as caught:
        strategy_settings(Train(strategy=name))
    assert "torchrun" in caught.value.fix


@pytest.mark.parametrize("own", [{"deepspeed": "ds.json"}, {"fsdp": True}, {"fsdp_config": {"version": 2}}])
@pytest.mark.usefixtures("launched")
def test_a_strategy_beside_settings_of_one_s_own_is_refused(own):
    with pytest.raises(ConfigError, match=f"zero2, and train.sft sets {next(iter(own))}"):
        strategy_settings(Train(strategy="zero2", sft=own))
    assert strategy_settings(Train(sft=own)) == {}


@pytest.mark.parametrize("name", ["zero3", "zero3_offload"])
@pytest.mark.usefixtures("launched")
def test_zero3_refuses_weights_of_four_bits(name):
    with pytest.raises(ConfigError, match="4 bits"):
        strategy_settings(Train(strategy=name, method="qlora"))


@pytest.mark.parametrize("train", [{"strategy": "zero2"}, {"sft": {"deepspeed": "ds.json"}}])
@pytest.mark.usefixtures("launched")
def test_without_deepspeed_it_says_what_to_install(train, monkeypatch):
    monkeypatch.setattr(strategy, "find_spec", lambda name: None)
    with pytest.raises(DependencyError) as caught:
        strategy_settings(Train(**train))
    assert "pip install deepspeed" in caught.value.fix


@pytest.mark.usefixtures("launched")
def test_offloading_without_a_compiler_says_what_to_install(monkeypatch, tmp_path):
    pytest.importorskip("deepspeed")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DependencyError, match=r"needs ninja and (c|g)\+\+"):
        strategy_settings(Train(strategy="zero2_offload"))
    assert strategy_settings(Train(strategy="zero2"))["deepspeed"]["zero_optimization"]["stage"] == 2


@pytest.mark.parametrize("name", ZERO)
def test_a_preset_is_what_deepspeed_understands(name):
    config = pytest.importorskip("deepspeed.runtime.zero.config")
    zero = preset(name)["zero_optimization"]
    known = set(config.DeepSpeedZeroConfig.model_fields) | {
        field.alias for field in config.DeepSpeedZeroConfig.model_fields.values()
    }

    assert set(zero) <= known
    assert zero["stage"] == int(name[4])
    assert ("offload_optimizer" in zero) == name.endswith("offload")
    assert ("offload_param" in zero) == (name == "zero3_offload")
    assert ("stage3_gather_16bit_weights_on_model_save" in zero) == name.startswith("zero3")


@pytest.mark.parametrize("name", ZERO)
def test_presets_differ_in_what_they_share_and_nowhere_else(name):
    this, plain = preset(name), preset(name.removesuffix("_offload"))
    assert {**this, "zero_optimization": 0} == {**preset("zero2"), "zero_optimization": 0}
    kept = {key: value for key, value in this["zero_optimization"].items() if not key.startswith("offload")}
    assert kept == plain["zero_optimization"]


class Fsdp:
    """FSDP's arguments as the trainer gets them, without processes."""

    def __init__(self, folder, monkeypatch, **config) -> None:
        from trl import SFTConfig

        for name in ("RANK", "FSDP_CPU_RAM_EFFICIENT_LOADING"):
            monkeypatch.setenv(name, "0")  # what transformers sets in its place is undone with it
        given = strategy_settings(Train(strategy="fsdp"))
        given["fsdp_config"].update(config)
        monkeypatch.delenv("RANK")
        self.arguments = SFTConfig(output_dir=str(folder), use_cpu=True, bf16=False, **given)

    def plugin(self):
        from accelerate.utils import FullyShardedDataParallelPlugin

        return FullyShardedDataParallelPlugin(**self.arguments.fsdp_plugin_args)


def test_fsdp_cuts_every_layer_of_both_towers_and_nothing_else(checkpoint, family, tmp_path, monkeypatch):
    from accelerate.utils.fsdp_utils import fsdp2_prepare_auto_wrap_policy

    fsdp = Fsdp(tmp_path, monkeypatch)
    model = family.load(str(checkpoint), revision=None, dtype="float32", attention="sdpa").model

    shard_by_layer(fsdp.arguments, model)

    policy = fsdp2_prepare_auto_wrap_policy(fsdp.plugin(), model)
    cut = [name for name, module in model.named_modules() if policy(module)]
    assert len(cut) == 1 + 2  # the checkpoint's layers of the vision and of the language tower
    assert {name.rsplit(".", 1)[0].split(".")[-1] for name in cut} <= {"layers", "blocks"}


def test_fsdp_computes_in_bfloat16_but_sums_gradients_in_float32(checkpoint, family, tmp_path, monkeypatch):
    fsdp = Fsdp(tmp_path, monkeypatch)
    model = family.load(str(checkpoint), revision=None, dtype="float32", attention="sdpa").model
    fsdp.arguments.bf16 = True

    shard_by_layer(fsdp.arguments, model)

    plugin = fsdp.plugin()
    plugin.set_mixed_precision("bf16")  # as accelerate does, which must not win
    policy = plugin.mixed_precision_policy
    assert (policy.param_dtype, policy.reduce_dtype, policy.output_dtype) == (torch.bfloat16, torch.float32, None)
    assert plugin.fsdp_version == 2
    assert plugin.cpu_ram_efficient_loading


def test_fsdp_s_own_checkpointing_is_refused(tmp_path, monkeypatch):
    fsdp = Fsdp(tmp_path, monkeypatch, activation_checkpointing=True)
    with pytest.raises(ConfigError, match="empty adapter"):
        shard_by_layer(fsdp.arguments, model=None)


@pytest.mark.parametrize(("asked", "said"), [("fsdp", "FSDP needs GPUs"), ("deepspeed", "keeps DeepSpeed")])
def test_a_strategy_that_did_not_come_about_is_an_error(asked, said):
    class Arguments:
        fsdp = asked == "fsdp"
        deepspeed = {} if asked == "fsdp" else {"zero_optimization": {}}

    class Trainer:
        args = Arguments()
        is_fsdp_enabled = is_deepspeed_enabled = False

    with pytest.raises(ConfigError, match=said):
        check_strategy(Trainer())
