"""Adapters sit where they were asked for."""

from __future__ import annotations

import logging

import pytest

from medft_bm.config.training import Lora
from medft_bm.core.errors import ConfigError, MedftError
from medft_bm.train.lora import check_adapters, lora_config


@pytest.fixture
def base(checkpoint, family):
    return family.load(str(checkpoint), revision=None, dtype="float32", attention="sdpa").model


def test_every_tower_asked_for_gets_adapters_and_the_count_is_logged(base, family, caplog):
    from peft import get_peft_model

    lora = Lora(rank=4, parts=["vision", "language"])
    with caplog.at_level(logging.INFO, logger="medft_bm"):
        counts = check_adapters(get_peft_model(base, lora_config(lora, family)), lora, family)
    assert counts["language"] == 14
    assert counts["vision"] > 0
    assert "LoRA trains" in caplog.text


def test_an_asked_tower_without_adapters_is_refused(base, family):
    from peft import get_peft_model

    model = get_peft_model(base, lora_config(Lora(parts=["language"]), family))
    with pytest.raises(MedftError, match="no adapter was attached to vision"):
        check_adapters(model, Lora(parts=["language", "vision"]), family)


def test_a_trainable_weight_of_the_base_is_refused(base, family):
    from peft import get_peft_model

    lora = Lora()
    model = get_peft_model(base, lora_config(lora, family))
    model.get_input_embeddings().weight.requires_grad_(True)
    with pytest.raises(MedftError, match=r"1 weights outside the adapters.*embed"):
        check_adapters(model, lora, family)


def test_a_tower_that_lora_cannot_adapt_is_a_config_error(family):
    if family.name != "gemma3":
        assert "merger" in lora_config(Lora(parts=["projector"]), family).target_modules
        return
    with pytest.raises(ConfigError, match="projector"):
        lora_config(Lora(parts=["projector"]), family)
