"""The verbs one after another on phantoms and a tiny random checkpoint, as a launcher runs them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medft_bm.config.load import load_config
from medft_bm.models.content import weights_in
from medft_bm.models.tiny import build_tiny

CONFIG = """\
demo: true
data:
  root: {folder}/raw
  cache: {folder}/cache
  mix:
    - name: texture
      task: classification
      source: image_folder
      root: pictures
      source_options: {{subject: "(p[0-9]+)_", modality: histology, anatomy: breast}}
    - name: head
      task: angle_distance
      source: phantom
      source_options: {{kind: heads, subjects: 12, images_per_subject: 1, seed: 7}}
  split: {{validation: 0.2, test: 0.3}}
model: {{name: "{folder}/base"}}
lora: {{rank: 2}}
train: {{max_steps: 2, device_batch: 2, accumulation: 1, gradient_checkpointing: false, logging_steps: 1, workers: 0}}
evaluate: {{batch: 4, max_new_tokens: 4, examples: 2, bootstrap: 100}}
run: {{folder: "{folder}/run"}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipe")
    build_tiny("gemma3", folder / "base", ["the distance is 12.5 mm"], seed=0)
    draw(folder / "raw" / "pictures")
    (folder / "mine.yaml").write_text(CONFIG.format(folder=folder), encoding="utf-8")
    return folder


def draw(folder: Path) -> None:
    """Two pictures of every patient, in a folder per class; no two alike."""
    rng = np.random.default_rng(7)
    for kind in ("benign", "malignant"):
        (folder / kind).mkdir(parents=True)
    for patient in range(12):
        for number in range(2):
            picture = Image.fromarray(rng.integers(0, 255, (48, 64, 3), np.uint8))
            picture.save(folder / ("benign", "malignant")[patient % 2] / f"p{patient}_{number}.png")


def pictures(logs: Path) -> list[str]:
    """Names of the pictures in TensorBoard's files."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(logs))
    read.Reload()
    return list(read.Tags()["images"])


def test_the_verbs_follow_one_another_and_the_run_folder_stands_for_its_config(medft, folder, monkeypatch):
    import torch

    torch.set_num_threads(1)
    mine, run = folder / "mine.yaml", folder / "run"

    prepared = medft("prepare", mine)
    assert prepared.code == 0, prepared.err
    table = prepared.out.splitlines()
    assert table[0].split() == ["part", "task", "split", "samples", "images", "subjects"]
    assert {line.split()[0] for line in table[1:7]} == {"texture", "head"}
    assert Path(table[-1]).is_dir()
    assert json.loads(medft("prepare", mine, "--json").out)["folder"] == table[-1]

    before = medft("evaluate", mine, "--model", "base", "lora.rank=3")
    assert before.code == 0, before.err

    trained = medft("train", mine, "lora.rank=3")
    assert trained.code == 0, trained.err
    assert Path(trained.out.splitlines()[-1]) == run / "adapter"
    assert {line["outcome"] for line in json.loads((run / "startup.json").read_text())} == {"passed"}
    assert {name.split()[-1] for name in pictures(run / "logs")} == {"classification", "angle_distance"}
    assert load_config(run / "config.yaml", environ={}).config.lora.rank == 3
    assert "  rank: 3  # 'lora.rank=3'" in (run / "config.yaml").read_text().splitlines()

    merged = medft("merge", run, "--json")
    assert merged.code == 0, merged.err
    assert json.loads(merged.out)["folder"] == str(run / "merged")

    after = medft("evaluate", run, "--model", "merged")
    assert after.code == 0, after.err
    assert Path(after.out.splitlines()[-1]) == run / "report.html"
    adapted = medft("evaluate", run, "--model", "adapter", "--json")
    assert adapted.code == 0, adapted.err
    assert json.loads(adapted.out)["demo"] is True
    asked, merged_of = json.loads(adapted.out)["files"]["tuned"], weights_in(run / "merged")
    assert asked == weights_in(run / "adapter") == merged_of[1:]
    scores = json.loads((run / "evaluation" / "tuned" / "scores.json").read_text())
    assert scores["about"]["files"] == asked

    without = medft("merge", run, f"data.root={folder}/nowhere", "--json")
    assert without.code == 0, without.err
    assert "taking the rows that this run was trained with" in without.err

    moved = run.rename(folder / "moved")
    elsewhere = medft("evaluate", moved, "--model", "base")
    assert elsewhere.code == 0, elsewhere.err
    assert Path(elsewhere.out.splitlines()[-1]) == moved / "report.html"
    assert not run.exists()
    moved.rename(run)

    again = medft("train", mine, "lora.rank=4")
    assert again.code == 2
    assert "lora.rank is 4 and was 3" in again.err
    assert load_config(run / "config.yaml", environ={}).config.lora.rank == 3

    leak = medft("evaluate", run, "data.split.seed=5")
    assert leak.code == 2
    assert "data.split differ(s) from what this run was trained with" in leak.err


def test_a_tracker_that_is_not_installed_is_exit_code_3_before_anything_is_prepared(medft, folder, monkeypatch):
    monkeypatch.setattr("medft_bm.cli.train.TRACKERS", {"wandb": "no_such_tracker"})

    done = medft("train", folder / "mine.yaml", "train.report_to=wandb", f"data.cache={folder}/other")

    assert done.code == 3
    assert "pip install no_such_tracker" in done.err
    assert not (folder / "other").exists()


@pytest.mark.parametrize(("verb", "fix"), [("evaluate", "medft train"), ("merge", "medft train")])
def test_a_run_that_was_never_trained_says_what_to_do_first(medft, folder, verb, fix):
    done = medft(verb, folder / "mine.yaml", f"run.folder={folder}/never")

    assert done.code == 2
    assert fix in done.err
    assert not (folder / "never").exists()
