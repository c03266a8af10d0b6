"""The generic family believes a processor only what it shows."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.models.others import idefics3, llava, llava_next, paligemma

from medft_bm.core.errors import ConfigError
from medft_bm.core.geometry import Size, Spacing
from medft_bm.models import load_model_family
from medft_bm.models.chat import encode_prompts, prompt_messages
from medft_bm.models.generic import GenericFamily
from medft_bm.models.pixels import Pixels

torch.set_num_threads(1)

MIX = """
data:
  root: {root}/phantoms
  cache: {root}/cache
  mix:
    - {{task: detection, source: phantom, source_options: {{kind: volumes, subjects: 12, max_bodies: 1}}}}
  split: {{validation: 0.2, test: 0.2}}
  limit: {{train: 8, validation: 2, test: 4}}
model: {{name: {root}/llava, family: generic}}
run: {{folder: {root}/run}}
train: {{max_steps: 1, device_batch: 2, accumulation: 1, workers: 0}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return llava(tmp_path_factory.mktemp("generic") / "llava")


def wide(side: int, **changed: Any) -> Callable[[Path], Path]:
    """LLaVA with other settings of its image processor, without weights."""
    return partial(llava, images={"size": {"height": side, "width": side}, **changed}, weights=False)


def test_a_processor_that_stretches_is_measured(folder):
    family = load_model_family(str(folder), family="generic")
    assert family == GenericFamily(Size(56, 56), 16)
    view = family.view(Size(28, 224), Spacing(y=0.7, x=2.5))
    assert (view.spacing.y, view.spacing.x) == (0.35, 10.0)


def test_height_and_width_are_not_confused(tmp_path):
    flat = llava(tmp_path / "flat", {"size": {"height": 56, "width": 84}, "do_center_crop": False}, weights=False)
    assert load_model_family(str(flat), family="generic") == GenericFamily(Size(56, 84), 24)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (llava_next, "returns image_sizes"),
        (idefics3, "returns pixel_attention_mask"),
        (paligemma, "no chat_template"),
        (wide(64, crop_size={"height": 56, "width": 56}), "211 x 340 pixels is not just stretched"),
        (wide(337, crop_size={"height": 336, "width": 336}), "moved by 1.0"),
        (partial(llava, images={"size": {"shortest_edge": 56}, "do_center_crop": False}, weights=False), "become 56 x"),
    ],
    ids=["tiles", "padded tiles", "no template", "crop", "crop by one pixel of 337", "dynamic"],
)
def test_a_processor_that_does_anything_else_is_refused_with_what_it_does(tmp_path, make, why):
    made = make(tmp_path / "other")
    with pytest.raises(ConfigError, match=why) as caught:
        load_model_family(str(made), family="generic")
    assert caught.value.where == str(made)
    assert "add-a-model" in caught.value.fix


def test_a_processor_that_pads_to_a_square_is_refused(tmp_path):
    from transformers import AutoProcessor, LlavaImageProcessor

    made = llava(tmp_path / "padded", weights=False)
    processor = AutoProcessor.from_pretrained(made)
    processor.image_processor = LlavaImageProcessor(
        do_pad=True, size={"height": 56, "width": 56}, do_center_crop=False, do_normalize=False
    )
    processor.save_pretrained(made)
    with pytest.raises(ConfigError, match="padded"):
        load_model_family(str(made), family="generic")


def test_a_processor_that_cannot_be_loaded_says_so(tmp_path):
    made = llava(tmp_path / "torn", weights=False)
    (made / "tokenizer.json").write_text("{")
    with pytest.raises(ConfigError, match="transformers cannot load"):
        load_model_family(str(made), family="generic")


def test_only_the_language_tower_can_be_adapted_and_all_of_it_is(folder):
    family = load_model_family(str(folder), family="generic")
    with pytest.raises(ConfigError, match="no layer that LoRA can adapt in vision"):
        family.lora_targets(["vision", "language"])
    model = family.load(str(folder), revision=None, dtype="float32", attention="sdpa").model
    linear = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    hit = [name for name in linear if re.fullmatch(family.lora_targets(["language"]), name)]
    assert hit == [name for name in linear if "language_model" in name]
    assert len(hit) == 2 * 7


def test_its_one_size_is_no_matter_of_choice(folder):
    assert load_model_family(str(folder), family="generic", pixels=Pixels(most=56 * 56)).size == Size(56, 56)
    with pytest.raises(ConfigError, match="56 x 56 = 3136"):
        load_model_family(str(folder), family="generic", pixels=Pixels(most=3135))


def test_what_is_drawn_at_a_point_is_seen_where_the_view_says(folder):
    from transformers import AutoProcessor

    size, top, left, side = Size(210, 480), 40, 300, 48
    pixels = np.zeros((size.h, size.w, 3), np.uint8)
    pixels[top : top + side, left : left + side] = 255
    batch = encode_prompts(AutoProcessor.from_pretrained(folder), [prompt_messages("?")], [Image.fromarray(pixels)])
    seen = batch["pixel_values"][0].numpy().mean(axis=0)
    weight = np.clip(seen - np.median(seen), 0, None)
    ys, xs = np.indices(seen.shape) + 0.5
    centre = [(weight * ys).sum() / weight.sum(), (weight * xs).sum() / weight.sum()]
    view = load_model_family(str(folder), family="generic").view(size, None)
    assert centre == pytest.approx(view.from_slice.points([[top + side / 2, left + side / 2]])[0], abs=0.1)


def test_it_trains_merges_and_answers_like_any_family(folder, medft):
    config = folder.parent / "mix.yaml"
    config.write_text(MIX.format(root=folder.parent))
    trained = medft("train", config)
    assert trained.code == 0, trained.err
    run = folder.parent / "run"
    merged = medft("merge", run)
    assert merged.code == 0, merged.err
    assert load_model_family(str(run / "merged"), family="generic") == GenericFamily(Size(56, 56), 16)
    evaluated = medft("evaluate", run, "evaluate.limit=2", "evaluate.max_new_tokens=4")
    assert evaluated.code == 0, evaluated.err
