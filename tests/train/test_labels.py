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


def test_the_trainer_s_own_batches_pass(trainer, prepared):
    items = prepared.items("train")
    report = check_labels(trainer, items, n=5)
    assert report.rows == 5
    assert report.example.startswith(items[0].answer_text)
    assert 0 < report.supervised < report.tokens


def test_a_loss_over_the_whole_text_is_refused(trainer, prepared):
    trainer.data_collator.completion_only_loss = False
    with pytest.raises(MedftError, match="image token carries loss"):
        check_labels(trainer, prepared.items("train"))


def test_a_truncated_row_is_refused(trainer, prepared):
    trainer.data_collator.max_length = 20
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
    collate = trainer.data_collator

    def without_end(rows):
        batch = collate(rows)
        batch["labels"][torch.isin(batch["labels"], torch.tensor(ends))] = -100
        return batch

    trainer.data_collator = without_end
    with pytest.raises(MedftError, match="instead of the answer"):
        check_labels(trainer, prepared.items("train"))


def test_a_batch_that_does_not_mark_its_image_tokens_is_refused(trainer, prepared):
    collate = trainer.data_collator

    def without_marks(rows):
        batch = collate(rows)
        for name in {"token_type_ids", "mm_token_type_ids"} & set(batch):
            del batch[name]
        return batch

    trainer.data_collator = without_marks
    with pytest.raises(MedftError, match="does not mark"):
        check_labels(trainer, prepared.items("train"))


def test_items_of_another_split_are_refused(trainer, prepared):
    with pytest.raises(MedftError, match="do not describe"):
        check_labels(trainer, prepared.items("validation"))
