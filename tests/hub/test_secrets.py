"""Both launchers with secrets in every place where they are kept, through success and failure: nothing repeats them."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.hub.server import Hub
from tests.hub.state import WRITER, Fault

pytestmark = pytest.mark.hub

IN_ENVIRONMENT, LOGGED_IN = "hf_PlantedInTheEnvironment", "hf_PlantedByLoggingIn"
WANDB = "0123456789abcdef" * 2 + "fedcba98"
SECRETS = (IN_ENVIRONMENT, LOGGED_IN, WANDB)
STORES = ("home/token", "home/stored_tokens", "netrc")
"""Files that are there to hold secrets."""
PYTHON = """\
#!/usr/bin/env bash
# Stands where python stands: answers the questions of the scripts, and has verbs run by the test.
case "$*" in
  *find_spec*) exit 0 ;;
  *sysconfig*) dirname "$0" ;;
  *)
    printf '%s\\0' "${@:3}" >"$DESK/asking"
    mv "$DESK/asking" "$DESK/asked"
    read -r code <"$DESK/answer"
    exit "$code"
    ;;
esac
"""
MIX = """\
demo: true
data:
  root: {folder}/raw
  cache: {folder}/cache
  mix:
    - name: head
      task: angle_distance
      source: phantom
      source_options: {{kind: heads, subjects: 9, images_per_subject: 1, seed: 7}}
  split: {{validation: 0.2, test: 0.3}}
lora: {{rank: 2}}
train: {{gradient_checkpointing: false, workers: 0}}
evaluate: {{bootstrap: 100, examples: 1}}
hub: {{base_model: some-lab/tiny}}
"""
SHORT = {
    "MAX_STEPS": "2",
    "SAVE_STEPS": "1",
    "LOGGING_STEPS": "1",
    "DEVICE_BATCH": "1",
    "ACCUMULATION": "1",
    "EVAL_LIMIT": "1",
    "MAX_NEW_TOKENS": "2",
    "REPORT_TO": "wandb,tensorboard",
    "PUSH_LORA": "true",
    "PUSH_MERGED": "true",
}


class Launch:
    """Runs a launcher with secrets in every store, and only one folder to write to.

    The launcher is a process of its own; the verbs that it starts are run here, because each would import for seconds
    what is imported here already.
    """

    def __init__(self, hub: Hub, folder: Path, repository: Path, medft: Callable[..., Any]) -> None:
        self.hub, self.folder, self.repository, self.medft = hub, folder, repository, medft
        self.run, self.desk, self.said = folder / "a run", folder / "desk", ""
        for name in ("home", "tmp", "wandb", "desk"):
            (folder / name).mkdir()
        (self.desk / "python").write_text(PYTHON)
        (self.desk / "python").chmod(0o755)
        os.mkfifo(self.desk / "answer")
        (folder / "home" / "token").write_text(LOGGED_IN)
        (folder / "home" / "stored_tokens").write_text(f"[laptop]\nhf_token = {LOGGED_IN}\n")
        (folder / "netrc").write_text(f"machine api.wandb.ai\n  login user\n  password {WANDB}\n")
        (folder / "mine.yaml").write_text(MIX.format(folder=folder))

    def __call__(self, name: str, base: str, **variables: str) -> int:
        model = self.repository / "script" / "demo" / "base" / base
        own = {"MODEL": str(model), "MIX": str(self.folder / "mine.yaml"), "RUN_FOLDER": str(self.run)}
        path = f"{self.desk}:/usr/bin:/bin"
        process = subprocess.Popen(
            ["bash", "-x", str(self.repository / "script" / "sft" / name)],  # as one looks for what is wrong
            env={**os.environ, **own, **SHORT, **variables, "PATH": path, "DESK": str(self.desk)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        while process.poll() is None:
            if (asked := self.desk / "asked").is_file():
                done = self.medft(*asked.read_text().split("\0")[:-1])
                self.said += done.out + done.err
                asked.unlink()
                (self.desk / "answer").write_text(f"{done.code}\n")
            time.sleep(0.01)
        self.said += process.communicate()[0]
        return process.returncode

    def repeated(self) -> list[str]:
        """Everywhere that a secret was repeated: files, messages, requests, and what is on the Hub."""
        places = {"standard output or error": self.said.encode(), **self.hub.objects}
        for path in self.folder.rglob("*"):
            if path.is_file() and path.relative_to(self.folder).as_posix() not in STORES:
                places[str(path)] = path.read_bytes()
        for number, (line, body) in enumerate(zip(self.hub.requests, self.hub.bodies, strict=True)):
            places[f"request {number}: {line}"] = line.encode() + body
        for (_, name), repo in self.hub.repos.items():
            places[f"what {name} says"] = " ".join([*repo.messages.values(), *repo.refs]).encode()
            for commit, tree in repo.commits.items():  # small files are sent in another code
                places |= {f"{name} at {commit}: {path}": content for path, content in tree.items()}
        found = [(one, name) for name, content in places.items() for one in SECRETS if one.encode() in content]
        return [f"{one[:12]} in {name}" for one, name in found]


@pytest.fixture
def launch(tmp_path: Path, repository: Path, medft: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Launch]:
    import torch
    from huggingface_hub import constants

    torch.set_num_threads(1)
    with Hub({IN_ENVIRONMENT: WRITER, LOGGED_IN: WRITER}) as hub:
        hub.only(monkeypatch, tmp_path / "home")
        monkeypatch.setattr(constants, "HF_STORED_TOKENS_PATH", str(tmp_path / "home" / "stored_tokens"))
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
        for name, value in (("WANDB_MODE", "offline"), ("WANDB_DIR", "wandb"), ("NETRC", "netrc"), ("TMPDIR", "tmp")):
            monkeypatch.setenv(name, value if name == "WANDB_MODE" else str(tmp_path / value))
        yield Launch(hub, tmp_path, repository, medft)


def test_a_whole_training_with_a_token_and_a_key_in_the_environment(launch, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", IN_ENVIRONMENT)
    monkeypatch.setenv("WANDB_API_KEY", WANDB)
    assert launch("train__SFT__MedGemma.sh", "gemma3") == 0, launch.said[-3000:]
    adapter, merged = launch.hub.repo("me/a-run"), launch.hub.repo("me/a-run-merged")
    assert "final" in adapter.refs
    assert b"\n| head |" in merged.tree("final")["README.md"], "with the numbers of its evaluation"
    assert list((launch.folder / "wandb").rglob("*.wandb"))
    assert launch.repeated() == []

    monkeypatch.setenv("MEDFT_DEBUG", "1")
    launch.hub.faults = [Fault("GET .*/whoami", 500), Fault("POST .*/preupload/", 403, 9)]
    assert launch("train__SFT__MedGemma.sh", "gemma3", PUSH_ONLY="1") == 2, launch.said[-3000:]
    assert "Traceback" in launch.said
    assert "the Hub does not allow it" in launch.said
    assert launch.repeated() == []


def test_a_training_that_crashes_after_its_login_has_expired(launch, monkeypatch):
    def crash(request):
        if launch.run.is_dir():
            (launch.run / ".adapter-saving").touch()  # where a folder is to be made at the end

    monkeypatch.setenv("MEDFT_DEBUG", "1")
    launch.hub.before = crash
    launch.hub.faults = [Fault("POST .*/preupload/", 401, 99)]
    assert launch("train__SFT__Qwen2.5-VL.sh", "qwen2_5_vl") == 1, launch.said[-3000:]
    assert "Traceback" in launch.said
    assert "the Hub does not know this token, or it has expired" in (launch.run / "hub.jsonl").read_text()
    assert launch.repeated() == []
