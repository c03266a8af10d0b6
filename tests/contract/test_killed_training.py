"""`medft train`, killed at a moment nobody chose, and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from medft_bm.train.checkpoints import SEAL, by_age, damage

from .conftest import refused

LAST = 400


@pytest.fixture
def bench(loaded_bench):
    """A training with a checkpoint of every step, that would take minutes; it asks the model now and then."""
    keys = {"max_steps": LAST, "save_steps": 1, "save_limit": 3, "eval_steps": 1, "logging_steps": 1}
    loaded_bench.sections["data"] = {"split": {"validation": 0.3, "test": 0.2}}
    loaded_bench.sections["train"] = {**keys, "best": {"metric": "skill", "samples": 2}}
    return loaded_bench


def wait_for(what, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 240
    while not what():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.001)


def signal_when(appears: Path) -> None:
    """Signal this process, as a scheduler would, once a file is there: the training is then under way."""
    end = time.monotonic() + 240
    while time.monotonic() < end:
        if appears.exists():
            os.kill(os.getpid(), signal.SIGUSR1)
            return
        time.sleep(0.01)


def steps(run: Path) -> list[int]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line["step"] for line in lines if "loss" in line]


def test_kill_9_while_a_checkpoint_is_written_then_a_stop_signal_then_the_end(bench, medft):
    config, checkpoints = bench.config(), bench.run / "checkpoints"

    def being_written() -> bool:
        found = by_age(checkpoints)
        return len(found) > 1 and not (found[0] / SEAL).exists()

    command = [sys.executable, "-m", "medft_bm.cli.main", "train", str(config)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, **pipes)
    wait_for(being_written, process)
    process.kill()
    process.communicate()
    reached = int(by_age(checkpoints)[0].name.removeprefix("checkpoint-"))
    assert damage(by_age(checkpoints)[0]) or not damage(by_age(checkpoints)[1])

    reminder = threading.Thread(target=signal_when, args=[checkpoints / f"checkpoint-{reached + 1}" / SEAL])
    reminder.start()
    stopped = medft("train", config)
    reminder.join()
    assert stopped.code == 75, stopped.err
    assert stopped.out == ""
    assert stopped.err.count("medft: ") == 1
    assert "medft: stopped by SIGUSR1 after step" in stopped.err
    assert "Traceback" not in stopped.err

    done = medft("train", bench.run, f"train.max_steps={reached + 4}")
    assert done.code == 0, done.err
    assert done.out.strip() == str(bench.run / "adapter")
    assert steps(bench.run) == list(range(1, max(steps(bench.run)) + 1))
    assert not [path for path in by_age(checkpoints) if damage(path)]

    again = medft("train", bench.run)
    assert again.out == done.out
    assert "nothing to do" in again.err
    refused(medft("train", bench.run, "train.lr=0.5"), 2, "train.lr is 0.5 and was", "run.folder")
