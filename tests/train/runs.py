"""Runs to interrupt, and what became of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

STEPS = 5
"""Of three in an epoch of six rows: there is a checkpoint within an epoch and one between two."""


def five_steps(helpers: Any, checkpoint: Path, run: Path, **train: Any) -> Any:
    """A config of STEPS steps with dropout, and a checkpoint of each; keys of ``train`` may be changed."""
    lora = {"rank": 4, "alpha": 8, "dropout": 0.3}
    known = {"max_steps": STEPS, "save_steps": 1, "eval_steps": 2, "save_limit": 9, "lora": lora}
    return helpers.config(checkpoint, run, **{**known, **train})


def weights(folder: Path) -> dict[str, torch.Tensor]:
    (file,) = folder.glob("*model.safetensors")
    return load_file(file)


def equal(one: Path, other: Path) -> bool:
    first, second = weights(one), weights(other)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def logged(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def steps(run: Path, key: str) -> list[int]:
    return [line["step"] for line in logged(run) if key in line]


def interrupted(whole: Path, run: Path) -> Path:
    """The run folder as kill -9 leaves it: no result, and the record of a training that is under way."""
    shutil.copytree(whole, run)
    for name in ("adapter", "model"):
        shutil.rmtree(run / name, ignore_errors=True)
    record = json.loads((run / "training.json").read_text())
    (run / "training.json").write_text(json.dumps({**record, "finished": False}))
    return run
