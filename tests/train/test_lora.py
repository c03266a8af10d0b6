"""Adapters and whole modules sit where they were asked for."""

from __future__ import annotations

import pytest

from medft_bm.core.errors import ConfigError
from medft_bm.train.lora import lora_config
from medft_bm.train.towers import plan_towers


@pytest.fixture
def base(checkpoint, family):
    return family.load(str(checkpoint), revision=None, dtype="float32", attention="sdpa").model


@pytest.fixture
def made(helpers, family, base, tmp_path):
    def made(towers=None, **lora):
        settings = {"rank": 4, "alpha": 8, **lora}
        config = helpers.config(tmp_path, tmp_path, lora=settings, towers=towers or {})
        return lora_config(config, plan_towers(config, family), base, family)

    return made


def test_the_words_of_the_config_arrive_in_peft(made):
    config = made(rank=8, alpha=32, dropout=0.2, rslora=True, dora=True)
    assert (config.r, config.lora_alpha, config.lora_dropout) == (8, 32, 0.2)
    assert config.use_rslora
    assert config.use_dora
    assert config.modules_to_save is None
    assert not config.ensure_weight_tying


def test_a_whole_tower_beside_adapters_is_saved_by_peft(made, family):
    config = made(towers={"projector": {"train": "full"}})
    (name,) = family.towers["projector"][:1]
    assert any(name in module for module in config.modules_to_save)


def test_embeddings_of_a_tied_model_take_its_head_along(made):
    assert made(modules_to_save=["embed_tokens"]).ensure_weight_tying


def test_embeddings_of_a_model_with_a_head_of_its_own_do_not(made, base):
    import torch

    base.lm_head.weight = torch.nn.Parameter(base.lm_head.weight.detach().clone())
    config = made(modules_to_save=["embed_tokens", "lm_head"])
    assert config.modules_to_save == ["embed_tokens", "lm_head"]
    assert not config.ensure_weight_tying


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lm_head", "lm_head is one with the word embeddings"),
        ("embed_token", "no module 'embed_token'; did you mean 'embed_tokens'"),
        ("q_proj", "'q_proj' holds layers that adapters go on"),
        ("language_model", "'language_model' holds layers that adapters go on"),
    ],
)
def test_a_module_that_cannot_be_trained_so_is_refused(made, name, message):
    with pytest.raises(ConfigError, match=message) as caught:
        made(modules_to_save=[name])
    assert caught.value.where == "lora.modules_to_save"


def test_a_piece_of_another_tower_is_refused_with_the_key_that_trains_it(made, family):
    name = family.towers["projector"][0]
    with pytest.raises(ConfigError, match="piece of the projector tower") as caught:
        made(modules_to_save=[name])
    assert caught.value.fix == "set towers.projector.train=full"
