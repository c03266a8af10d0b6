"""Training through TRL's real trainer, on tiny checkpoints of the real classes."""

from __future__ import annotations

import json
import logging

import pytest
import torch

from medft_bm.core.errors import ConfigError, DataError, MedftError
from medft_bm.train.run import train_model, training_dtype


def lines(run) -> list[dict]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_lora_training_leaves_an_adapter_and_nothing_half_written(adapter):
    assert adapter.name == "adapter"
    assert {"adapter_config.json", "adapter_model.safetensors", "chat_template.jinja", "generation_config.json"} <= {
        path.name for path in adapter.iterdir()
    }
    assert not {"training_args.bin", "README.md"} & {path.name for path in adapter.iterdir()}
    left = {path.name for path in adapter.parent.iterdir()}
    assert {"adapter", "checkpoints", "environment.json", "metrics.jsonl", "training.json"} <= left
    assert not [name for name in left if name.startswith(".")]


def test_the_adapter_on_its_base_loads_and_differs_from_the_base(adapter, checkpoint, family, prepared):
    from peft import PeftModel

    from medft_bm.train.parity import Probes, compare

    loaded = family.load(str(checkpoint), revision=None, dtype="float32", attention="sdpa")
    probes = Probes.encode(loaded, prepared.items("train")[:2])
    base = probes.logits(loaded.model)
    tuned = probes.logits(PeftModel.from_pretrained(loaded.model, str(adapter)))
    assert compare(base, tuned).largest > 1e-4


def test_the_saved_tokenizer_is_the_base_s_byte_for_byte(adapter, checkpoint):
    for name in ("tokenizer.json", "processor_config.json", "chat_template.jinja"):
        assert (adapter / name).read_bytes() == (checkpoint / name).read_bytes(), name


def test_only_language_layers_carry_the_adapter(adapter):
    from safetensors import safe_open

    with safe_open(adapter / "adapter_model.safetensors", "pt") as weights:
        names = list(weights.keys())
    assert names
    assert all("language_model" in name and ".lora_" in name for name in names)


def test_the_loss_log_has_training_and_validation_lines(adapter):
    logged = lines(adapter.parent)
    assert [line["step"] for line in logged if "loss" in line] == [1, 2, 3, 4]
    assert [line["step"] for line in logged if "eval_loss" in line] == [2, 4]
    assert all(line["learning_rate"] >= 0 for line in logged if "loss" in line)


def test_the_environment_names_versions_and_no_path(adapter):
    facts = json.loads((adapter.parent / "environment.json").read_text())
    assert facts["packages"]["torch"] == torch.__version__.split("+")[0]
    assert facts["processes"] == 1
    assert "/" not in json.dumps(facts)


def test_full_training_lowers_the_loss_and_saves_a_model_that_reloads(checkpoint, family, prepared, helpers, tmp_path):
    config = helpers.config(checkpoint, tmp_path / "run", method="full", max_steps=12, device_batch=4, lr=3e-3)

    out = train_model(prepared, family, config)

    losses = [line["loss"] for line in lines(tmp_path / "run") if "loss" in line]
    assert losses[-1] < 0.8 * losses[0]
    assert out == tmp_path / "run" / "model"
    again = family.load(str(out), revision=None, dtype="float32", attention="sdpa")
    assert again.processor.chat_template
    assert not (out / "adapter_config.json").exists()
    assert json.loads((out / "config.json").read_text()).get("use_cache", True)
    base = family.load(str(checkpoint), revision=None, dtype="float32", attention="sdpa")
    assert again.model.generation_config.eos_token_id == base.model.generation_config.eos_token_id


def test_the_same_seed_gives_the_same_losses(checkpoint, family, prepared, helpers, tmp_path):
    for name in ("a", "b"):
        train_model(prepared, family, helpers.config(checkpoint, tmp_path / name, max_steps=3))
    first, second = ([line["loss"] for line in lines(tmp_path / n) if "loss" in line] for n in ("a", "b"))
    assert first == second


def test_gradient_checkpointing_and_accumulation_and_workers_work_together(
    checkpoint, family, prepared, helpers, tmp_path
):
    settings = {"gradient_checkpointing": True, "accumulation": 2, "workers": 1, "max_steps": 1}
    assert train_model(prepared, family, helpers.config(checkpoint, tmp_path / "run", **settings)).is_dir()


def test_without_validation_rows_there_is_no_validation(checkpoint, family, helpers, tmp_path):
    rows = helpers.rows(family, tmp_path, train=4, validation=0)
    train_model(rows, family, helpers.config(checkpoint, tmp_path / "run", max_steps=1))
    assert not any("eval_loss" in line for line in lines(tmp_path / "run"))


def test_no_training_rows_is_a_data_error_before_any_model_is_loaded(family, helpers, tmp_path):
    rows = helpers.rows(family, tmp_path, train=0, validation=2)
    with pytest.raises(DataError, match="no training rows"):
        train_model(rows, family, helpers.config(tmp_path / "no model here", tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("wish", "why"), [("never", "already holds a training"), ("auto", "train.lr is 0.001 and was 0.005")]
)
def test_a_run_folder_is_used_for_one_training(adapter, checkpoint, family, prepared, helpers, wish, why):
    before = (adapter / "adapter_model.safetensors").read_bytes()
    with pytest.raises(ConfigError, match=why):
        train_model(prepared, family, helpers.config(checkpoint, adapter.parent, resume=wish))
    assert (adapter / "adapter_model.safetensors").read_bytes() == before


def test_a_loss_that_is_no_number_stops_the_training_and_leaves_no_adapter(
    checkpoint, family, prepared, helpers, tmp_path
):
    from medft_bm.train.run import make_trainer
    from medft_bm.train.settings import sft_config

    config = helpers.config(checkpoint, tmp_path / "run", method="full", max_steps=3)
    loaded = family.load(str(checkpoint), revision=None, dtype="float32", attention="sdpa")
    trainer = make_trainer(prepared, family, config, loaded, sft_config(config, validate=False))
    with torch.no_grad():
        next(iter(loaded.model.parameters())).fill_(float("nan"))
    with pytest.raises(MedftError, match=r"(loss|grad_norm) is nan at step 1"):
        trainer.train()


def test_a_training_shorter_than_one_line_of_the_log_is_watched_too(checkpoint, family, prepared, helpers, tmp_path):
    from medft_bm.train.run import make_trainer
    from medft_bm.train.settings import sft_config

    config = helpers.config(checkpoint, tmp_path / "run", method="full", max_steps=2, logging_steps=50)
    loaded = family.load(str(checkpoint), revision=None, dtype="float32", attention="sdpa")
    trainer = make_trainer(prepared, family, config, loaded, sft_config(config, validate=False))
    with torch.no_grad():
        next(iter(loaded.model.parameters())).fill_(float("nan"))
    with pytest.raises(MedftError, match="loss is nan at step 1"):
        trainer.train()


def test_the_progress_is_logged_in_plain_lines(checkpoint, family, prepared, helpers, tmp_path, caplog, capfd):
    with caplog.at_level(logging.INFO, logger="medft_bm"):
        train_model(prepared, family, helpers.config(checkpoint, tmp_path / "run", max_steps=1))
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert "LoRA trains" in said
    assert "labels:" in said
    assert "step 1 of 1" in said
    assert capfd.readouterr().out == ""


def test_adapters_may_train_over_bfloat16_but_all_weights_only_in_float32(helpers, tmp_path):
    full = helpers.config(tmp_path, tmp_path, method="full")
    assert training_dtype(full) == "float32"
    lora = helpers.config(tmp_path, tmp_path, method="lora")
    assert training_dtype(lora) == ("bfloat16" if torch.cuda.is_available() else "float32")
