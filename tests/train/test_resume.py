"""A training that was interrupted ends as if it had not been."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.train.runs import equal, five_steps, interrupted, steps

from medft_bm.core.errors import ConfigError
from medft_bm.train.checkpoints import SEAL, Seal, seal
from medft_bm.train.record import write_record
from medft_bm.train.resume import Start, find_start
from medft_bm.train.run import train_model


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-10])


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_killed_training_goes_on_to_the_same_weights_past_damaged_checkpoints(
    checkpoint, family, helpers, tmp_path, caplog, method
):
    rows = helpers.rows(family, tmp_path, train=6, validation=2)
    whole = tmp_path / "whole"
    result = train_model(rows, family, five_steps(helpers, checkpoint, whole, method=method))
    run = interrupted(whole, tmp_path / "run")
    (run / "checkpoints" / "checkpoint-5" / SEAL).unlink()  # killed while it was written
    cut_short(run / "checkpoints" / "checkpoint-4" / "optimizer.pt")
    with (run / "metrics.jsonl").open("a") as log:
        log.write('{"step": 5, "lo')
    config = five_steps(helpers, checkpoint, run, method=method)

    out = train_model(rows, family, config)

    assert "checkpoint-5 is left out: it was never finished" in caplog.text
    assert "checkpoint-4 is left out: optimizer.pt has" in caplog.text
    assert equal(out, result)
    assert steps(run, "loss") == [1, 2, 3, 4, 5]
    assert steps(run, "eval_loss") == [2, 4, 5]
    assert find_start(config).finished


def started(config, *, finished: bool = False, at: int | None = 4) -> None:
    """A run folder with one checkpoint, by hand."""
    run = config.run.folder
    run.mkdir(parents=True)
    write_record(config, "data", finished=finished)
    if at is not None:
        folder = run / "checkpoints" / f"checkpoint-{at}"
        folder.mkdir(parents=True)
        seal(folder, Seal(at, 1, 2, 6))
    if finished:
        (run / "adapter").mkdir()
        (run / "adapter" / "adapter_config.json").write_text("{}")


def test_an_empty_folder_starts_at_the_beginning(helpers, tmp_path):
    for wish in ("auto", "never"):
        assert find_start(helpers.config(tmp_path, tmp_path / "run", resume=wish)) == Start()


def test_a_start_that_left_no_whole_checkpoint_starts_again_with_whatever_settings(helpers, tmp_path):
    started(helpers.config(tmp_path, tmp_path / "run"), at=None)
    (tmp_path / "run" / "checkpoints" / "checkpoint-1").mkdir(parents=True)
    assert find_start(helpers.config(tmp_path, tmp_path / "run", lr=3e-4)) == Start()


def test_never_refuses_what_auto_goes_on_with(helpers, tmp_path):
    config = helpers.config(tmp_path, tmp_path / "run")
    started(config)
    assert find_start(config).checkpoint == tmp_path / "run" / "checkpoints" / "checkpoint-4"
    with pytest.raises(ConfigError, match="already holds a training"):
        find_start(helpers.config(tmp_path, tmp_path / "run", resume="never"))


def test_settings_that_differ_are_named_with_both_values(helpers, tmp_path):
    started(helpers.config(tmp_path, tmp_path / "run", sft={"adam_beta2": 0.98}))
    with pytest.raises(ConfigError) as caught:
        find_start(helpers.config(tmp_path, tmp_path / "run", lr=3e-4, lora={"rank": 8}, sft={"optim": "sgd"}))
    for words in (
        "train.lr is 0.0003 and was 0.001",
        "lora.rank is 8 and was 4",
        "train.sft.optim is 'sgd' and was None",
        "train.sft.adam_beta2 is None and was 0.98",
    ):
        assert words in caught.value.what


@pytest.mark.parametrize(
    "free", [{"workers": 3}, {"save_steps": 7}, {"epochs": 3}, {"device_batch": 1, "accumulation": 2}], ids=str
)
def test_what_changes_no_update_may_differ(helpers, tmp_path, free):
    started(helpers.config(tmp_path, tmp_path / "run"))
    assert find_start(helpers.config(tmp_path, tmp_path / "run", **free)).checkpoint is not None


def test_a_finished_training_goes_on_only_when_it_is_to_be_longer(helpers, tmp_path):
    started(helpers.config(tmp_path, tmp_path / "run"), finished=True)
    assert find_start(helpers.config(tmp_path, tmp_path / "run", save_steps=9)).finished
    assert not find_start(helpers.config(tmp_path, tmp_path / "run", max_steps=9)).finished


def test_a_result_without_checkpoints_cannot_be_prolonged(helpers, tmp_path):
    started(helpers.config(tmp_path, tmp_path / "run"), finished=True, at=None)
    with pytest.raises(ConfigError, match="already holds a training"):
        find_start(helpers.config(tmp_path, tmp_path / "run", max_steps=9))


def test_a_checkpoint_that_is_asked_for_must_be_whole(helpers, tmp_path):
    with pytest.raises(ConfigError, match="there is no such folder"):
        find_start(helpers.config(tmp_path, tmp_path / "run", resume=str(tmp_path / "true")))


def test_the_record_keeps_no_secret(helpers, tmp_path):
    config = helpers.config(tmp_path, tmp_path / "run")
    config = config.model_copy(update={"data": config.data.model_copy(update={"salt": "sesame"})})
    started(config)
    assert "sesame" not in (tmp_path / "run" / "training.json").read_text()
