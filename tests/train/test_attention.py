"""The attention that trains is compared with plain attention, so that a lost mask stops a training."""

from __future__ import annotations

import pytest
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from medft_bm.core.errors import MedftError
from medft_bm.train.attention import check_attention
from medft_bm.train.run import make_trainer
from medft_bm.train.settings import sft_config


def causal_alone(module, query, key, value, attention_mask, is_causal=None, **settings):
    """Sees what is before, and no mask that says otherwise."""
    language = "Vision" not in type(module).__name__ and "Siglip" not in type(module).__name__
    return sdpa_attention_forward(module, query, key, value, None, is_causal=language, **settings)


def sees_all(module, query, key, value, attention_mask, is_causal=None, **settings):
    """Sees the answer it should predict."""
    return sdpa_attention_forward(module, query, key, value, None, is_causal=False, **settings)


AttentionInterface.register("causal_alone", causal_alone)
AttentionInterface.register("sees_all", sees_all)


@pytest.fixture(params=["float32", "bfloat16"])
def trainer(request, checkpoint, family, prepared, helpers, tmp_path):
    config = helpers.config(checkpoint, tmp_path / "run")
    loaded = family.load(str(checkpoint), revision=None, dtype=request.param, attention="sdpa")
    return make_trainer(prepared, family, config, loaded, sft_config(config, validate=False))


@pytest.fixture
def batch(trainer):
    return trainer.data_collator([trainer.train_dataset[row] for row in range(2)])


def test_sdpa_agrees_and_everything_is_as_before(trainer, batch):
    trainer.model.train()
    said = check_attention(trainer, batch)
    assert said.startswith("sdpa agrees with eager on ")
    config = trainer.model.config
    assert {config._attn_implementation, config.text_config._attn_implementation} == {"sdpa"}
    assert config.vision_config._attn_implementation == "sdpa"
    assert trainer.model.training


def test_an_attention_that_sees_the_answer_is_refused(trainer, batch):
    trainer.model.set_attn_implementation("sees_all")
    with pytest.raises(MedftError, match="sees_all attention does not compute what eager"):
        check_attention(trainer, batch)


def test_image_tokens_that_no_longer_see_each_other_are_refused(trainer, batch, family):
    trainer.model.set_attn_implementation("causal_alone")
    if family.name != "gemma3":  # their language tower is causal over images too
        assert "agrees" in check_attention(trainer, batch)
        return
    with pytest.raises(MedftError, match="causal_alone attention does not compute"):
        check_attention(trainer, batch)


def test_eager_needs_no_comparison(trainer, batch):
    trainer.model.set_attn_implementation("eager")
    assert "reference" in check_attention(trainer, batch)
