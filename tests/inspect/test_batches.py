"""What is shown is what training makes: the same collator, the same checks, the same pixel budget."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tests.inspect.conftest import config_of, family_of

from medft_bm.core.errors import ConfigError
from medft_bm.inspect.batches import Feeder
from medft_bm.prepare.dataset import prepare_dataset
from medft_bm.train.run import load_model, make_trainer
from medft_bm.train.settings import sft_config


def test_the_trainer_makes_the_same_batch_of_the_same_rows(config, family, prepared, feeder, tmp_path):
    run = config.model_copy(update={"run": config.run.model_copy(update={"folder": tmp_path / "run"})})
    trainer = make_trainer(prepared, family, run, load_model(run, family), sft_config(run, validate=False))

    theirs, ours = trainer.data_collator.collate, feeder.collate.collate

    settings = ("max_length", "completion_only_loss", "pad_to_multiple_of", "assistant_only_loss", "chat_template")
    assert [getattr(ours, name) for name in settings] == [getattr(theirs, name) for name in settings]
    for collated in zip(*(_batches(of, prepared) for of in (trainer.data_collator, feeder.collate)), strict=True):
        assert collated[0].keys() == collated[1].keys()
        assert all(torch.equal(collated[0][name], collated[1][name]) for name in collated[0])


def _batches(collate, prepared):
    rows = prepared.training_set("train")
    return [collate([rows[place]]) for place in (0, len(rows) - 1)]


@pytest.mark.parametrize("part", range(4))
def test_a_right_row_has_its_answer_as_loss_and_no_problem(prepared, feeder, part):
    items, rows = prepared.items("train"), prepared.training_set("train")
    place = next(place for place in range(len(items)) if items[place].part == part)

    fed = feeder.feed(rows[place], items[place])

    assert fed.problem == ""
    assert fed.loss_text.startswith(items[place].answer_text)
    assert fed.count("image") == items[place].view.image_tokens
    assert fed.image.shape == (items[place].view.size.h, items[place].view.size.w, 3)


def test_labels_that_are_wrong_are_shown_as_they_are_with_the_reason(prepared, feeder):
    items, rows = prepared.items("train"), prepared.training_set("train")
    wrong = replace(feeder.collate, collate=replace(feeder.collate.collate, completion_only_loss=False))

    fed = replace(feeder, collate=wrong).feed(rows[0], items[0])

    assert "image token carries loss" in fed.problem
    assert fed.count("prompt") == fed.count("image") == 0


def test_a_view_that_the_processor_does_not_keep_is_a_problem(prepared, feeder):
    item = prepared.items("train")[0]
    size = replace(item.view.size, h=item.view.size.h + 1)

    fed = feeder.feed(prepared.training_set("train")[0], replace(item, view=replace(item.view, size=size)))

    assert f"but its view promised {size.h} x {size.w}" in fed.problem


def test_a_budget_of_pixels_reaches_the_picture(folder, checkpoint, feeder):
    config = config_of(folder, checkpoint, model={"max_pixels": 48 * 48})
    if checkpoint.name == "gemma3":
        with pytest.raises(ConfigError, match="every image of gemma3 is"):
            family_of(config)
        return
    family = family_of(config)
    prepared = prepare_dataset(config.data, family)
    item, row = prepared.items("train")[0], prepared.training_set("train")[0]

    fed = Feeder.of(config, family).feed(row, item)

    assert fed.problem == ""
    assert fed.image.shape[0] * fed.image.shape[1] <= 48 * 48
    assert "its view promised" in feeder.feed(row, item).problem  # as without the budget


def test_what_changes_the_tokens_together_with_the_model_is_told(folder, checkpoint):
    config = config_of(folder, checkpoint, train={"sft": {"eos_token": "<end>"}})

    warnings = Feeder.of(config, family_of(config)).warnings

    assert len(warnings) == 1
    assert "train.sft.eos_token" in warnings[0]
