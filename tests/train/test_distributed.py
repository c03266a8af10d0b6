"""Two processes train what one trains, whatever they share; one launch for all strategies."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText

from medft_bm.cli.main import main

pytest.importorskip("deepspeed")

TRAININGS = {
    "ddp-lora": ["train.strategy=ddp"],
    "zero2-lora": ["train.strategy=zero2"],
    "fsdp-lora": ["train.strategy=fsdp"],
    "fsdp-full": ["train.strategy=fsdp", "train.method=full"],
    "zero3-lora": ["train.strategy=zero3"],
    "zero3-full": ["train.strategy=zero3", "train.method=full"],
}
RESUMED = ("zero2-lora", "fsdp-lora", "zero3-full")
"""Those that stop after their first step, and go on from its checkpoint."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """A folder with one run per training, by two processes with batches of 2, and by one with a batch of 4."""
    folder = tmp_path_factory.mktemp("distributed")
    config = folder / "mix.yaml"
    config.write_text(yaml.safe_dump(mix(folder, repository)))
    lines = []
    for name, words in TRAININGS.items():
        line = ["train", str(config), f"run.folder={folder / name}", *words]
        lines += [[*line, "train.max_steps=1"], line] if name in RESUMED else [line]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*launch, str(Path(__file__).with_name("processes.py")), str(folder), json.dumps(lines)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "MEDFT_DEBUG": "1"},
        cwd=repository,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    for method in ("lora", "full"):
        words = [f"run.folder={folder / method}", "train.device_batch=4", f"train.method={method}"]
        assert main(["train", str(config), *words]) == 0
    log = logging.getLogger("medft_bm")
    log.handlers.clear()
    log.propagate = True
    return folder


def mix(folder: Path, repository: Path) -> dict:
    part = {"task": "detection", "source": "phantom", "source_options": {"kind": "volumes", "subjects": 8}}
    data = {"root": str(folder / "raw"), "cache": str(folder / "cache"), "mix": [part]}
    return {
        "data": {**data, "split": {"validation": 0, "test": 0.1}},
        "model": {"name": str(repository / "script/demo/base/gemma3")},
        "lora": {"rank": 4, "alpha": 8, "dropout": 0},
        "train": {
            "max_steps": 2,
            "warmup": 0,
            "lr": 0.02,
            "device_batch": 2,
            "accumulation": 2,
            "logging_steps": 1,
            "save_steps": 1,
            "workers": 0,
            "report_to": [],
            "sft": {"adam_epsilon": 0.1},  # a small one would turn rounding in a tiny gradient into a whole step
        },
    }


def losses(run: Path) -> list[float]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


@pytest.mark.parametrize("name", TRAININGS)
def test_two_processes_see_the_losses_of_one_with_the_same_batch_resumed_or_not(runs, name):
    alone = losses(runs / name.split("-")[1])

    assert len(alone) == 2
    assert losses(runs / name) == pytest.approx(alone, abs=1e-5)


@pytest.mark.parametrize("name", TRAININGS)
def test_what_two_processes_save_reads_back_as_what_one_saves(runs, name):
    method = name.split("-")[1]
    alone, together = saved(runs / method, method), saved(runs / name, method)

    assert together.keys() == alone.keys()
    assert max(float((alone[key] - together[key]).abs().max()) for key in alone) < 1e-5


def saved(run: Path, method: str) -> dict[str, Any]:
    if method == "lora":
        return load_file(run / "adapter" / "adapter_model.safetensors")
    model, report = AutoModelForImageTextToText.from_pretrained(run / "model", output_loading_info=True)
    assert not report["missing_keys"]
    assert model.lm_head.weight is model.get_input_embeddings().weight
    return dict(model.state_dict())


def test_the_trainings_that_are_compared_changed_something(runs, repository):
    lora = load_file(runs / "lora" / "adapter" / "adapter_model.safetensors")
    full = load_file(runs / "full" / "model" / "model.safetensors")
    base = load_file(repository / "script/demo/base/gemma3/model.safetensors")

    assert max(float(lora[key].abs().max()) for key in lora if "lora_B" in key) > 1e-3
    assert max(float((full[key] - base[key]).abs().max()) for key in base) > 1e-3


def test_rows_are_prepared_before_a_process_could_give_up_waiting_for_another(runs):
    assert [(runs / f"joined-{rank}").read_text() for rank in range(2)] == ["False", "False"]
    assert len(list((runs / "cache" / "prepared").glob("[!.]*"))) == 1


@pytest.mark.parametrize("name", TRAININGS)
def test_one_process_writes_the_run_folder(runs, name):
    facts = json.loads((runs / name / "environment.json").read_text())

    assert facts["processes"] == 2
    assert not list((runs / name).glob(".*"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("strategy", ["ddp", "fsdp", "zero2", "zero3", "zero3_offload"])
def test_every_strategy_trains_and_saves_on_the_gpus_there_are(strategy, tmp_path, repository):
    config = tmp_path / "mix.yaml"
    config.write_text(yaml.safe_dump(mix(tmp_path, repository)))
    here = str(torch.cuda.device_count())
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", here]
    words = ["train", str(config), f"run.folder={tmp_path / 'run'}", f"train.strategy={strategy}"]

    subprocess.run([*launch, "-m", "medft_bm.cli.main", *words], cwd=repository, check=True)

    assert all(0 < loss < 20 for loss in losses(tmp_path / "run"))
    weights = load_file(tmp_path / "run" / "adapter" / "adapter_model.safetensors")
    assert max(float(weights[key].abs().max()) for key in weights if "lora_B" in key) > 0
