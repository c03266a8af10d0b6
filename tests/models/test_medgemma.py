"""MedGemma 4B and 27B are one architecture; what differs between them is in the checkpoint and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from PIL import Image

from medft_bm.models import load_model_family
from medft_bm.models.base import Loaded
from medft_bm.models.chat import encode_prompts, prompt_messages
from medft_bm.models.tiny import build_tiny

torch.set_num_threads(1)

# Of the 27B: heads whose width is not hidden / heads, queries scaled by hidden / heads, six layers to a pattern.
LARGE = {
    "hidden_size": 84,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "query_pre_attn_scalar": 21,
    "num_hidden_layers": 6,
    "layer_types": ["sliding_attention"] * 5 + ["full_attention"],
    "rope_parameters": {
        "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
    },
}


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def large(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny checkpoint with the proportions of the 27B."""
    from transformers import AutoConfig, Gemma3ForConditionalGeneration

    path = tmp_path_factory.mktemp("large")
    build_tiny("gemma3", path, ["How long is it? 12 mm"], seed=0, hidden=64, layers=(1, 1))
    config = AutoConfig.from_pretrained(path)
    for key, value in LARGE.items():
        setattr(config.text_config, key, value)
    config.tie_word_embeddings = config.text_config.tie_word_embeddings = request.param
    torch.manual_seed(0)
    model = Gemma3ForConditionalGeneration(config)
    torch.nn.init.normal_(model.model.multi_modal_projector.mm_input_projection_weight, std=0.02)
    model.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def loaded(large: Path) -> Loaded:
    return load_model_family(str(large)).load(str(large), revision=None, dtype="float32", attention="sdpa")


def test_its_view_is_that_of_the_small_one(large):
    family = load_model_family(str(large))
    assert (family.name, family.size.h, family.size.w, family.image_tokens) == ("gemma3", 64, 64, 16)


def test_every_layer_of_its_language_tower_is_found(large, loaded):
    pattern = load_model_family(str(large)).lora_targets(["language"])
    hit = [name for name, _ in loaded.model.named_modules() if re.fullmatch(pattern, name)]
    assert len(hit) == 6 * 7


def test_it_answers_and_sees_the_image(loaded):
    logits = []
    for shade in (0, 255):
        image = Image.new("RGB", (90, 40), (shade, shade, shade))
        batch = encode_prompts(loaded.processor, [prompt_messages("How long?")], [image])
        with torch.inference_mode():
            logits.append(loaded.model(**batch).logits[0, -1])
            assert loaded.model.generate(**batch, max_new_tokens=2, do_sample=False).shape[1] > 2
    assert (logits[0] - logits[1]).abs().max() > 1e-4
