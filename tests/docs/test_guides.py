"""The two guides, followed to the letter: their code is installed as a package of others and has to keep the laws."""

from __future__ import annotations

import importlib
import json
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from medft_bm.config.load import load_config
from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.geometry import Size, Spacing
from medft_bm.models import load_model_family
from medft_bm.models.chat import encode_prompts, prompt_messages
from medft_bm.models.checkpoint import CheckpointSettings
from medft_bm.models.pixels import Pixels
from medft_bm.models.tiny import build_tiny
from medft_bm.models.tiny_plan import chat_template
from medft_bm.models.tiny_tokens import qwen_tokenizer
from medft_bm.prepare.dataset import Prepared, prepare_dataset
from medft_bm.tasks import load_task

torch.set_num_threads(1)

TASK, MODEL = "docs/add-a-task.md", "docs/add-a-model.md"
PUBLISHED = {"patch_size": 14, "merge_size": 2, "size": {"shortest_edge": 56 * 56, "longest_edge": 3584 * 3584}}
SMALL = {"patch_size": 14, "merge_size": 2, "size": {"shortest_edge": 56 * 56, "longest_edge": 84 * 140}}


@pytest.fixture(scope="module")
def site(page, tmp_path_factory) -> Iterator[Path]:
    """Both packages, written as their guide says and installed by pip into a folder on the path."""
    folder = tmp_path_factory.mktemp("guides")
    modules = [write_package(page(guide), folder) for guide in (TASK, MODEL)]
    site = folder / "site"
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input", "--no-compile"]
    offline = ["--no-index", "--no-deps", "--no-build-isolation"]
    packages = [str(folder / module) for module in modules]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *quiet, *offline, "--target", str(site), *packages], check=True
    )
    sys.path.insert(0, str(site))
    importlib.invalidate_caches()
    yield site
    sys.path.remove(str(site))
    for module in modules:
        sys.modules.pop(module, None)
    importlib.invalidate_caches()


def write_package(guide, folder: Path) -> str:
    module = re.search(r"`(\w+)\.py`, in any package", guide.text)[1]
    (folder / module).mkdir()
    (folder / module / f"{module}.py").write_text(guide.blocks("python")[0], encoding="utf-8")
    (project,) = (block for block in guide.blocks("toml") if "[project]\n" in block)
    (folder / module / "pyproject.toml").write_text(project, encoding="utf-8")
    return module


@pytest.fixture(scope="module")
def mix(site, page, repository, tmp_path_factory) -> tuple[Path, list[str]]:
    """The guide's YAML file, and words that keep what it makes out of the repository."""
    folder = tmp_path_factory.mktemp("mix")
    (text,) = page(TASK).blocks("yaml")
    (folder / "side.yaml").write_text(text, encoding="utf-8")
    words = [f"data.root={folder}/phantoms", f"data.cache={folder}/cache"]
    base = load_config(folder / "side.yaml", environ={}).config.model.name
    if not (repository / base / "config.json").is_file():
        build_tiny("gemma3", folder / "base", ["Is the liver on the left? right"], seed=0, hidden=64, layers=(1, 1))
        base = str(folder / "base")
    return folder / "side.yaml", [*words, f"model.name={repository / base}"]


@pytest.fixture(scope="module")
def prepared(mix) -> Prepared:
    config = load_config(*mix, environ={}).config
    return prepare_dataset(config.data, load_model_family(config.model.name))


def test_the_task_is_listed_with_its_options(site, medft):
    (entry,) = (entry for entry in json.loads(medft("tasks", "--json").out) if entry["name"] == "side")
    assert [(option["name"], option["default"]) for option in entry["options"]] == [("margin", 0.05)]


def test_a_misspelt_option_of_the_task_is_refused_by_name(site):
    with pytest.raises(ConfigError, match="margn: unknown option; did you mean 'margin'"):
        load_task("side", {"margn": 0.1})


def test_the_mix_of_the_guide_prepares_and_prints_how_many_questions_each_split_has(mix, prepared, medft):
    path, words = mix
    done = medft("prepare", path, *words)
    assert done.code == 0, done.err
    table = done.out.split("\n\n")[0]
    counts = {line.split()[2]: int(line.split()[3]) for line in table.splitlines() if line.startswith("side/")}
    assert counts == {split: len(prepared.items(split)) for split in ("train", "validation", "test")}
    assert min(counts.values()) > 0


def test_the_reference_answers_of_the_task_score_perfectly_and_empty_replies_not_at_all(prepared):
    items = [*prepared.items("train"), *prepared.items("test")]
    assert {item.answer_text for item in items} == {"left", "right"}
    for item in items:
        assert item.task.score(item.sample, item.view, item.answer_text).values == {"accuracy": 1.0}
        for reply in ("", "left or right", "I cannot tell."):
            score = item.task.score(item.sample, item.view, reply)
            assert score.values is None
            assert score.why


def test_the_task_is_about_the_side_on_which_the_structure_is_seen(prepared):
    livers = [item for item in prepared.items("train") if item.sample.truth["label"] == "liver"]
    # Axial slices show the patient's right on the left, and phantoms have their liver where people have it.
    assert livers
    assert {item.answer_text for item in livers} == {"left"}


def test_the_baseline_of_the_task_is_a_reply_like_any_other(prepared):
    items = prepared.items("train")
    guess = items[0].task.baseline([item.sample for item in items])
    values = [item.task.score(item.sample, item.view, guess(item.sample, item.view)).values for item in items]
    assert 0.5 <= np.mean([value["accuracy"] for value in values]) < 1
    assert items[0].task.baseline([])(items[0].sample, items[0].view) == ""


def write_qwen2_vl(folder: Path, images: dict[str, Any], *, weights: bool) -> Path:
    """A random checkpoint of the real class; everything but its weights is what a published one has."""
    from transformers import (
        GenerationConfig,
        Qwen2VLConfig,
        Qwen2VLForConditionalGeneration,
        Qwen2VLImageProcessor,
        Qwen2VLProcessor,
        Qwen2VLVideoProcessor,
    )

    tokenizer = qwen_tokenizer(["Is the liver on the left? right"], 600)
    ids = tokenizer.convert_tokens_to_ids
    pad = ids("<|endoftext|>")
    special: dict[str, Any] = {"pad_token_id": pad, "bos_token_id": pad, "eos_token_id": [ids("<|im_end|>"), pad]}
    turns = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 3, 3]}
    language = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    heads = {"num_key_value_heads": 1, "vocab_size": len(tokenizer), "rope_parameters": turns}
    vision = {"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2, "patch_size": 14}
    config = Qwen2VLConfig(
        text_config={**language, **heads, **special},
        vision_config=vision,
        image_token_id=ids("<|image_pad|>"),
        video_token_id=ids("<|video_pad|>"),
        vision_start_token_id=ids("<|vision_start|>"),
        vision_end_token_id=ids("<|vision_end|>"),
        **special,
    )
    config.save_pretrained(folder)
    if weights:
        model = Qwen2VLForConditionalGeneration(config)
        model.generation_config = GenerationConfig(**special, do_sample=False)
        model.save_pretrained(folder)
    parts = Qwen2VLImageProcessor(**images), tokenizer, Qwen2VLVideoProcessor(**images)
    # trl ships no template of its own for Qwen2-VL; this one writes the same turns.
    Qwen2VLProcessor(*parts, chat_template=chat_template("qwen2_5_vl")).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    return write_qwen2_vl(tmp_path_factory.mktemp("published"), PUBLISHED, weights=False)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    return write_qwen2_vl(tmp_path_factory.mktemp("tiny"), SMALL, weights=True)


@pytest.fixture
def run_check(page, tmp_path, monkeypatch):
    """The guide's own check, on a checkpoint."""

    def run(checkpoint: Path) -> None:
        script = tmp_path / "check.py"
        script.write_text(page(MODEL).blocks("python")[1], encoding="utf-8")
        monkeypatch.setattr(sys, "argv", [script.name, str(checkpoint)])
        runpy.run_path(str(script), run_name="__main__")

    return run


def test_the_family_is_listed_and_found_by_the_checkpoint(site, published, medft):
    assert "qwen2_vl  (version 1; coordinates thousandth; model_types qwen2_vl)" in medft("models").out
    assert load_model_family(str(published)).view(Size(300, 1000), None).image_tokens == 11 * 36


@pytest.mark.parametrize("checkpoint", ["published", "tiny"])
def test_the_check_of_the_guide_passes_on_the_real_processor_and_the_real_layers(
    site, request, run_check, checkpoint, capsys
):
    run_check(request.getfixturevalue(checkpoint))
    counts = re.findall(r"^(\w+): (\d+) layers$", capsys.readouterr().out, re.MULTILINE)
    assert counts == [("vision", "8"), ("projector", "2"), ("language", "14")]


@pytest.mark.parametrize(("method", "wrong"), [("fit", Size(64, 64)), ("lora_targets", r".*norm.*")])
def test_the_check_of_the_guide_notices_a_wrong_family(site, tiny, run_check, monkeypatch, method, wrong):
    monkeypatch.setattr(type(load_model_family(str(tiny))), method, lambda *_: wrong)
    with pytest.raises(AssertionError):
        run_check(tiny)


def test_what_is_drawn_at_a_point_is_seen_where_the_family_says(site, published):
    from transformers import AutoProcessor

    size, top, left, side = Size(210, 480), 40, 300, 24
    pixels = np.zeros((size.h, size.w, 3), np.uint8)
    pixels[top : top + side, left : left + side] = 255
    processor = AutoProcessor.from_pretrained(published)
    batch = encode_prompts(processor, [prompt_messages("?")], [Image.fromarray(pixels)])
    _, rows, columns = batch["image_grid_thw"][0].tolist()
    cells = batch["pixel_values"].numpy().reshape(rows // 2, columns // 2, 2, 2, 3, 2, 14, 14)
    seen = cells.transpose(4, 5, 0, 2, 6, 1, 3, 7).reshape(6, rows * 14, columns * 14).mean(axis=0)
    weight = np.clip(seen - np.median(seen), 0, None)
    ys, xs = np.indices(seen.shape) + 0.5
    view = load_model_family(str(published)).view(size, Spacing(y=0.7, x=2.5))

    centre = [(weight * ys).sum() / weight.sum(), (weight * xs).sum() / weight.sum()]

    assert centre == pytest.approx(view.from_slice.points([[top + side / 2, left + side / 2]])[0], abs=0.1)
    assert view.size.w * view.spacing.x == pytest.approx(size.w * 2.5)


def test_the_budget_of_the_family_reaches_the_processor_that_it_loads(site, tiny):
    family = load_model_family(str(tiny), pixels=Pixels(most=84 * 84))
    images = family.load(str(tiny), revision=None, dtype="float32", attention="sdpa").processor.image_processor
    assert (images.size["shortest_edge"], images.size["longest_edge"]) == (56 * 56, 84 * 84)
    assert images.get_number_of_image_patches(300, 200, {}) == 4 * family.view(Size(300, 200), None).image_tokens


def test_the_family_refuses_what_its_processor_refuses_and_what_its_view_could_not_follow(site, published):
    family = load_model_family(str(published))
    with pytest.raises(DataError, match="200 times"):
        family.view(Size(2001, 10), None)
    for changed in ({"do_resize": False}, {"size": None}):
        with pytest.raises(ConfigError):
            type(family).from_settings(CheckpointSettings("qwen2_vl", {**PUBLISHED, **changed}))
    with pytest.raises(ConfigError, match="patch_size"):
        type(family).from_settings(CheckpointSettings("qwen2_vl", {"merge_size": 2}))


def test_both_plug_ins_train_and_merge_together_like_built_in_ones(mix, tiny, tmp_path, page, medft):
    path, words = mix
    few = ["train.max_steps=1", "train.device_batch=2", "train.accumulation=1", "train.workers=0", "data.limit.train=8"]
    run = tmp_path / "run"
    done = medft(
        "train", path, *words, *few, f"model.name={tiny}", f"run.folder={run}", "data.limit.validation=0",
        "towers.vision.train=lora", "towers.projector.train=lora",
    )  # fmt: skip
    assert done.code == 0, done.err
    for tower, layers in {"vision": 8, "projector": 2, "language": 14}.items():
        assert f"{tower} adapters on {layers} layers" in done.err
    merged = medft("merge", run)
    assert merged.code == 0, merged.err

    about = page("docs/architecture.md").text
    assert all(f"`{entry.name}`" in about or f"`{entry.name}/`" in about for entry in run.iterdir())
