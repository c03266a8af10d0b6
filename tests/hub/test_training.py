"""The Hub around a training: opened before it, and left as the training ends."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from tests.hub.conftest import write_adapter
from tests.hub.state import Fault

from medft_bm.core.errors import ConfigError
from medft_bm.hub import training
from medft_bm.hub.training import pushing
from medft_bm.train.signals import StoppedError

pytestmark = pytest.mark.hub


def test_every_save_and_the_result_are_sent(logged_in, config):
    wanted = config(push_lora=True, push_merged=True)
    run = wanted.run.folder
    write_adapter(run / "checkpoints" / "checkpoint-7")
    (run / "metrics.jsonl").write_text('{"step": 7, "loss": 1.25}\n')
    with pushing(wanted) as hub:
        push = hub.begin([])
        push.on_save(SimpleNamespace(output_dir=run / "checkpoints"), SimpleNamespace(global_step=7), None)
        push.finish(write_adapter(run / "adapter", 1))
    repo = logged_in.repo("me/run")
    assert repo.messages[repo.refs["final"]] == "final, step 7: loss 1.25"
    assert logged_in.repo("me/run-merged").tree() == {".gitattributes": b"*.safetensors filter=lfs\n"}


def test_a_stopped_training_leaves_at_once_and_says_the_same(logged_in, config, monkeypatch):
    monkeypatch.setattr(training, "STOPPED_S", 0.1)
    logged_in.faults = [Fault("POST .*/preupload/", 200, slow_s=60.0)]
    wanted = config(push_lora=True)
    adapter, opened = write_adapter(wanted.run.folder / "c"), []

    def train(hub):
        opened.append(hub)
        hub.begin([]).outbox.send(adapter, 1, "step-1")
        raise StoppedError("stopped by SIGTERM")

    with pytest.raises(StoppedError, match="stopped by SIGTERM"), pushing(wanted) as hub:
        train(hub)
    assert opened[0].outbox.failed == ["step-1"]


def test_nothing_is_trained_without_the_right_to_push(hub, config):
    with pytest.raises(ConfigError, match="there is none"), pushing(config(push_lora=True)):
        raise AssertionError("the training began")


def test_without_an_adapter_to_push_the_rights_are_checked_all_the_same(logged_in, config):
    with pushing(config(push_merged=True)) as hub:
        assert hub.begin([]) is None
    assert set(logged_in.repos) == {("model", "me/run-merged")}
