"""The benchmark of asking: it runs, and its table says whether the replies were the same."""

from __future__ import annotations

import json
import subprocess
import sys


def test_every_way_of_asking_is_measured_and_says_the_same(repository, tmp_path):
    words = ["--checkpoints", "script/demo/base/gemma3", "--batches", "1", "3", "--count", "8", "--rounds", "1"]
    command = [sys.executable, "benchmarks/evaluate.py", *words, "--json", str(tmp_path / "rows.json")]

    done = subprocess.run(command, capture_output=True, text=True, cwd=repository)

    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [row["asked"] for row in rows] == [
        "batch 1",
        "batch 3",
        "classes, batch 3",
        "classes with probabilities, batch 3",
    ]
    assert {row["same"] for row in rows} == {"yes"}
    assert all(row["samples/s"] > 0 for row in rows)
    assert done.stdout.splitlines()[0].split()[:2] == ["model", "asked"]
