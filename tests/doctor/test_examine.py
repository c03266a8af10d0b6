"""``medft doctor`` as a user starts it: on this machine, and where little is installed."""

from __future__ import annotations

import json

import pytest
from tests.doctor.conftest import TOKEN

KEY = "key-of-wandb-that-nobody-may-see"
CRASH = "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n"
MISFIT = "raise ImportError('/home/jo/venv/lib/kernel.so: undefined symbol: _ZN3c10')\n"


def plant(folder, distribution: str, module: str, code: str) -> None:
    """A package whose import does that."""
    about = folder / f"{distribution.replace('-', '_')}-9.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {distribution}\nVersion: 9.0\n")
    (folder / module).mkdir()
    (folder / module / "__init__.py").write_text(code)


def test_this_machine_is_examined_and_what_crashes_or_is_secret_stays_where_it_is(doctor, tmp_path):
    plant(tmp_path / "more", "flash-attn", "flash_attn", CRASH)
    plant(tmp_path / "more", "liger-kernel", "liger_kernel", MISFIT)
    plant(
        tmp_path / "more", "deepspeed", "deepspeed", "__version__ = '9.0'\nprint('chatter')\n"
    )  # the real one is slow
    (tmp_path / ".netrc").write_text(f"machine api.wandb.ai login user password {KEY}\n")
    words = [f"data.cache={tmp_path / 'cache'}", f"run.folder={tmp_path / 'run'}", "train.liger=true"]

    done = doctor("tasks/demo.yaml", *words, "--json", HF_TOKEN=TOKEN, PYTHONPATH=f"{tmp_path / 'more'}")

    told = json.loads(done.stdout)
    found = {one["check"]: one for one in told["findings"]}
    assert set(told) == {"ok", "findings"}
    assert all(set(one) == {"check", "state", "found", "fix"} for one in told["findings"])
    assert done.returncode == 1
    assert told["ok"] is False
    assert found["liger-kernel"]["state"] == "problem"
    assert found["liger-kernel"]["found"] == "9.0 does not work: ImportError: kernel.so: undefined symbol: _ZN3c10"
    assert found["flash-attn"]["state"] == "warning"
    assert found["flash-attn"]["found"] == "9.0 does not work: the process died of SIGSEGV"
    assert found["deepspeed"]["state"] == "ok"
    assert found["hub"]["found"] == "logged in as radiologist at 127.0.0.1"
    assert (found["torch"]["state"], found["bitsandbytes"]["state"], found["model"]["state"]) == ("ok", "ok", "ok")
    assert found["cache"]["found"].startswith("~/cache, ")
    for secret in (TOKEN, KEY, str(tmp_path)):
        assert secret not in done.stdout + done.stderr


def test_the_base_installation_is_examined_and_says_what_training_needs(doctor, bare):
    done = doctor(python=bare)

    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if "extra train" in line)
    assert lines[at].startswith("absent")
    assert lines[at].endswith("not installed: torch")
    assert lines[at + 1].endswith('fix: pip install "medft_bm[train]"')
    assert lines[-1].startswith("0 problem(s), ")


def test_with_a_config_what_it_needs_is_a_problem(doctor, bare, tmp_path):
    words = ["model.name=gated/model", "train.method=qlora", f"data.cache={tmp_path}", f"run.folder={tmp_path}"]

    done = doctor("tasks/demo.yaml", *words, python=bare, HF_TOKEN=TOKEN)

    assert done.returncode == 1
    problems = [line.split("  ")[1].strip() for line in done.stdout.splitlines() if line.startswith("problem")]
    assert problems == ["extra train", "bitsandbytes", "model"]
    assert "accept its conditions on https://127.0.0.1/gated/model" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("; `medft plan tasks/demo.yaml` says whether it fits on a GPU")


@pytest.mark.parametrize("words", [("none.yaml",), ("tasks/demo.yaml", "train.lrr=1")])
def test_a_config_that_is_wrong_is_said_as_everywhere(medft, words):
    done = medft("doctor", *words)

    assert done.code == 2
    assert "fix:" in done.err
