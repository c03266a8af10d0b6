"""The benchmarks of feeding and of steps: they run, and their tables have both sides."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("script", "words", "sides"),
    [
        ("feed.py", ["--rounds", "1"], ["TRL on volumes", "TRL on pictures", "medft"]),
        ("step.py", ["--rounds", "1", "--steps", "5"], ["TRL", "medft"]),
    ],
)
def test_both_sides_are_measured(repository, tmp_path, script, words, sides):
    place = ["--folder", str(tmp_path)] if script == "feed.py" else []
    command = [sys.executable, repository / "benchmarks" / script, "--quick", *words, *place]

    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=repository)

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()[-len(sides) :]
    assert [line.split("  ")[0] for line in lines] == sides
    assert all(float(line.removeprefix(side).split()[0]) > 0 for line, side in zip(lines, sides, strict=True))
