"""The laws of every registered model family, against the real processors, templates and modules."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.geometry import Size, Spacing
from medft_bm.models import MODELS, load_model_family
from medft_bm.models.base import Loaded, ModelFamily
from medft_bm.models.chat import answer_messages, encode_prompts, prompt_messages
from medft_bm.models.pixels import Pixels
from medft_bm.models.tiny import BUILDERS, build_tiny

torch.set_num_threads(1)

TEXTS = ["How long is it, in mm? 12.5 mm", "Which class is it? adenosis"]
REAL = {
    "gemma3": {"size": {"height": 896, "width": 896}, "image_seq_length": 256},
    "qwen2_5_vl": {"patch_size": 14, "merge_size": 2, "size": {"shortest_edge": 56**2, "longest_edge": 28**2 * 1280}},
    "qwen3_vl": {"patch_size": 16, "merge_size": 2, "size": {"shortest_edge": 256**2, "longest_edge": 4096**2}},
}
PUBLISHED = {
    "gemma3": (Size(896, 896), 256),
    "qwen2_5_vl": (Size(308, 1008), 11 * 36),
    "qwen3_vl": (Size(288, 992), 9 * 31),
}
PLACEHOLDERS = ("<image_soft_token>", "<|image_pad|>")
EXTREME = [(1, 1), (1, 180), (7, 1200), (1200, 7), (42, 70), (98, 42), (3000, 16), (27, 29), (3, 601), (401, 2)]
ANISOTROPIC = Spacing(y=0.7, x=2.5)


@pytest.fixture(scope="module", params=sorted(BUILDERS))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny") / request.param
    build_tiny(request.param, path, TEXTS, seed=0)
    return path


@pytest.fixture(scope="module")
def family(folder: Path) -> ModelFamily:
    return load_model_family(str(folder))


@pytest.fixture(scope="module")
def loaded(folder: Path, family: ModelFamily) -> Loaded:
    return family.load(str(folder), revision=None, dtype="float32", attention="sdpa")


@pytest.fixture(scope="module")
def real(folder: Path, loaded: Loaded, tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelFamily, Loaded]:
    """The family and the processor at the settings of the published checkpoints, with the tiny tokenizer."""
    from transformers import AutoProcessor

    path = tmp_path_factory.mktemp("real") / folder.name
    loaded.processor.save_pretrained(path)
    settings = json.loads((path / "processor_config.json").read_text())
    own = dict(REAL[folder.name])
    if "image_seq_length" in own:
        settings["image_seq_length"] = own.pop("image_seq_length")
    settings["image_processor"].update(own)
    (path / "processor_config.json").write_text(json.dumps(settings))
    (path / "config.json").write_bytes((folder / "config.json").read_bytes())
    return load_model_family(str(path)), Loaded(None, AutoProcessor.from_pretrained(path))


def sizes(count: int, largest: int) -> list[Size]:
    rng = np.random.default_rng(3)
    return [Size(*pair) for pair in EXTREME] + [Size(*map(int, rng.integers(1, largest, 2))) for _ in range(count)]


def picture(size: Size) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (size.h, size.w, 3), np.uint8))


def seen_image(processor, batch) -> np.ndarray:
    """The first image as the model gets it, ``(h, w)``, whatever the family does to its layout."""
    pixels = batch["pixel_values"].float().numpy()
    if "image_grid_thw" not in batch:
        return pixels[0].mean(axis=0)
    images = processor.image_processor
    _, rows, columns = batch["image_grid_thw"][0].tolist()
    patch, merge = images.patch_size, images.merge_size
    grid = pixels.reshape(rows // merge, columns // merge, merge, merge, 3, images.temporal_patch_size, patch, patch)
    return grid.transpose(5, 4, 0, 2, 6, 1, 3, 7).reshape(-1, 3, rows * patch, columns * patch)[0].mean(axis=0)


def image_token_count(loaded: Loaded, batch) -> int:
    tokenizer = loaded.processor.tokenizer
    placeholders = {tokenizer.convert_tokens_to_ids(t) for t in PLACEHOLDERS if t in tokenizer.get_vocab()}
    return sum(token in placeholders for token in batch["input_ids"][0].tolist())


def check_view(family: ModelFamily, loaded: Loaded, size: Size) -> None:
    try:
        view = family.view(size, ANISOTROPIC)
    except DataError:
        with pytest.raises(ValueError, match="aspect ratio"):
            encode_prompts(loaded.processor, [prompt_messages("?")], [picture(size)])
        return
    batch = encode_prompts(loaded.processor, [prompt_messages("?")], [picture(size)])

    assert seen_image(loaded.processor, batch).shape == (view.size.h, view.size.w), size
    assert image_token_count(loaded, batch) == view.image_tokens, size
    assert view.from_slice.src == size
    assert view.from_slice.dst == view.size


def test_a_view_equals_the_processor_s_output_at_tiny_settings(family, loaded):
    for size in sizes(40, 300):
        check_view(family, loaded, size)


def test_a_view_equals_the_processor_s_output_at_the_published_settings(real):
    for size in sizes(12, 1500):
        check_view(*real, size)


def test_the_settings_of_the_published_checkpoints_give_their_published_numbers(real, folder):
    view = real[0].view(Size(300, 1000), ANISOTROPIC)
    assert (view.size, view.image_tokens) == PUBLISHED[folder.name]


def test_every_family_of_one_architecture_has_a_tiny_checkpoint():
    assert sorted(BUILDERS) == sorted(set(MODELS.names()) - {"generic", "plain"})


def test_a_budget_of_pixels_reaches_view_and_processor_and_is_saved(folder, tmp_path):
    if folder.name == "gemma3":
        with pytest.raises(ConfigError, match="64 x 64 = 4096"):
            load_model_family(str(folder), pixels=Pixels(most=4095))
        return
    asked = load_model_family(str(folder), pixels=Pixels(least=96**2, most=120**2))
    loaded = asked.load(str(folder), revision=None, dtype="float32", attention="sdpa")
    for size in sizes(12, 300):
        check_view(asked, loaded, size)

    loaded.processor.save_pretrained(tmp_path)
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())

    assert load_model_family(str(tmp_path)) == asked
    assert asked != load_model_family(str(folder))


def test_millimetres_survive_the_view(family):
    for size in (size for size in sizes(20, 900) if max(size.h, size.w) <= 200 * min(size.h, size.w)):
        view = family.view(size, ANISOTROPIC)
        assert view.size.h * view.spacing.y == pytest.approx(size.h * ANISOTROPIC.y, rel=1e-12)
        assert view.size.w * view.spacing.x == pytest.approx(size.w * ANISOTROPIC.x, rel=1e-12)


def test_unknown_spacing_stays_unknown(family):
    assert family.view(Size(40, 90), None).spacing is None


@pytest.mark.parametrize("size", [Size(60, 130), Size(210, 80)])
def test_what_is_drawn_at_a_point_is_seen_where_the_view_says(real, size):
    family, loaded = real
    top, left, side = size.h // 5, size.w // 2, 12
    pixels = np.zeros((size.h, size.w, 3), np.uint8)
    pixels[top : top + side, left : left + side] = 255
    batch = encode_prompts(loaded.processor, [prompt_messages("?")], [Image.fromarray(pixels)])

    seen = seen_image(loaded.processor, batch)
    weight = np.clip(seen - np.median(seen), 0, None)
    rows, columns = np.indices(seen.shape) + 0.5
    centre = np.array([(weight * rows).sum(), (weight * columns).sum()]) / weight.sum()

    expected = family.view(size, None).from_slice.points([[top + side / 2, left + side / 2]])[0]
    assert centre == pytest.approx(expected, abs=0.1)


def test_the_loss_sees_the_answer_and_its_end_of_turn_and_nothing_else(family, loaded):
    from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

    answers = ["12.5", "a much longer answer (0.31, 0.77)"]
    rows = [
        {
            "images": [picture(Size(50, 90 + 70 * number))],
            "prompt": prompt_messages("How long?" * (number + 1)),
            "completion": answer_messages(answer),
        }
        for number, answer in enumerate(answers)
    ]
    batch = DataCollatorForVisionLanguageModeling(loaded.processor, completion_only_loss=True)(rows)
    tokenizer = loaded.processor.tokenizer
    ends = [tokenizer.decode([end]) for end in loaded.model.generation_config.eos_token_id]
    for labels, answer in zip(batch["labels"], answers, strict=True):
        said = tokenizer.decode(labels[labels != -100]).rstrip("\n")
        assert said in [answer + end for end in ends]


def test_training_and_generation_encode_the_same_prompt(family, loaded):
    from trl.trainer.sft_trainer import DataCollatorForVisionLanguageModeling

    image, question = picture(Size(50, 90)), "How long? 3.5 mm per pixel\nAnswer with [x, y] only."
    # As prepared rows have it: plain text, into which the trainer's collator puts the image.
    row = {
        "images": [image],
        "prompt": [{"role": "user", "content": question}],
        "completion": [{"role": "assistant", "content": "7"}],
    }
    trained = DataCollatorForVisionLanguageModeling(loaded.processor, completion_only_loss=True)([row])
    asked = encode_prompts(loaded.processor, [prompt_messages(question)], [image])
    length = asked["input_ids"].shape[1]
    assert trained["input_ids"][0, :length].tolist() == asked["input_ids"][0].tolist()
    assert torch.equal(trained["pixel_values"], asked["pixel_values"])


def test_the_template_begins_the_text_at_most_once(loaded):
    begin = loaded.processor.tokenizer.bos_token_id
    batch = encode_prompts(loaded.processor, [prompt_messages("How long?")], [picture(Size(50, 90))])
    assert begin is None or batch["input_ids"][0].tolist().count(begin) == 1


@pytest.mark.parametrize("part", ["vision", "projector", "language"])
def test_lora_targets_are_linear_layers_of_their_own_tower(family, loaded, part):
    if (family.name, part) == ("gemma3", "projector"):  # one bare weight, no layer
        with pytest.raises(ConfigError, match="projector"):
            family.lora_targets([part])
        return
    pattern = family.lora_targets([part])
    hit = {name: module for name, module in loaded.model.named_modules() if re.fullmatch(pattern, name)}
    assert hit
    assert all(isinstance(module, torch.nn.Linear) for module in hit.values())
    assert all(tower_of(family, name) == part for name in hit)


def tower_of(family: ModelFamily, name: str) -> str:
    inside = (part for part, modules in family.towers.items() if any(f".{module}." in name for module in modules))
    return next(inside, "language")


def test_lora_targets_cover_every_linear_layer_except_the_head(family, loaded):
    parts = ["vision", "language"] if family.name == "gemma3" else ["vision", "projector", "language"]
    linear = [name for name, module in loaded.model.named_modules() if isinstance(module, torch.nn.Linear)]
    missed = [name for name in linear if not re.fullmatch(family.lora_targets(parts), name)]
    assert missed == ["lm_head"]


def test_the_towers_of_a_family_hold_every_weight_of_the_vision_side(family, loaded):
    found = {name: tower_of(family, name) for name, _ in loaded.model.named_parameters()}
    assert set(found.values()) == {"vision", "projector", "language"}
    assert all("language_model" in name or name.startswith("lm_head") for name in found if found[name] == "language")


def test_no_tower_is_nothing_to_adapt(family):
    with pytest.raises(ConfigError, match="no tower"):
        family.lora_targets([])


def test_a_batch_generates_what_each_prompt_generates_alone(loaded):
    prompts = [prompt_messages("How long?"), prompt_messages("Which class is it, and how long? 12.5 mm")]
    images = [picture(Size(40, 90)), picture(Size(200, 64))]
    together = step_logits(loaded, prompts, images)
    alone = [step_logits(loaded, [prompt], [image])[0] for prompt, image in zip(prompts, images, strict=True)]
    torch.testing.assert_close(together, torch.stack(alone), atol=1e-5, rtol=1e-4)
    assert (together[0] - together[1]).abs().max() > 1e-3


def step_logits(loaded: Loaded, prompts, images) -> torch.Tensor:
    """``(prompts, steps, vocabulary)`` over a few greedy steps."""
    batch = encode_prompts(loaded.processor, prompts, images)
    wanted = {"return_dict_in_generate": True, "output_logits": True}
    out = loaded.model.generate(**batch, max_new_tokens=4, do_sample=False, eos_token_id=None, **wanted)
    return torch.stack(out.logits, dim=1)


def test_both_attention_implementations_give_the_same_logits(folder, family, loaded):
    eager = family.load(str(folder), revision=None, dtype="float32", attention="eager")
    batch = encode_prompts(loaded.processor, [prompt_messages("How long?")], [picture(Size(50, 90))])
    with torch.inference_mode():
        torch.testing.assert_close(loaded.model(**batch).logits, eager.model(**batch).logits, atol=1e-5, rtol=1e-4)


def test_the_older_file_layout_binds_the_same_view(folder, family, tmp_path):
    settings = json.loads((folder / "processor_config.json").read_text())
    old = dict(settings.pop("image_processor"))
    if "shortest_edge" in old["size"]:
        old["min_pixels"], old["max_pixels"] = old["size"]["shortest_edge"], old["size"]["longest_edge"]
        del old["size"]
    settings.pop("video_processor", None)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(old))
    (tmp_path / "processor_config.json").write_text(json.dumps(settings))
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    assert load_model_family(str(tmp_path)) == family
