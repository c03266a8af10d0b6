"""The config's words arrive in TRL under the right names."""

from __future__ import annotations

import pytest

from medft_bm.core.errors import ConfigError
from medft_bm.train.settings import FIXED, OWN_KEYS, check_sft_names, sft_config

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


def test_a_value_that_the_trainer_refuses_is_a_config_error(helpers, tmp_path):
    with pytest.raises(ConfigError, match="refuses"):
        sft_config(helpers.config(tmp_path, tmp_path / "run", sft={"optim": "no such optimiser"}), validate=False)
