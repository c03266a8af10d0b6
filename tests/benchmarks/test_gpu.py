"""The benchmark for GPUs: it runs where there is none, and its shapes are the published ones."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

import pytest
import torch

from medft_bm.models.tiny import build_tiny

PUBLISHED = {"medgemma-4b": 4_300_079_472, "qwen2.5-vl-7b": 8_292_166_656}


def test_it_measures_tiny_models_and_prints_a_table(repository, tmp_path):
    words = ["--tiny", "--shapes", "qwen2.5-vl-7b", "--cases", "lora", "--steps", "2", "--json", tmp_path / "gpu.json"]
    done = subprocess.run(
        [sys.executable, repository / "benchmarks" / "gpu.py", *map(str, words)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr

    (row,) = json.loads((tmp_path / "gpu.json").read_text())
    assert row["peak"]["estimated"] == pytest.approx(row["peak"]["measured"], rel=0.1)
    assert row["samples_per_second"] > 0
    assert "| qwen2.5-vl-7b, tiny | lora | 1 |" in done.stdout


@pytest.mark.parametrize("shape", PUBLISHED)
def test_its_shapes_are_those_of_the_published_models(repository, monkeypatch, tmp_path, shape):
    from transformers import AutoConfig, AutoModelForImageTextToText

    monkeypatch.syspath_prepend(str(repository / "benchmarks"))
    gpu = importlib.import_module("gpu")
    about = gpu.SHAPES[shape]
    build_tiny(about["family"], tmp_path, ["mm"], seed=0, hidden=64, image_px=about["image_px"], patch=14)
    gpu.write_shape(about, tmp_path)

    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(AutoConfig.from_pretrained(tmp_path))

    assert sum(weight.numel() for weight in model.parameters()) == PUBLISHED[shape]
