"""What goes wrong between a model's name and its settings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medft_bm.core.errors import ConfigError, DependencyError
from medft_bm.models import MODELS, load_model_family
from medft_bm.models.loading import load_image_text_model

SQUARE = {"size": {"height": 64, "width": 64}, "image_seq_length": 16}


def checkpoint(folder: Path, model_type: str = "gemma3", **files: object) -> str:
    for name, content in {"config": {"model_type": model_type}, "preprocessor_config": SQUARE, **files}.items():
        if content is not None:
            (folder / f"{name}.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return str(folder)


def test_the_family_is_found_by_the_model_type(tmp_path):
    assert load_model_family(checkpoint(tmp_path)).name == "gemma3"


def test_every_model_type_belongs_to_one_family():
    types = [known for name in MODELS.names() for known in MODELS.get(name).model_types]
    assert len(types) == len(set(types))


def test_the_newer_file_wins_where_both_layouts_are_present(tmp_path):
    newer = {"image_processor": {"size": {"height": 32, "width": 48}}, "image_seq_length": 4}
    view = load_model_family(checkpoint(tmp_path, processor_config=newer))
    assert (view.size.h, view.size.w, view.image_tokens) == (32, 48, 4)


def test_an_unknown_model_type_lists_the_known_ones(tmp_path):
    with pytest.raises(ConfigError, match=r"'llama'.*gemma3, qwen2_5_vl, qwen3_vl"):
        load_model_family(checkpoint(tmp_path, "llama"))


def test_a_family_that_does_not_fit_the_checkpoint_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="does not handle"):
        load_model_family(checkpoint(tmp_path), family="qwen2_5_vl")


def test_a_text_only_gemma_names_the_one_that_sees(tmp_path):
    with pytest.raises(ConfigError, match="'gemma3_text', which reads text only") as caught:
        load_model_family(checkpoint(tmp_path, "gemma3_text", preprocessor_config=None))
    assert "google/medgemma-27b-it" in caught.value.fix


def test_a_mixture_of_experts_is_refused_with_the_reason(tmp_path):
    with pytest.raises(ConfigError, match=r"'qwen3_vl_moe'; its experts are bare weights"):
        load_model_family(checkpoint(tmp_path, "qwen3_vl_moe"))


def test_the_generic_family_is_not_for_a_model_that_has_its_own(tmp_path):
    with pytest.raises(ConfigError, match="gemma3 is made for it"):
        load_model_family(checkpoint(tmp_path), family="generic")


def test_a_misspelt_family_gets_a_suggestion(tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'gemma3'"):
        load_model_family(checkpoint(tmp_path), family="gema3")


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "nowhere", "a/b/c"])
def test_a_folder_that_is_not_there_is_not_looked_up_on_the_hub(name):
    with pytest.raises(ConfigError, match="no model folder"):
        load_model_family(name)


def test_an_adapter_folder_is_not_a_base_model(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load_model_family(checkpoint(tmp_path, config=None, adapter_config={}))
    assert "adapter" in caught.value.fix


def test_an_adapter_beside_the_model_is_refused_because_it_would_be_injected(tmp_path):
    with pytest.raises(ConfigError, match=r"adapter_config\.json"):
        load_model_family(checkpoint(tmp_path, adapter_config={}))


def test_a_checkpoint_without_a_processor_says_how_to_get_one(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load_model_family(checkpoint(tmp_path, preprocessor_config=None))
    assert "save_pretrained" in caught.value.fix


@pytest.mark.parametrize("content", ["{not json", "[1, 2]"])
def test_a_broken_file_is_named(tmp_path, content):
    with pytest.raises(ConfigError) as caught:
        load_model_family(checkpoint(tmp_path, config=content))
    assert caught.value.where.endswith("config.json")


def test_half_precision_with_a_short_exponent_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="float16"):
        load_image_text_model(checkpoint(tmp_path), revision=None, dtype="float16", attention="sdpa")


def test_flash_attention_without_a_gpu_or_without_its_package_is_refused(tmp_path, monkeypatch):
    how = {"revision": None, "dtype": "float32", "attention": "flash_attention_2"}
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ConfigError, match="none is visible"):
        load_image_text_model(checkpoint(tmp_path), **how)

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda: (9, 0))
    monkeypatch.setattr("medft_bm.models.loading.find_spec", lambda name: None)
    with pytest.raises(DependencyError, match="flash-attn"):
        load_image_text_model(checkpoint(tmp_path), **how)


@pytest.mark.parametrize("name", ["-bad-/na me", "some/..name"])
def test_an_impossible_name_is_neither_folder_nor_repository(name):
    with pytest.raises(ConfigError, match="neither a folder here nor a repository"):
        load_model_family(name)
