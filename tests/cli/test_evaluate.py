"""Evaluations as a user starts them: alone, in several processes, and with examples before every question."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """A mix of two tasks on phantoms, asked of the demo's model."""
    folder = tmp_path_factory.mktemp("evaluate")
    boxes = {"name": "boxes", "task": "detection", "source": "phantom"}
    grades = {"name": "grades", "task": "classification", "source": "phantom"}
    mix = [
        boxes | {"source_options": {"kind": "volumes", "subjects": 8}},
        grades | {"source_options": {"kind": "textures", "subjects": 12, "images_per_subject": 2}},
    ]
    words = {
        "data": {
            "root": str(folder / "raw"),
            "cache": str(folder / "cache"),
            "mix": mix,
            "split": {"validation": 0, "test": 0.5},
        },
        "model": {"name": str(repository / "script/demo/base/gemma3")},
        "evaluate": {"limit": 10, "batch": 4, "max_new_tokens": 8, "examples": 2, "bootstrap": 100},
        "run": {"folder": str(folder / "run")},
    }
    (folder / "mix.yaml").write_text(yaml.safe_dump(words), encoding="utf-8")
    return folder / "mix.yaml"


def replies(folder: Path) -> dict[str, dict[str, Any]]:
    """Lines of ``replies.jsonl`` by uid; none twice."""
    lines = [json.loads(line) for line in (folder / "replies.jsonl").read_text(encoding="utf-8").splitlines()]
    found = {line["uid"]: line for line in lines}
    assert len(found) == len(lines)
    return found


def about(folder: Path) -> dict[str, object]:
    facts: dict[str, object] = json.loads((folder / "scores.json").read_text())["about"]
    return facts


def test_two_processes_leave_what_one_leaves_and_take_over_what_others_left(medft, config, repository):
    alone, shared = config.parent / "alone", config.parent / "shared"
    assert medft("evaluate", config, "--model", "base", f"run.folder={alone}").code == 0
    expected = replies(alone / "evaluation/base")
    lines = (alone / "evaluation/base/replies.jsonl").read_text().splitlines(keepends=True)
    left = shared / "evaluation/base"
    left.mkdir(parents=True)
    shutil.copy(alone / "evaluation/base/replies.meta.json", left)
    (left / "replies.jsonl").write_text(lines[0] + lines[1][:40])
    (left / "replies-of-3.jsonl").write_text(lines[2].replace('"tokens": ', '"tokens": 10'))

    words = ["evaluate", str(config), "--model", "base", f"run.folder={shared}"]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run(
        [*launch, "-m", "medft_bm.cli.main", *words],
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        cwd=repository,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr[-3000:]
    found = replies(left)
    taken = json.loads(lines[2])["uid"]
    assert found.pop(taken)["tokens"] >= 100
    assert found.keys() == expected.keys() - {taken}
    weighed = 0
    for uid, line in found.items():
        # Sums of float32 end in other digits in another batch.
        shares, alike = line.pop("probabilities"), expected[uid].pop("probabilities")
        assert shares == (alike and pytest.approx(alike, abs=1e-5))
        assert line == expected[uid]
        weighed += shares is not None
    assert weighed
    assert [path.name for path in sorted(left.glob("*.jsonl"))] == ["replies.jsonl"]
    assert "2 of 10 replies are there already" in done.stderr
    assert done.stdout.count("report.html") == 1
    assert about(left)["processes"] == 2
    samples = [
        json.loads((folder / "scores.json").read_text())["samples"] for folder in (left, alone / "evaluation/base")
    ]
    assert samples[0] == samples[1]


def test_examples_are_evaluated_beside_the_plain_questions_and_shown(medft, config):
    few = [config, "--model", "base", "evaluate.shots=2", "evaluate.limit=4"]
    first = medft("evaluate", *few)
    assert first.code == 0, first.err
    table = first.out.splitlines()
    assert table[0].split() == ["part", "metric", "n", "value", "low", "high"]
    assert table[-1].endswith("evaluation/base-shots2/scores.json")
    assert "report.html" not in first.out

    assert medft("evaluate", config, "--model", "base", "evaluate.limit=4").code == 0
    again = medft("evaluate", *few)
    assert "4 of 4 replies are there already" in again.err
    assert again.out.startswith(first.out.rstrip())
    assert again.out.rstrip().endswith("report.html")
    folder = config.parent / "run/evaluation"
    assert {path.name for path in folder.iterdir()} >= {"base", "base-shots2"}
    assert about(folder / "base")["shots"] == 0
    assert json.loads(medft("evaluate", *few, "--json").out)["about"]["shots"] == 2


@pytest.mark.parametrize(
    ("word", "where"), [("evaluate.shots=99", "evaluate.shots"), ("evaluate.backend=tranformers", "evaluate.backend")]
)
def test_what_cannot_be_asked_is_one_message(medft, config, word, where):
    outcome = medft("evaluate", config, "--model", "base", word)
    assert outcome.code in (2, 4)
    assert where in outcome.err
    assert "Traceback" not in outcome.err


def test_whether_there_will_be_something_to_ask_is_known_before_a_training(medft, config):
    folder = config.parent / "unasked"
    words = ("evaluate", config, f"run.folder={folder}", "--check")

    there, none = medft(*words, "--json"), medft(*words, "data.limit.test=0")

    assert json.loads(there.out) == {"test": 10}
    assert medft(*words).out == "test: 10 questions\n"
    assert none.code == 4
    assert "the test split is empty" in none.err
    assert "raise data.split or data.limit" in none.err
    assert not folder.exists()


def test_probes_and_a_general_set_are_asked_of_both_models_and_reported(medft, config):
    folder = config.parent / "probed"
    general = yaml.safe_load(config.read_text())["data"] | {"split": {"validation": 0, "test": 1}}
    general["mix"] = [general["mix"][1] | {"name": "patterns", "source_options": {"kind": "textures", "seed": 9}}]
    (config.parent / "general.yaml").write_text(yaml.safe_dump({"data": general}))
    words = (
        "evaluate", config, f"run.folder={folder}", "evaluate.backend=fake", "evaluate.probes=6",
        f"evaluate.general={config.parent / 'general.yaml'}",
    )  # fmt: skip

    assert medft(*words, "--model", "base", "evaluate.fake.right=0.9", "evaluate.fake.near=0.1").code == 0
    shutil.copytree(folder / "evaluation/base", folder / "evaluation/tuned")
    shutil.copytree(folder / "evaluation/general/base", folder / "evaluation/general/tuned")
    assert medft(*words, "--model", "base").code == 0

    report = json.loads((folder / "report.json").read_text())
    assert set(report["probes"]) == {"base", "tuned"}
    assert {found["probe"] for found in report["probes"]["tuned"]} >= {"blank image", "mirrored image", "other words"}
    (accuracy,) = [row for row in report["general"] if row["metric"] == "accuracy"]
    assert accuracy["part"] == "patterns"
    assert accuracy["change"]["value"] > 0
    page = (folder / "report.html").read_text()
    assert "another patient" in page
    assert "patterns" in page
