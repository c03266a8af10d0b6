"""The config's words arrive in TRL under the right names."""

from __future__ import annotations

import pytest

from medft_bm.core.errors import ConfigError
from medft_bm.train.settings import FIXED, OWN_KEYS, check_sft_names, sft_config, typed_sft

KNOWN = {"adam_beta2", "optim", "learning_rate", "fp16"}


def test_every_problem_under_sft_is_reported_at_once():
    with pytest.raises(ConfigError) as caught:
        check_sft_names({"adam_beta3": 0.9, "learning_rate": 1.0, "fp16": True, "optim": "sgd"}, KNOWN)
    assert "adam_beta3 is no field of SFTConfig; did you mean 'adam_beta2'?" in caught.value.what
    assert "learning_rate is set by train.lr" in caught.value.what
    assert "fp16 is fixed" in caught.value.what
    assert "optim" not in caught.value.what


def test_every_name_that_is_ours_is_a_real_field():
    import dataclasses

    from trl import SFTConfig

    fields = {field.name for field in dataclasses.fields(SFTConfig)}
    assert set(OWN_KEYS) | set(FIXED) <= fields | {"activation_checkpointing"}  # transformers 5.23 and newer


def test_what_the_config_says_is_what_the_trainer_gets(helpers, tmp_path):
    import torch

    config = helpers.config(
        tmp_path, tmp_path / "run", max_steps=40, warmup=0.25, lr=3e-4, accumulation=3, sft={"adam_beta2": 0.98}
    )
    made = sft_config(config, validate=True)
    assert (made.learning_rate, made.max_steps, made.gradient_accumulation_steps) == (3e-4, 40, 3)
    assert made.get_warmup_steps(40) == 10
    assert made.adam_beta2 == 0.98
    assert made.eval_strategy == "steps"
    assert (made.max_length, made.remove_unused_columns, made.completion_only_loss) == (None, False, True)
    assert (made.use_cpu, bool(made.bf16)) == (not torch.cuda.is_available(), torch.cuda.is_available())
    assert made.fp16 is False


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [("adam_beta2", "0.98", 0.98), ("adam_epsilon", "1e-9", 1e-9), ("data_seed", "3", 3), ("tf32", "false", False),
     ("dataloader_drop_last", "true", True), ("optim", "sgd", "sgd"), ("optim_args", None, None)],
)  # fmt: skip
def test_text_becomes_the_type_of_its_field(name, text, value):
    (made,) = typed_sft({name: text}).values()
    assert made == value
    assert type(made) is type(value)


def test_a_value_of_another_type_is_refused_and_named():
    with pytest.raises(ConfigError, match=r"adam_beta2 is 'much'.*; data_seed is 1.5"):
        typed_sft({"adam_beta2": "much", "data_seed": 1.5, "optim": "sgd"})


def test_every_field_is_reachable_ours_or_fixed_with_a_reason(helpers, tmp_path):
    """What is none of these three would be a setting that nobody can change and nobody explains."""
    import dataclasses

    from trl import SFTConfig

    defaults = {
        field.name: field.default for field in dataclasses.fields(SFTConfig) if field.default is not dataclasses.MISSING
    }
    free = {name: value for name, value in defaults.items() if name not in OWN_KEYS and name not in FIXED}
    free["include_num_input_tokens_seen"] = "no"  # one of TRL's defaults is deprecated by transformers
    made = sft_config(helpers.config(tmp_path, tmp_path / "run", sft=free), validate=False)
    assert made.adam_beta2 == defaults["adam_beta2"]
    assert all(FIXED.values())


@pytest.mark.parametrize(
    ("old", "new"), [("warmup_ratio", "train.warmup"), ("evaluation_strategy", "train.eval_steps")]
)
def test_a_field_that_is_gone_says_what_took_its_place(old, new):
    with pytest.raises(ConfigError, match=f"{old} is gone; use {new}"):
        typed_sft({old: 1})


def test_the_best_checkpoint_is_asked_of_the_trainer(helpers, tmp_path):
    best = {"best": {"metric": "skill", "patience": 1}, "save_steps": 3, "eval_steps": 3}
    made = sft_config(helpers.config(tmp_path, tmp_path / "run", **best), validate=True)
    assert (made.load_best_model_at_end, made.metric_for_best_model, made.greater_is_better) == (True, "skill", True)
    assert sft_config(helpers.config(tmp_path, tmp_path / "run", eval_steps=0), validate=True).eval_strategy == "no"


def test_every_evaluation_that_may_be_the_best_has_a_checkpoint(helpers, tmp_path):
    with pytest.raises(ValueError, match="the same value"):
        helpers.config(tmp_path, tmp_path, best={"metric": "loss"}, save_steps=4, eval_steps=2)


def test_a_value_that_the_trainer_refuses_is_a_config_error(helpers, tmp_path):
    with pytest.raises(ConfigError, match="refuses"):
        sft_config(helpers.config(tmp_path, tmp_path / "run", sft={"optim": "no such optimiser"}), validate=False)
