"""What runs inside a container, with commands that stand in for those of the image."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

MEDFT = """\
#!/usr/bin/env bash
echo "${0##*/} $*" >>"$RECORD"
verb=$1
if [[ $0 == */torchrun ]]; then verb=train; fi
if [[ $verb == "${SAVE_AT:-}" ]]; then
  trap 'sleep 0.3; echo saved >>"$RECORD"; exit "$SAVE_WITH"' TERM USR1
  touch "$RECORD.ready"
  while true; do sleep 0.05; done
fi
if [[ $verb == "${FAIL_AT:-}" ]]; then exit "$FAIL_WITH"; fi
if [[ $verb == merge ]]; then mkdir -p "$RUN_FOLDER/merged" && touch "$RUN_FOLDER/merged/merge_report.json"; fi
"""


@pytest.fixture
def job(repository, tmp_path):
    for name in ("medft", "torchrun"):
        (tmp_path / name).write_text(MEDFT)
        (tmp_path / name).chmod(0o755)

    def start(*words: str, **variables: str) -> subprocess.Popen[str]:
        given = {"PATH": f"{tmp_path}:/usr/bin:/bin", "RECORD": str(tmp_path / "record")}
        given["RUN_FOLDER"] = str(tmp_path / "run")
        return subprocess.Popen(
            ["bash", str(repository / "container" / "job.sh"), *words],
            env={**given, **variables}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/",
        )  # fmt: skip

    return start


def lines(tmp_path) -> list[str]:
    return (tmp_path / "record").read_text().splitlines()


def until(path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} never appeared"
        time.sleep(0.01)


def test_a_job_does_every_step_once_and_does_not_merge_again(job, tmp_path):
    words = f"tasks/demo.yaml run.folder={tmp_path / 'run'} data.root=/my data data.cache=/c train.lr=1e-3".split(" ")
    variables = {"DATA_ROOT": "/my data", "CACHE": "/c"}

    codes = [job("tasks/demo.yaml", "train.lr=1e-3", **variables).wait() for _ in range(2)]

    told, tail = lines(tmp_path), " ".join(words[1:])
    assert codes == [0, 0]
    assert told[:5] == [
        f"medft prepare tasks/demo.yaml {tail}",
        f"medft train tasks/demo.yaml {tail}",
        f"medft merge tasks/demo.yaml {tail}",
        f"medft evaluate tasks/demo.yaml --model base {tail}",
        f"medft evaluate tasks/demo.yaml --model merged {tail}",
    ]
    assert [line.split()[1] for line in told[5:]] == ["prepare", "train", "evaluate", "evaluate"]


@pytest.mark.parametrize(
    ("at", "told", "saves_with"), [("train", "TERM", 75), ("train", "USR1", 1), ("prepare", "TERM", 143)]
)
def test_a_signal_reaches_the_step_which_saves_and_the_job_asks_to_be_started_again(
    job, tmp_path, at, told, saves_with
):
    started = job("tasks/demo.yaml", SAVE_AT=at, SAVE_WITH=str(saves_with))
    until(tmp_path / "record.ready")

    os.kill(started.pid, getattr(signal, f"SIG{told}"))

    assert started.wait() == 75
    assert lines(tmp_path)[-1] == "saved"
    assert not any("merge" in line for line in lines(tmp_path))


def test_a_step_that_ends_well_after_a_signal_leaves_the_rest_for_the_next_time(job, tmp_path):
    started = job("tasks/demo.yaml", SAVE_AT="train", SAVE_WITH="0")
    until(tmp_path / "record.ready")

    started.terminate()

    assert started.wait() == 75
    assert lines(tmp_path)[-1] == "saved"


@pytest.mark.parametrize(("at", "code"), [("prepare", 4), ("train", 2), ("evaluate", 1)])
def test_a_step_that_fails_ends_the_job_with_its_code(job, tmp_path, at, code):
    assert job("tasks/demo.yaml", FAIL_AT=at, FAIL_WITH=str(code)).wait() == code
    assert lines(tmp_path)[-1].startswith(f"medft {at}")


def test_several_gpus_train_together(job, tmp_path):
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nprintf 'GPU 0: a\\nGPU 1: b\\n'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)

    assert job("tasks/demo.yaml").wait() == 0

    start = "torchrun --standalone --nproc_per_node 2 -m medft_bm.cli.main train tasks/demo.yaml run.folder="
    assert lines(tmp_path)[1].startswith(start)


@pytest.mark.parametrize(
    ("words", "variables", "said"), [((), {}, "usage: job.sh"), (("x.yaml",), {"RUN_FOLDER": ""}, "RUN_FOLDER")]
)
def test_a_job_without_config_or_run_folder_says_so(job, words, variables, said):
    started = job(*words, **variables)

    assert said in started.communicate()[1]
    assert started.returncode == 1


APPTAINER = """\
#!/usr/bin/env bash
printf '%s\\n' "$*" >>"$RECORD"
while [[ $1 != *.sif ]]; do shift; done
shift 2
exec "$INSIDE" "$@"
"""


def test_a_slurm_job_runs_in_an_apptainer_image_unchanged(repository, tmp_path):
    (tmp_path / "apptainer").write_text(APPTAINER)
    (tmp_path / "apptainer").chmod(0o755)
    shims = repository / "container" / "apptainer"
    given = {"RECORD": str(tmp_path / "record"), "INSIDE": sys.executable, "HOME": str(tmp_path), "SIF": "medft.sif"}
    given |= {"PATH": f"{shims}:{tmp_path}:/usr/bin:/bin", "SLURM_SUBMIT_DIR": str(repository)}
    command = ["bash", str(repository / "script/slurm/prepare.sbatch"), "none.yaml"]

    done = subprocess.run(command, env=given, capture_output=True, text=True)

    assert done.returncode == 2
    assert "there is no such config file" in done.stderr
    assert lines(tmp_path)[-1] == "exec medft.sif python -m medft_bm.cli.main prepare none.yaml"
    del given["SIF"]
    alone = subprocess.run([str(shims / "python"), "-V"], env=given, capture_output=True, text=True)
    assert "SIF=medft.sif" in alone.stderr
