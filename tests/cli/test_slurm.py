"""The SLURM job: several tasks of one array at once, without SLURM."""

from __future__ import annotations

import json
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


SRUN = """\
#!/usr/bin/env bash
# Starts the tasks here, as srun would over the nodes, and gives back the worst exit code.
printf 'srun %s\\n' "$*" >>"$RECORD"
tasks=${SLURM_NTASKS:-1}
while [[ $1 == --* ]]; do
  if [[ $1 == --ntasks=* ]]; then tasks=${1#*=}; fi
  shift
done
pids=()
for ((task = 0; task < tasks; task++)); do
  SLURM_PROCID=$task SLURM_LOCALID=$task SLURM_NTASKS=$tasks "$@" &
  pids+=($!)
done
echo "${pids[*]}" >"$RECORD.pids"
worst=0
for pid in "${pids[@]}"; do
  code=0
  wait "$pid" || code=$?
  if ((code > worst)); then worst=$code; fi
done
exit "$worst"
"""
SCONTROL = """\
#!/usr/bin/env bash
printf 'scontrol %s\\n' "$*" >>"$RECORD"
if [[ $1 == show ]]; then printf 'localhost\\nother\\n'; fi
"""
SAY_AND_LEAVE = """\
#!/usr/bin/env bash
case "$*" in
  *find_spec*) exit 0 ;;
  *sysconfig*) dirname "$0" ;;
  *" train "*) echo "rank ${RANK-} of ${WORLD_SIZE-}, here ${LOCAL_RANK-}, at $MASTER_ADDR:$MASTER_PORT" >>"$RECORD" ;;
esac
echo "$*" >>"$RECORD"
if [[ $* == *" ${LEAVE_AT:-nothing} "* ]]; then exit "$LEAVE_WITH"; fi
"""
JOB = {"SLURM_JOB_ID": "31", "SLURM_JOB_NUM_NODES": "2", "SLURM_NTASKS": "4", "SLURM_NTASKS_PER_NODE": "2"}
JOB |= {"SLURM_CPUS_PER_TASK": "3", "SLURM_JOB_NODELIST": "n[1-2]"}


class Job:
    """One job of a folder of templates, with stand-ins for SLURM's commands on PATH."""

    def __init__(self, folder: Path, repository: Path) -> None:
        self.folder, self.repository, self.record = folder, repository, folder / "record"
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.command("srun", SRUN)
        self.command("scontrol", SCONTROL)

    def command(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def start(self, name: str, *words: object, **variables: str) -> subprocess.Popen[str]:
        copy = self.folder / "slurm_script"
        copy.write_bytes((self.repository / "script" / "sft" / "slurm" / name).read_bytes())
        path = f"{self.bin}:{variables.pop('PATH', '')}:/usr/bin:/bin"
        given = {"PATH": path, "HOME": os.environ["HOME"], "SLURM_SUBMIT_DIR": str(self.repository)}
        return subprocess.Popen(
            ["bash", str(copy), *map(str, words)],
            env={**given, "RECORD": str(self.record), **JOB, **variables},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def lines(self) -> list[str]:
        return self.record.read_text().splitlines() if self.record.exists() else []


@pytest.fixture
def job(tmp_path: Path, repository: Path) -> Job:
    return Job(tmp_path, repository)


def test_a_job_prepares_once_per_node_and_trains_with_one_process_per_task(job):
    job.command("python", SAY_AND_LEAVE)

    task = job.start("train.sbatch", "tasks/demo.yaml", "train.lr=1e-3", DATA_ROOT="/my data", RUN_FOLDER="runs/x")

    out, err = task.communicate()
    assert task.returncode == 0, out + err
    words = "run.folder=runs/x data.root=/my data train.lr=1e-3"
    prepares = f"-m medft_bm.cli.main prepare tasks/demo.yaml prepare.workers=6 {words}"
    trains = f"-m medft_bm.cli.main train tasks/demo.yaml {words}"
    lines = job.lines()
    assert lines.count(prepares) == 2
    assert lines.count(trains) == 4
    assert lines.index(trains) > max(at for at, line in enumerate(lines) if line == prepares)
    ranks = sorted(line for line in lines if line.startswith("rank"))
    assert ranks == [f"rank {rank} of 4, here {rank}, at localhost:20031" for rank in range(4)]


@pytest.mark.parametrize(
    ("at", "code", "again"), [("train", 75, True), ("prepare", 138, True), ("train", 1, False), ("prepare", 4, False)]
)
def test_a_job_that_was_stopped_is_queued_again_and_one_that_failed_is_not(job, at, code, again):
    job.command("python", SAY_AND_LEAVE)

    task = job.start("train.sbatch", "tasks/demo.yaml", LEAVE_AT=at, LEAVE_WITH=str(code))

    task.communicate()
    assert task.returncode == (0 if again else code)
    assert ("scontrol requeue 31" in job.lines()) == again
    assert any(" train " in line for line in job.lines()) == (at == "train")


def test_a_job_that_is_queued_again_finds_its_run_folder(job):
    job.command("python", SAY_AND_LEAVE)
    for _ in range(2):
        job.start("train.sbatch", "tasks/demo.yaml").communicate()
    folders = {word for line in job.lines() for word in line.split() if word.startswith("run.folder")}
    assert folders == {"run.folder=runs/slurm-31"}


def test_evaluating_asks_before_and_after_and_needs_a_run(job):
    job.command("python", SAY_AND_LEAVE)

    assert "RUN_FOLDER: the folder of a training" in job.start("evaluate.sbatch").communicate()[1]
    job.record.unlink(missing_ok=True)
    task = job.start("evaluate.sbatch", "evaluate.limit=5", RUN_FOLDER="runs/x")

    assert task.wait() == 0
    main = "-m medft_bm.cli.main"
    assert [line for line in job.lines() if line.startswith(main)] == [
        f"{main} evaluate runs/x --model base evaluate.limit=5",
        f"{main} merge runs/x evaluate.limit=5",
        f"{main} evaluate runs/x --model merged evaluate.limit=5",
    ]


@pytest.mark.parametrize("name", ["train.sbatch", "evaluate.sbatch"])
def test_a_job_submitted_from_elsewhere_says_so(job, name):
    task = job.start(name, "tasks/demo.yaml", SLURM_SUBMIT_DIR="/", RUN_FOLDER="x")

    assert "submit from the repository's root" in task.communicate()[1]
    assert task.returncode == 2


def test_a_training_told_to_stop_saves_and_the_job_queued_again_finishes_it(job, repository, tmp_path):
    run, config = tmp_path / "run", tmp_path / "mix.yaml"
    part = {"task": "detection", "source": "phantom", "source_options": {"kind": "volumes", "subjects": 6}}
    few = {"max_steps": 15, "device_batch": 1, "accumulation": 1, "logging_steps": 1, "workers": 0}
    data = {"root": str(tmp_path / "raw"), "cache": str(tmp_path / "cache"), "mix": [part]}
    data["split"] = {"validation": 0, "test": 0.2}
    model = {"name": str(repository / "script/demo/base/gemma3")}
    config.write_text(yaml.safe_dump({"data": data, "model": model, "train": {**few, "report_to": []}}))
    slurm = {
        "SLURM_JOB_ID": str(os.getpid()), "SLURM_JOB_NUM_NODES": "1", "SLURM_NTASKS": "2", "RUN_FOLDER": str(run),
        "SLURM_CPUS_PER_TASK": "1", "PATH": str(Path(sys.executable).parent),
    }  # fmt: skip

    first = job.start("train.sbatch", config, **slurm)
    deadline = time.monotonic() + 300
    while '"loss"' not in text(run / "metrics.jsonl"):
        assert first.poll() is None, first.communicate()
        assert time.monotonic() < deadline, "no step was taken"
        time.sleep(0.01)
    one_of_them = int(text(tmp_path / "record.pids").split()[1])
    os.kill(one_of_them, signal.SIGUSR1)

    told = first.communicate()
    assert first.returncode == 0, told
    assert f"scontrol requeue {os.getpid()}" in job.lines(), told
    assert not (run / "adapter").exists()
    second = job.start("train.sbatch", config, **slurm)
    told = second.communicate()
    assert second.returncode == 0, told
    assert (run / "adapter" / "adapter_model.safetensors").exists()
    steps = [json.loads(line)["step"] for line in text(run / "metrics.jsonl").splitlines() if '"loss"' in line]
    assert steps == list(range(1, 16))


def text(path: Path) -> str:
    return path.read_text() if path.exists() else ""
