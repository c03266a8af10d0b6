"""The benchmark of preparation: it runs, both sides do the same work, and its table says what was measured."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from medft_bm.core.types import ImageRef
from medft_bm.imaging.slices import render

QUICK = ("crops40", "cached", "open")


@pytest.fixture
def benchmarks(repository, monkeypatch):
    folder = repository / "benchmarks"
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_every_kind_of_measurement_runs_on_tiny_volumes(benchmarks, repository, tmp_path):
    words = ["--quick", "--folder", tmp_path, "--json", tmp_path / "found.json", "--cases", *QUICK]
    done = subprocess.run(
        [sys.executable, benchmarks / "prepare.py", *map(str, words)], capture_output=True, text=True, cwd=repository
    )
    assert done.returncode == 0, done.stderr

    found = json.loads((tmp_path / "found.json").read_text())
    assert [(row["case"], row["question"]) for row in found["speed"]] == [("crops40", "boxes"), ("crops40", "sizes")]
    for row in found["speed"]:
        (costs,) = row["rounds"]
        assert costs["ours"]["samples"] == 2 * 20, "every question about both volumes"
        assert costs["ours"]["images"] == 20, "two questions per slice"
        assert all(costs[side][what] > 0 for side in costs for what in ("wall_s", "cpu_s", "peak_mb"))
    assert [row["case"] for row in found["others"]] == list(QUICK[1:])
    assert "400 rows, 40 images" in found["others"][-1]["what"]
    assert all(row["case"] in done.stdout for row in found["speed"] + found["others"])
    left = {path.name for path in (tmp_path / "quick").iterdir()}
    assert left <= {"volumes", "data", "cached.yaml", ".lock"}, "what was prepared is not kept"


def test_both_sides_show_the_same_picture(benchmarks, tmp_path):
    from naive import READERS, grey
    from volumes import Kind, write_volume

    kind = Kind("body", "CT", (30, 22, 9), (0.7, 0.9, 2.5), (-1000, 40, 1500), (3, 12), (0.9, 0.75, float("inf")), 1)
    write_volume(kind, 3, tmp_path / "body.nii.gz")

    theirs = grey(READERS["gzip"](tmp_path / "body.nii.gz")[:, :, 4])
    (ours,) = render(tmp_path, [ImageRef("body.nii.gz", 2, 4, "stored", "min_max")])

    assert theirs.std() > 20, "not flat"
    np.testing.assert_allclose(theirs.astype(int), ours.astype(int), atol=1)  # one rounds, the other cuts off
