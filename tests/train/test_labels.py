"""The label check lets right labels pass and stops each kind of wrong one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from medft_bm.core.errors import MedftError
from medft_bm.train.labels import check_labels
from medft_bm.train.run import make_trainer
from medft_bm.train.settings import sft_config


@pytest.fixture
def trainer(checkpoint, family, prepared, helpers, tmp_path):
    config = helpers.config(checkpoint, tmp_path / "run")
    loaded = family.load(str(checkpoint), revision=None, dtype="float32", attention="sdpa")
    return make_trainer(prepared, family, config, loaded, sft_config(config, validate=False))


def spoil(trainer, change):
    """Change every batch in place after it is collated, as a faulty collator would make it."""
    collate = trainer.data_collator

    def spoilt(rows):
        batch = collate(rows)
        change(batch)
        return batch

    trainer.data_collator = spoilt


def test_the_trainer_s_own_batches_pass(trainer, prepared):
    items = prepared.items("train")
    report = check_labels(trainer, items, n=5)
    assert report.rows == 5
    assert report.example.startswith(items[0].answer_text)
    assert 0 < report.supervised < report.tokens


def test_a_loss_over_the_whole_text_is_refused(trainer, prepared):
    trainer.data_collator.collate.completion_only_loss = False
    with pytest.raises(MedftError, match="image token carries loss"):
        check_labels(trainer, prepared.items("train"))


def test_a_truncated_row_is_refused(trainer, prepared):
    trainer.data_collator.collate.max_length = 20
    with pytest.raises(MedftError, match=r"tokens, but its view promised|instead of the answer"):
        check_labels(trainer, prepared.items("train"))


def test_an_answer_that_belongs_to_another_row_is_refused(trainer, prepared):
    items = list(prepared.items("train"))
    with pytest.raises(MedftError, match=r"instead of the answer|its view promised"):
        check_labels(trainer, [*items[1:], items[0]])


def test_a_view_of_another_processor_is_refused(trainer, prepared):
    items = [replace(item, view=replace(item.view, image_tokens=7)) for item in prepared.items("train")]
    with pytest.raises(MedftError, match="its view promised 7"):
        check_labels(trainer, items)


def test_a_missing_end_of_turn_is_refused(trainer, prepared):
    ends = trainer.model.generation_config.eos_token_id

    def without_end(batch):
        batch["labels"][torch.isin(batch["labels"], torch.tensor(ends))] = -100

    spoil(trainer, without_end)
    with pytest.raises(MedftError, match="instead of the answer"):
        check_labels(trainer, prepared.items("train"))


def test_labels_one_place_too_early_are_refused(trainer, prepared):
    def shifted(batch):
        batch["labels"] = batch["labels"].roll(-1, dims=1)

    spoil(trainer, shifted)
    with pytest.raises(MedftError, match="differs from the token at its place"):
        check_labels(trainer, prepared.items("train"))


@pytest.mark.parametrize("places", [[-1], [-3, -2, -1], [0]], ids=["the last", "three", "the first"])
def test_a_token_of_the_prompt_that_carries_loss_is_refused(trainer, prepared, places):
    def talkative(batch):
        first = (batch["labels"][0] != -100).nonzero()[0].item()
        for place in places:
            at = first + place if place < 0 else 0
            batch["labels"][0, at] = batch["input_ids"][0, at]

    spoil(trainer, talkative)
    with pytest.raises(MedftError, match="instead of the answer"):
        check_labels(trainer, prepared.items("train"))


def test_a_token_after_the_end_of_turn_that_carries_loss_is_refused(trainer, prepared):
    def endless(batch):
        word = batch["labels"][0][batch["labels"][0] != -100][0]
        for name, filler in (("input_ids", 0), ("labels", -100), ("attention_mask", 0)):
            column = torch.full_like(batch[name][:, :1], filler)
            column[0] = 1 if name == "attention_mask" else word
            batch[name] = torch.cat([batch[name], column], dim=1)
        for name in {"token_type_ids", "mm_token_type_ids"} & set(batch):
            batch[name] = torch.cat([batch[name], torch.zeros_like(batch[name][:, :1])], dim=1)

    spoil(trainer, endless)
    with pytest.raises(MedftError, match="instead of the answer"):
        check_labels(trainer, prepared.items("train"))


def test_an_answer_whose_first_token_carries_no_loss_is_refused(trainer, prepared):
    def mumbling(batch):
        batch["labels"][-1, (batch["labels"][-1] != -100).nonzero()[0]] = -100

    spoil(trainer, mumbling)
    with pytest.raises(MedftError, match="instead of the answer"):
        check_labels(trainer, prepared.items("train"))


def test_a_batch_that_does_not_mark_its_image_tokens_is_refused(trainer, prepared):
    def without_marks(batch):
        for name in {"token_type_ids", "mm_token_type_ids"} & set(batch):
            del batch[name]

    spoil(trainer, without_marks)
    with pytest.raises(MedftError, match="does not mark"):
        check_labels(trainer, prepared.items("train"))


def test_items_of_another_split_are_refused(trainer, prepared):
    with pytest.raises(MedftError, match="do not describe"):
        check_labels(trainer, prepared.items("validation"))
