"""``medft compare`` on scores alone, as copied from a cluster."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def write_scores(folder: Path, errors: list[float]) -> None:
    metric = {"unit": "mm", "higher_is_better": False, "unscored": None, "n": 12, "value": 1, "low": None, "high": None}
    content = {
        "demo": False,
        "about": {"split": "test"},
        "parts": [{"part": "distances", "metrics": {"absolute_error": metric}}],
        "samples": [
            {"uid": f"u{k}", "part": "distances", "subject": f"s{k}", "values": {"absolute_error": error}}
            for k, error in enumerate(errors)
        ],
    }
    folder.mkdir(parents=True)
    (folder / "scores.json").write_text(json.dumps(content))


@pytest.fixture
def runs(tmp_path) -> list[Path]:
    write_scores(tmp_path / "one/evaluation/tuned", [1 + k / 10 for k in range(12)])
    write_scores(tmp_path / "two/evaluation/tuned", [4 + k / 7 for k in range(12)])
    return [tmp_path / "one", tmp_path / "two"]


def test_runs_are_ranked_and_written_where_asked(medft, runs, tmp_path):
    done = medft("compare", *runs, "--which", "tuned", "--out", tmp_path / "board")

    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == str(tmp_path / "board/leaderboard.html")
    assert "one after" in done.out
    assert {path.name for path in (tmp_path / "board").iterdir()} == {
        "leaderboard.html", "leaderboard.md", "leaderboard.json",
    }  # fmt: skip


def test_json_is_for_programs_and_nothing_is_written_unasked(medft, runs, tmp_path):
    before = sorted(tmp_path.rglob("*"))

    board = json.loads(medft("compare", *runs, "--json").out)

    first, second = board["parts"][0]["lines"]
    assert (first["name"], second["name"]) == ("one after", "two after")
    assert second["paired"]["difference"]["low"] > 0
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_without_an_evaluation_is_a_mistake_in_the_data(medft, runs, tmp_path):
    done = medft("compare", runs[0], tmp_path)

    assert done.code == 4
    assert done.err.splitlines()[0] == "medft: nothing has been evaluated here"


def test_neither_torch_nor_data_sets_are_needed(runs):
    script = (
        "import sys; from medft_bm.cli.main import main\n"
        f"code = main(['compare', *{list(map(str, runs))!r}])\n"
        "print('heavy:', code, sorted({'torch', 'transformers', 'datasets', 'SimpleITK'} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "heavy: 0 []"
