"""The SLURM job: several tasks of one array at once, without SLURM."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

RECORD = """\
#!/usr/bin/env bash
case "$*" in
  *find_spec*) exit 0 ;;
  *sysconfig*) dirname "$0" ;;
  *) printf '%s\\n' "$@" ;;
esac
"""


@pytest.fixture
def start(repository: Path, tmp_path: Path):
    """Start one task the way SLURM does: a copy of the script, in a folder of its own."""
    copy = tmp_path / "slurmd" / "job00001" / "slurm_script"
    copy.parent.mkdir(parents=True)
    copy.write_bytes((repository / "script" / "slurm" / "prepare.sbatch").read_bytes())

    def run(*words: object, path: Path = Path(sys.executable).parent, **variables: str) -> subprocess.Popen[str]:
        given = {"PATH": f"{path}:/usr/bin:/bin", "HOME": os.environ["HOME"], "SLURM_SUBMIT_DIR": str(repository)}
        return subprocess.Popen(
            ["bash", str(copy), *map(str, words)],
            env={**given, **variables},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return run


def test_what_slurm_grants_and_what_is_set_become_words_and_later_words_win(start, tmp_path):
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(RECORD)
    python.chmod(0o755)

    task = start(
        "tasks/demo.yaml", "data.seed=3", path=python.parent, SLURM_CPUS_PER_TASK="6", DATA_ROOT="/my data", CACHE="/c"
    )

    out, err = task.communicate()
    words = ["data.root=/my data", "data.cache=/c", "prepare.workers=6", "data.seed=3"]
    assert out.splitlines() == ["-m", "medft_bm.cli.main", "prepare", "tasks/demo.yaml", *words], err


@pytest.mark.parametrize(
    ("words", "variables", "said"),
    [((), {}, "usage: sbatch"), (("tasks/demo.yaml",), {"SLURM_SUBMIT_DIR": "/"}, "submit from the repository's root")],
)
def test_a_wrong_submission_says_what_is_wrong(start, words, variables, said):
    task = start(*words, **variables)

    assert said in task.communicate()[1]
    assert task.returncode != 0


def test_of_two_tasks_one_is_killed_and_a_third_gets_what_the_other_makes(start, repository, tmp_path):
    part = {"task": "detection", "source": "phantom", "source_options": {"kind": "volumes", "subjects": 30}}
    config, cache = tmp_path / "mix.yaml", tmp_path / "cache"
    data = {"root": str(tmp_path / "raw"), "mix": [part]}
    config.write_text(yaml.safe_dump({"data": data, "model": {"name": str(repository / "script/demo/base/gemma3")}}))
    slurm = {"CACHE": str(cache), "SLURM_CPUS_PER_TASK": "1", "SLURM_ARRAY_JOB_ID": "7"}
    tasks = [start(config, **slurm, SLURM_ARRAY_TASK_ID=str(number)) for number in range(2)]
    deadline = time.monotonic() + 120
    while not list(cache.glob("shards/*/*/.*.draft")):
        assert time.monotonic() < deadline, "no task began to work"
        assert None in [task.poll() for task in tasks], tasks[0].communicate()
        time.sleep(0.01)

    os.killpg(tasks[0].pid, signal.SIGKILL)
    tasks.append(start(config, **slurm, SLURM_ARRAY_TASK_ID="0"))

    told = [task.communicate() for task in tasks]
    assert [task.returncode for task in tasks] == [-signal.SIGKILL, 0, 0], told
    folders = {out.splitlines()[-1] for out, _ in told[1:]}
    assert folders == {str(path) for path in (cache / "prepared").glob("[!.]*")}
    assert len(folders) == 1
    assert list((cache / "shards").iterdir()) == []
