"""Tiny checkpoints are the real classes with real tokenizer manners."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from medft_bm.core.errors import ConfigError
from medft_bm.models.tiny import BUILDERS, build_tiny

torch.set_num_threads(1)

TEXTS = ["The image has 64 x 64 pixels of 0.75 mm. What is the distance in millimetres? 1234.56"] * 4
ODD = ["", " ", "  two  spaces ", "a\n\nb", "tab\there\r\n", "Größe 日本語 🙂", "\u0000\u200b", "x" * 300]


@pytest.fixture(scope="module", params=sorted(BUILDERS))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny") / request.param
    build_tiny(request.param, path, TEXTS, seed=0, hidden=64, layers=(1, 2))
    return path


@pytest.fixture(scope="module")
def tokenizer(folder: Path):
    from transformers import AutoProcessor

    return AutoProcessor.from_pretrained(folder).tokenizer


@pytest.mark.parametrize("text", ODD)
def test_any_text_comes_back_from_its_tokens(tokenizer, text):
    ids = tokenizer(text, add_special_tokens=False).input_ids
    assert tokenizer.decode(ids) == text


@pytest.mark.parametrize("text", ["1234.56", "0.75 mm", "12 of 345", "[10, 207, 31, 4096]", "7mm8"])
def test_every_digit_is_a_token_of_its_own(tokenizer, text):
    tokens = tokenizer.tokenize(text)
    assert [token for token in tokens if any(c.isdigit() for c in token)] == [c for c in text if c.isdigit()]


def test_known_words_are_shorter_than_unknown_ones(tokenizer):
    assert len(tokenizer.tokenize("millimetres")) < len(tokenizer.tokenize("zxqvjwkzxqv"))


def test_the_same_seed_writes_the_same_bytes_and_another_seed_other_weights(folder, tmp_path):
    for name, seed in (("same", 0), ("other", 1)):
        build_tiny(folder.name, tmp_path / name, TEXTS, seed=seed, hidden=64, layers=(1, 2))
    files = sorted(path.name for path in folder.iterdir())
    assert files == sorted(path.name for path in (tmp_path / "same").iterdir())
    assert all((folder / name).read_bytes() == (tmp_path / "same" / name).read_bytes() for name in files)
    weights = "model.safetensors"
    assert (folder / weights).read_bytes() != (tmp_path / "other" / weights).read_bytes()


def test_building_leaves_the_global_random_state_alone(tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    build_tiny("gemma3", tmp_path / "x", TEXTS, seed=0, hidden=64, layers=(1, 1))
    assert torch.equal(torch.rand(3), expected)


def test_the_image_reaches_the_logits_from_the_first_step(folder):
    from PIL import Image
    from transformers import AutoModelForImageTextToText, AutoProcessor

    from medft_bm.models.chat import encode_prompts, prompt_messages

    model, processor = AutoModelForImageTextToText.from_pretrained(folder), AutoProcessor.from_pretrained(folder)
    logits = []
    for shade in ((0, 0, 0), (255, 120, 0)):
        batch = encode_prompts(processor, [prompt_messages("?")], [Image.new("RGB", (64, 64), shade)])
        with torch.no_grad():
            logits.append(model(**batch).logits[0, -1])
    assert (logits[0] - logits[1]).abs().max() > 1e-4


def test_a_family_without_a_tiny_plan_is_named():
    with pytest.raises(ConfigError, match="did you mean 'gemma3'"):
        build_tiny("gema3", Path("nowhere"), TEXTS, seed=0)


def test_sizes_that_do_not_divide_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ConfigError, match="multiple"):
        build_tiny("gemma3", tmp_path / "x", TEXTS, seed=0, image_px=60)
    assert not (tmp_path / "x").exists()
