"""Training and pushing as a user does, against a Hub on this machine; and where no token may ever be."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import snapshot_download
from tests.hub.server import Hub
from tests.hub.state import WRITER

from medft_bm.models.tiny import build_tiny

pytestmark = pytest.mark.hub

TOKEN = "hf_PlantedTokenThatNobodyMaySee"
CONFIG = """\
demo: true
data:
  root: {folder}/raw
  cache: {folder}/cache
  mix:
    - name: head
      task: angle_distance
      source: phantom
      source_options: {{kind: heads, subjects: 12, images_per_subject: 1, seed: 7}}
  split: {{validation: 0.2, test: 0.3}}
model: {{name: "{folder}/base"}}
lora: {{rank: 2}}
train:
  max_steps: 2
  save_steps: 1
  eval_steps: 1
  save_limit: 1
  device_batch: 2
  accumulation: 1
  gradient_checkpointing: false
  logging_steps: 1
  workers: 0
run: {{folder: "{folder}/tiny run"}}
hub: {{base_model: some-lab/tiny}}
"""
NEVER = ("optimizer", "scheduler", "rng_state", "trainer_state", "training_args", "logs", "tfevents", "config.yaml")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with Hub({TOKEN: WRITER}) as server:
        server.only(monkeypatch, tmp_path / "home")
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("push")
    build_tiny("gemma3", folder / "base", ["the distance is 12.5 mm"], seed=0)
    (folder / "mine.yaml").write_text(CONFIG.format(folder=folder), encoding="utf-8")
    return folder


def names(hub: Hub, name: str, kind: str = "model", revision: str = "main") -> set[str]:
    return set(hub.repo(name, kind).tree(revision)) - {".gitattributes"}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_was_trained_is_on_the_hub_and_the_token_nowhere(medft, hub, folder, tmp_path, monkeypatch):
    import torch

    torch.set_num_threads(1)
    run, said = folder / "tiny run", ""

    monkeypatch.setenv("HF_TOKEN", TOKEN)
    trained = medft("train", folder / "mine.yaml", "hub.push_lora=true")
    said += trained.out + trained.err
    assert trained.code == 0, trained.err
    repo = hub.repo("me/tiny-run")
    assert repo.private
    assert repo.messages[repo.refs["final"]].startswith("final, step 2: eval_loss ")
    assert "on the Hub: " in trained.err
    got = snapshot_download("me/tiny-run", revision="final", local_dir=tmp_path / "got", token=TOKEN)
    for name in ("adapter_model.safetensors", "chat_template.jinja"):
        assert (Path(got) / name).read_bytes() == (run / "adapter" / name).read_bytes()
    about = json.loads((Path(got) / "adapter_config.json").read_text())
    assert about["base_model_name_or_path"] == "some-lab/tiny"
    assert "DEMO" in (Path(got) / "README.md").read_text()
    monkeypatch.delenv("HF_TOKEN")

    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "token").write_text(TOKEN)
    merged = medft("merge", run)
    assert merged.code == 0, merged.err
    pushed = medft("push", run, "--what", "lora", "--what", "merged", "--json")
    said += pushed.out + pushed.err
    assert pushed.code == 0, pushed.err
    again, facts = json.loads(pushed.out)
    assert again["commit"] == repo.refs["final"]
    assert json.loads((run / "adapter" / "gate.json").read_text())["what"] == "lora"
    assert (facts["repository"], facts["url"]) == ("me/tiny-run-merged", f"{hub.address}/me/tiny-run-merged")
    assert {"config.json", "model.safetensors", "chat_template.jinja", "README.md"} <= names(hub, "me/tiny-run-merged")
    assert json.loads((run / "merged" / "gate.json").read_text())["what"] == "merged"
    (tmp_path / "home" / "token").unlink()

    read, write = os.pipe()
    os.write(write, TOKEN.encode())
    os.close(write)
    data = medft("push", run, "--what", "data", "hub.data_repo=lab/heads", f"hub.token_file=/dev/fd/{read}")
    os.close(read)
    said += data.out + data.err
    assert data.code == 0, data.err
    assert data.out.strip() == f"{hub.address}/datasets/lab/heads"
    (key,) = set(hub.repo("lab/heads", "dataset").refs) - {"main"}
    prepared = contents(folder / "cache" / "prepared" / key)
    assert names(hub, "lab/heads", "dataset", key) == set(prepared)
    del prepared["README.md"]  # with terms and limits in it by then
    assert hub.repo("lab/heads", "dataset").tree(key).items() >= prepared.items()

    for kind, name in hub.repos:
        assert not [path for path in names(hub, name, kind) if any(never in path for never in NEVER)]
    lines = [json.loads(line) for line in (run / "hub.jsonl").read_text().splitlines()]
    assert {line["what"] for line in lines if line["outcome"] == "sent"} == {"lora", "merged", "data"}
    assert not list(run.glob(".hub*"))
    token = TOKEN.encode()
    assert TOKEN not in said
    assert [name for name, content in contents(folder).items() if token in content] == []
    assert [request for request, body in zip(hub.requests, hub.bodies, strict=True) if token in body] == []


def test_a_token_on_the_command_line_is_refused_and_not_repeated(medft, hub, folder, tmp_path):
    for word in (f"hub.token={TOKEN}", f"hub.token_file={TOKEN}", f"hub.api_key={TOKEN}"):
        done = medft("train", folder / "mine.yaml", word, f"run.folder={tmp_path}/never")
        assert done.code == 2
        assert TOKEN not in done.out + done.err
    assert (
        "hub.token: unknown key; use HF_TOKEN, `hf auth login` or hub.token_file"
        in medft("train", folder / "mine.yaml", f"hub.token={TOKEN}").err
    )
    assert not (tmp_path / "never").exists()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["train", "hub.push_lora=true"], 2, "pushing needs a token, and there is none"),
        (["train", "hub.push_lora=true", "hub.lora_repo=x"], 2, "the account in front of it is missing"),
        (["train", "hub.push_lora=true", "train.method=full"], 2, "train.method full makes no adapter to push"),
        (["push"], 2, "nothing is asked to be pushed"),
        (["push", "--what", "merged"], 2, "this run has not been trained"),
        (["train", "hub.push_lora=true", "hub.base_model=null"], 2, "would be a folder of this machine"),
        (
            ["train", "hub.push_merged=true", "hub.private=false", "data.mix.0.terms.licence=cc-by-nc-nd-4.0"],
            4,
            "allow a model made with it to become public",
        ),
    ],
)
def test_what_cannot_be_pushed_is_one_message_before_anything_is_made(
    medft, hub, folder, tmp_path, words, code, message
):
    verb, *rest = words
    done = medft(verb, folder / "mine.yaml", *rest, f"run.folder={tmp_path}/new")
    assert done.code == code
    assert message in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "new").exists()
