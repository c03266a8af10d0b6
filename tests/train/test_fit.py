"""A run folder, started more than once: signals, prolonging, the best weights, and what is refused."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
import torch
from tests.train.runs import STEPS, equal, five_steps, interrupted, logged, steps

from medft_bm.core.errors import ConfigError, MedftError
from medft_bm.evaluate.backends.transformers import Transformers
from medft_bm.evaluate.questions import question_of
from medft_bm.models.base import Loaded
from medft_bm.train.resume import find_start
from medft_bm.train.run import train_model

pytestmark = pytest.mark.parametrize("checkpoint", ["gemma3"], indirect=True)


@pytest.fixture(scope="module")
def rows(family, helpers, tmp_path_factory):
    return helpers.rows(family, tmp_path_factory.mktemp("rows"), train=6, validation=2)


@pytest.fixture(scope="module")
def settings(checkpoint, helpers):
    return lambda run, **train: five_steps(helpers, checkpoint, run, **train)


@pytest.fixture(scope="module")
def whole(rows, family, settings, tmp_path_factory) -> Path:
    """A training that nothing interrupted."""
    run = tmp_path_factory.mktemp("whole") / "run"
    train_model(rows, family, settings(run))
    return run


def test_it_goes_on_from_the_checkpoint_that_is_asked_for(whole, rows, family, settings, tmp_path):
    run = interrupted(whole, tmp_path / "run")  # between two epochs, where random numbers are restored in another place
    out = train_model(rows, family, settings(run, resume=str(run / "checkpoints" / "checkpoint-3")))
    assert equal(out, whole / "adapter")


def test_more_steps_prolong_a_finished_training_and_replace_its_result(whole, rows, family, settings, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    (run / "merged").mkdir()

    out = train_model(rows, family, settings(run, max_steps=STEPS + 1))

    assert steps(run, "loss") == [1, 2, 3, 4, 5, 6]
    assert not equal(out, whole / "adapter")  # the rate of the first step is that of the longer schedule, not 0
    assert not (run / "merged").exists()
    assert not [path.name for path in run.iterdir() if path.name.startswith(".")]


def test_a_finished_training_is_left_alone(whole, rows, family, settings):
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*")}
    train_model(rows, family, settings(whole))
    assert {path: path.stat().st_mtime_ns for path in whole.rglob("*")} == before


def test_other_rows_or_another_batch_are_refused(whole, rows, family, settings, helpers, tmp_path):
    run = interrupted(whole, tmp_path / "run")
    fewer = helpers.rows(family, tmp_path / "rows", train=4, validation=2)
    with pytest.raises(ConfigError, match="there are 4 training samples, and there were 6"):
        train_model(fewer, family, settings(run))
    with pytest.raises(ConfigError, match="a step is of 1 samples, and was of 2"):
        train_model(rows, family, settings(run, device_batch=1))
    assert find_start(settings(run)).checkpoint == run / "checkpoints" / "checkpoint-5"


def test_a_stop_signal_saves_the_step_and_the_next_start_goes_on(whole, rows, family, settings, tmp_path):
    before = signal.getsignal(signal.SIGTERM)

    def signalled(model, processor, step):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGUSR1)
        return {}

    with pytest.raises(MedftError, match="after step 3 of 5, which is saved; the same command goes on") as caught:
        train_model(rows, family, settings(tmp_path / "run", save_steps=50), judge=signalled)

    assert caught.value.exit_code == 75
    assert "\n" not in str(caught.value)
    assert signal.getsignal(signal.SIGTERM) is before
    assert not (tmp_path / "run" / "adapter").exists()
    assert find_start(settings(tmp_path / "run")).checkpoint == tmp_path / "run" / "checkpoints" / "checkpoint-3"
    assert equal(train_model(rows, family, settings(tmp_path / "run")), whole / "adapter")


def test_asking_the_model_while_it_trains_changes_nothing(whole, rows, family, settings, tmp_path):
    asked = []

    def judge(model, processor, step):
        torch.rand(7)
        backend = Transformers(Loaded(model, processor), 3, 8)
        asked.append((step, len(backend.ask([question_of(item) for item in rows.items("validation")]))))
        return {"skill": 0.0}

    config = settings(tmp_path / "run", eval_steps=1, gradient_checkpointing=True)
    out = train_model(rows, family, config, judge=judge)

    assert asked == [(step, 2) for step in (1, 2, 3, 4, 5)]
    assert equal(out, whole / "adapter")


def test_the_best_replies_become_the_result_and_patience_ends_the_training(rows, family, settings, tmp_path):
    skills = {1: 0.1, 2: 0.7, 3: 0.2, 4: 0.3, 5: 0.9}
    best = {"metric": "skill", "patience": 2}
    config = settings(tmp_path / "run", eval_steps=1, save_limit=1, best=best)

    out = train_model(rows, family, config, judge=lambda model, processor, step: {"skill": skills[step]})

    checkpoints = tmp_path / "run" / "checkpoints"
    assert steps(tmp_path / "run", "eval_skill") == [1, 2, 3, 4]
    assert sorted(path.name for path in checkpoints.glob("checkpoint-*")) == ["checkpoint-2"]
    assert equal(out, checkpoints / "checkpoint-2")


def test_the_lowest_loss_of_a_full_fine_tuning_is_really_loaded(rows, family, settings, tmp_path):
    too_fast = {"lr": 0.9, "schedule": "constant_with_warmup", "warmup": 0.0, "max_steps": 4}
    config = settings(tmp_path / "run", method="full", eval_steps=1, best={"metric": "loss"}, **too_fast)

    out = train_model(rows, family, config)

    losses = {line["step"]: line["eval_loss"] for line in logged(tmp_path / "run") if "eval_loss" in line}
    lowest = min(losses, key=losses.__getitem__)
    assert lowest < 4
    assert equal(out, tmp_path / "run" / "checkpoints" / f"checkpoint-{lowest}")
    assert not equal(out, tmp_path / "run" / "checkpoints" / "checkpoint-4")


def test_the_best_so_far_is_found_in_a_folder_that_has_moved(rows, family, settings, tmp_path):
    best = {"eval_steps": 1, "best": {"metric": "skill"}, "max_steps": 3}
    skills = {1: 0.9, 2: 0.1, 3: 0.2}

    def judge(model, processor, step):
        return {"skill": skills[step]}

    train_model(rows, family, settings(tmp_path / "here", **best), judge=judge)
    run = interrupted(tmp_path / "here", tmp_path / "there")
    shutil.rmtree(tmp_path / "here")
    shutil.rmtree(run / "checkpoints" / "checkpoint-3")

    out = train_model(rows, family, settings(run, **best), judge=judge)

    assert equal(out, run / "checkpoints" / "checkpoint-1")


def test_what_cannot_be_measured_is_refused(rows, family, settings, helpers, tmp_path):
    with pytest.raises(ConfigError, match="skill needs somebody to judge"):
        train_model(rows, family, settings(tmp_path / "a", eval_steps=1, best={"metric": "skill"}))
    blind = helpers.rows(family, tmp_path, train=4, validation=0)
    with pytest.raises(ConfigError, match="no validation samples"):
        train_model(blind, family, settings(tmp_path / "b", eval_steps=1, best={"metric": "loss"}))


def test_too_little_memory_is_one_message(rows, family, settings, tmp_path):
    def greedy(model, processor, step):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    with pytest.raises(MedftError, match=r"out of accelerator memory with 2 sample\(s\)") as caught:
        train_model(rows, family, settings(tmp_path / "run"), judge=greedy)
    assert "train.device_batch=1 with twice the train.accumulation" in caught.value.fix
