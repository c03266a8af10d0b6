"""A budget of pixels holds from the prepared text to the saved processor."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from medft_bm.config.load import load_config
from medft_bm.core.errors import MedftError
from medft_bm.models import load_model_family
from medft_bm.models.cells import Cells
from medft_bm.models.pixels import Pixels
from medft_bm.models.tiny import build_tiny
from medft_bm.prepare.dataset import prepare_dataset

torch.set_num_threads(1)

MIX = """
data:
  root: {root}/phantoms
  cache: {root}/cache
  mix:
    - {{task: detection, source: phantom, source_options: {{kind: volumes, subjects: 12, max_bodies: 1}}}}
  split: {{validation: 0.2, test: 0.2}}
  limit: {{train: 8, validation: 0, test: 4}}
model: {{name: {root}/base, min_pixels: 1024, max_pixels: 2304}}
run: {{folder: {root}/run}}
train: {{max_steps: 1, device_batch: 2, accumulation: 1, workers: 0}}
"""
BUDGET = Pixels(1024, 2304)


@pytest.fixture(scope="module")
def mix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pixels")
    build_tiny("qwen3_vl", root / "base", ["Find the liver."], seed=0, hidden=64, layers=(1, 2))
    (root / "mix.yaml").write_text(MIX.format(root=root))
    return root / "mix.yaml"


def test_training_saves_the_budget_and_evaluation_keeps_to_it(mix, medft):
    trained = medft("train", mix)
    assert trained.code == 0, trained.err
    run = mix.parent / "run"
    saved = json.loads((run / "adapter" / "processor_config.json").read_text())["image_processor"]["size"]
    assert (saved["shortest_edge"], saved["longest_edge"]) == (1024, 2304)

    another = medft("evaluate", run, "--model", "adapter", "model.max_pixels=4096")
    assert another.code == 2
    assert "model.max_pixels differ(s) from what this run was trained with" in another.err
    same = medft("evaluate", run, "--model", "adapter", "evaluate.limit=2", "evaluate.max_new_tokens=4")
    assert same.code == 0, same.err


def test_rows_of_another_budget_are_other_rows(mix):
    config = load_config(mix, environ={}).config
    budgeted = load_model_family(config.model.name, pixels=BUDGET)
    assert budgeted.cells == Cells(16, 1024, 2304)
    published = load_model_family(config.model.name)
    rows = [prepare_dataset(config.data, family) for family in (budgeted, published)]
    assert rows[0].folder != rows[1].folder
    small, large = (made.items("train")[0].view for made in rows)
    assert small.size.h * small.size.w <= 2304 < large.size.h * large.size.w


def test_rows_of_another_budget_are_refused_by_training(mix):
    from medft_bm.train.run import train_model

    words = [f"run.folder={mix.parent / 'other'}"]
    config = load_config(mix, words, environ={}).config
    prepared = prepare_dataset(config.data, load_model_family(config.model.name))
    budgeted = load_model_family(config.model.name, pixels=BUDGET)
    with pytest.raises(MedftError, match="its view promised"):
        train_model(prepared, budgeted, config)


def test_a_budget_the_wrong_way_round_is_a_problem_of_the_config(mix, medft):
    refused = medft("config", "check", mix, "model.max_pixels=1000")
    assert refused.code == 2
    assert "min_pixels 1024 is more than max_pixels 1000" in refused.err


def test_a_fixed_square_refuses_a_budget_before_anything_is_prepared(mix, medft):
    square = mix.parent / "square"
    build_tiny("gemma3", square, ["Find the liver."], seed=0, hidden=32, layers=(1, 1), heads=2)
    refused = medft("prepare", mix, f"model.name={square}")
    assert refused.code == 2
    assert "64 x 64 = 4096" in refused.err
    assert "model.max_pixels" in refused.err
