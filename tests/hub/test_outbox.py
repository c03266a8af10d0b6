"""Adapters sent beside a training: in order, never in its way, and told when they are not."""

from __future__ import annotations

import json
import logging
import shutil

import pytest
from huggingface_hub import HfApi
from tests.hub.conftest import TOKEN, full_disk, until, write_adapter
from tests.hub.state import Fault

from medft_bm.core.errors import MedftError
from medft_bm.hub.names import Repository
from medft_bm.hub.outbox import FINAL, Outbox
from medft_bm.hub.parcel import PLACE

pytestmark = pytest.mark.hub

THERE = Repository("lora", "me/x", private=True)


@pytest.fixture
def run(tmp_path, caplog):
    caplog.set_level(logging.INFO, "medft_bm")
    folder = tmp_path / "run"
    folder.mkdir()
    lines = [
        {"step": 1, "loss": 2.5},
        {"step": 2, "loss": 2.0},
        {"step": 2, "eval_loss": 0.412, "eval_skill": 0.3211, "eval_runtime": 7.0},
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"step": 2, "lo')
    return folder


@pytest.fixture
def outbox(logged_in, run):
    api = HfApi(token=TOKEN)
    api.create_repo("me/x", private=True)

    def made(**how):
        return Outbox(api, THERE, run, **{"waits": (0.0,), **how})

    return made


def journal(run):
    return [json.loads(line) for line in (run / "hub.jsonl").read_text().splitlines()]


def outcomes(run):
    return [(line["tag"], line["outcome"]) for line in journal(run)]


def test_what_is_sent_is_the_adapter_at_that_step_even_if_the_checkpoint_goes(outbox, run, hub, caplog):
    box = outbox()
    checkpoint = write_adapter(run / "checkpoints" / "checkpoint-2")
    weights = (checkpoint / "adapter_model.safetensors").read_bytes()
    box.send(checkpoint, 2, "step-2")
    shutil.rmtree(checkpoint)  # as train.save_limit does
    box.close(60)
    repo = hub.repo("me/x")
    assert repo.tree("step-2")["adapter_model.safetensors"] == weights
    assert repo.messages[repo.refs["step-2"]] == "step 2: eval_loss 0.412, skill 0.321"
    (line,) = journal(run)
    assert (line["outcome"], line["commit"], line["files"]) == ("sent", repo.refs["step-2"], 4)
    assert not (run / PLACE).exists()
    assert "on the Hub: step-2 in me/x" in caplog.text


def test_while_one_is_on_its_way_only_the_newest_waits(outbox, run, hub):
    hub.faults = [Fault("POST .*/preupload/", 200, slow_s=1.0)]
    box = outbox()
    box.send(write_adapter(run / "c1", 1), 1, "step-1")
    until(lambda: any("/preupload/" in request for request in hub.requests))
    for step in (2, 3):
        box.send(write_adapter(run / f"c{step}", step), step, f"step-{step}")
    box.send(write_adapter(run / "adapter", 4), 3, FINAL)
    box.close(60)
    assert outcomes(run) == [("step-2", "replaced"), ("step-3", "replaced"), ("step-1", "sent"), (FINAL, "sent")]
    tree = hub.repo("me/x").tree(FINAL)
    assert tree["adapter_model.safetensors"] == (run / "adapter" / "adapter_model.safetensors").read_bytes()
    assert hub.repo("me/x").messages[hub.repo("me/x").refs[FINAL]] == "final, step 3"


def test_no_failure_reaches_the_training_and_all_are_told(outbox, run, hub, caplog):
    def refuse(parcel):
        if "refused" in parcel.source.name:
            raise MedftError("a patient's name in README.md")

    hub.faults = [Fault("POST .*/commit/", 500, 2)]
    box = outbox(checks=[refuse])
    box.send(write_adapter(run / "c1"), 1, "step-1")
    until(lambda: outcomes(run) if (run / "hub.jsonl").exists() else False)
    box.send(run / "nowhere", 2, "step-2")
    box.send(write_adapter(run / "refused"), 3, FINAL)
    box.close(60)
    assert outcomes(run) == [("step-1", "failed"), ("step-2", "failed"), (FINAL, "failed")]
    reasons = [line["why"] for line in journal(run)]
    assert reasons[0].startswith("pushing to me/x failed")
    assert reasons[1:] == ["there is no adapter_config.json", "a patient's name in README.md"]
    assert f"not on the Hub: step-1, step-2, final; {run}/hub.jsonl says why" in caplog.text
    assert f"`medft push {run} --what lora` sends it again" in caplog.text
    assert TOKEN not in (run / "hub.jsonl").read_text() + caplog.text


def test_a_full_disk_and_a_fault_of_ours_cost_one_adapter_and_no_training(outbox, run, hub, caplog):
    def wrong(parcel):
        if parcel.source.name == "c2":
            raise KeyError("a mistake in this library")

    box = outbox(checks=[wrong])
    first = write_adapter(run / "c1")
    with full_disk():
        box.send(first, 1, "step-1")
    assert box.failed == ["step-1"]
    assert "was not sent to me/x: what is to be sent cannot be copied: File too large" in caplog.text
    assert f"{run}/hub.jsonl cannot be written" in caplog.text
    assert not list((run / PLACE / "training").iterdir())
    box.send(write_adapter(run / "c2"), 2, "step-2")
    until(lambda: len(box.failed) == 2)
    box.send(write_adapter(run / "c3"), 3, "step-3")
    box.close(60)
    assert "the adapter of step 2 was not sent to me/x: KeyError: 'a mistake in this library'" in caplog.text
    assert set(hub.repo("me/x").refs) == {"main", "step-3"}


def test_a_stopped_training_does_not_wait_for_a_network_that_hangs(outbox, run, hub):
    hub.faults = [Fault("POST .*/preupload/", 200, slow_s=60.0)]
    box = outbox()
    box.send(write_adapter(run / "c1"), 1, "step-1")
    until(lambda: any("/preupload/" in request for request in hub.requests))
    box.send(write_adapter(run / "c2"), 2, "step-2")
    box.close(0.1)
    assert not box._thread.is_alive()
    assert outcomes(run) == [("step-1", "failed"), ("step-2", "failed")]
    assert {line["why"] for line in journal(run)} == {"the training ended before it was sent"}
    assert not (run / PLACE).exists()


def test_copies_of_a_training_that_was_killed_are_cleared(outbox, run):
    for left in ("training/lora-old", "merged-of a push that still runs"):
        (run / PLACE / left).mkdir(parents=True)
    outbox().close(10)
    assert [path.name for path in (run / PLACE).iterdir()] == ["merged-of a push that still runs"]
