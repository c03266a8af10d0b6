"""Augmented rows in the trainer's hands: the same images for the same seed, whoever loads them and whenever."""

from __future__ import annotations

import copy
import hashlib
import logging
import pickle
from pathlib import Path

import pytest
import torch
from transformers import Trainer, TrainerCallback, TrainingArguments

from medft_bm.config.schema import Config
from medft_bm.models import load_model_family
from medft_bm.prepare.dataset import prepare_dataset
from medft_bm.train.augment import Epoch, TellEpoch, training_items, training_rows

ON = {"flip": "left_right", "rotate_deg": 8, "zoom": 0.1, "crop": 0.1, "intensity": 0.3}


def config_of(cache: Path, **augment) -> Config:
    volumes = {"kind": "volumes", "subjects": 6}
    mix = [
        {"task": "detection", "source": "phantom", "source_options": volumes},
        {"task": "lesion_size", "source": "phantom", "source_options": volumes},
    ]
    data = {"root": str(cache / "raw"), "cache": str(cache), "mix": mix, "limit": {"train": 12}}
    return Config.model_validate({"data": data, "model": {"name": "x"}, "augment": augment})


@pytest.fixture(scope="module")
def made(tmp_path_factory, repository):
    """Prepared phantoms, a family, and a function to a config."""
    folder = tmp_path_factory.mktemp("cache")
    family = load_model_family(str(repository / "script/demo/base/gemma3"))
    return prepare_dataset(config_of(folder).data, family), family, lambda **augment: config_of(folder, **augment)


def digest(row: dict) -> int:
    text = row["prompt"][0]["content"] + row["completion"][0]["content"]
    facts = row["images"][0].tobytes() + text.encode() + str(row["images"][0].size).encode()
    return int(hashlib.sha256(facts).hexdigest()[:12], 16)


class Recorder(torch.nn.Module):
    """A model that remembers what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.seen: list[list[int]] = []

    def forward(self, digests: torch.Tensor) -> dict[str, torch.Tensor]:
        self.seen.append(digests.tolist())
        return {"loss": self.weight.sum() ** 2}


class StopAt(TrainerCallback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args, state, control, **_):
        control.should_training_stop = state.global_step >= self.step


def collate(rows: list[dict]) -> dict[str, torch.Tensor]:
    return {"digests": torch.tensor([digest(row) for row in rows])}


def batches(made, folder: Path, *, resume: Path | None = None, stop: int = 99, **loader) -> list[list[int]]:
    """What three epochs of four steps each, in the trainer's own loop, feed to a model."""
    prepared, family, config = made
    epoch, model = Epoch(), Recorder()
    settings = {"per_device_train_batch_size": 3, "num_train_epochs": 3, "save_steps": 6, "seed": 1, "use_cpu": True}
    quiet = {"report_to": "none", "disable_tqdm": True, "logging_strategy": "no", "remove_unused_columns": False}
    trainer = Trainer(
        model=model,
        args=TrainingArguments(output_dir=str(folder), **settings, **quiet, **loader),
        train_dataset=training_rows(prepared, family, config(**ON), epoch),
        data_collator=collate,
        callbacks=[TellEpoch(epoch), StopAt(stop)],
    )
    trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    return model.seen


@pytest.fixture(scope="module")
def straight(made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("straight")
    return folder, batches(made, folder)


def test_images_change_from_epoch_to_epoch(straight):
    _, seen = straight
    assert len(seen) == 12
    epochs = [{one for batch in seen[start : start + 4] for one in batch} for start in (0, 4, 8)]
    assert all(len(epoch) == 12 for epoch in epochs)
    assert len(epochs[0] & epochs[1] & epochs[2]) < 4, "only rows that were left alone look the same each time"


@pytest.mark.parametrize("persistent", [False, True])
def test_the_number_of_workers_and_how_long_they_live_change_nothing(made, straight, tmp_path, persistent):
    loader = {"dataloader_num_workers": 2, "dataloader_persistent_workers": persistent}
    assert batches(made, tmp_path, **loader) == straight[1]


@pytest.mark.parametrize("workers", [0, 2])
def test_resuming_in_the_middle_of_an_epoch_goes_on_with_the_same_images(made, straight, tmp_path, workers):
    folder, seen = straight
    loader = {"dataloader_num_workers": workers, "dataloader_persistent_workers": workers > 0}
    assert batches(made, tmp_path, resume=folder / "checkpoint-6", **loader) == seen[6:]


def test_with_nothing_set_rows_are_those_of_the_prepared_dataset(made):
    prepared, family, config = made
    plain = training_rows(prepared, family, config(), Epoch())
    again = prepared.training_set("train")
    assert [digest(row) for row in plain] == [digest(row) for row in again]
    assert plain[0].keys() == again[0].keys() == training_rows(prepared, family, config(**ON), Epoch())[0].keys()
    assert training_items(prepared, family, config())[0].prompt_text == prepared.items("train")[0].prompt_text


def test_items_say_what_the_rows_of_the_first_epoch_ask(made):
    prepared, family, config = made
    rows, items = (
        make(prepared, family, config(**ON), *more) for make, more in ((training_rows, [Epoch()]), (training_items, []))
    )
    assert len(rows) == len(items)
    for row, item in zip(rows, items, strict=True):
        assert (row["prompt"][0]["content"], row["completion"][0]["content"]) == (item.prompt_text, item.answer_text)
        assert row["images"][0].size == (item.sample.size.w, item.sample.size.h)
    moved = [new for new, old in zip(items, prepared.items("train"), strict=True) if new.answer_text != old.answer_text]
    assert moved
    assert items[:2] == [items[0], items[1]]


def test_a_selection_still_sees_the_epoch_and_a_copy_can_be_pickled(made):
    prepared, family, config = made
    epoch = Epoch()
    rows = training_rows(prepared, family, config(**ON), epoch)
    some = copy.deepcopy(rows).select(range(6))  # as `datasets` does when columns are dropped or renamed
    before = [digest(row) for row in some]
    assert [digest(row) for row in pickle.loads(pickle.dumps(some))] == before
    epoch.now = 1
    assert [digest(row) for row in some] == [digest(rows[i]) for i in range(6)] != before


def test_what_augmentation_can_do_is_said(made, caplog):
    prepared, family, config = made
    with caplog.at_level(logging.INFO, "medft_bm"):
        training_rows(prepared, family, config(**ON, laterality="liver"), Epoch())
    told = caplog.messages[-1]
    assert "of 12 training rows looked at" in told
    assert "change but are not mirrored" in told


def test_a_real_training_passes_its_own_label_check_with_augmentation(checkpoint, tmp_path, helpers):
    from medft_bm.train.run import train_model

    family = load_model_family(str(checkpoint))
    if family.name != "qwen2_5_vl":
        pytest.skip("one family is enough: the one whose number of image tokens changes with the image")
    wanted = config_of(tmp_path / "cache", **ON)
    prepared = prepare_dataset(wanted.data, family)
    config = helpers.config(checkpoint, tmp_path / "run", max_steps=1).model_copy(
        update={"augment": wanted.augment, "data": wanted.data}
    )
    assert train_model(prepared, family, config).is_dir()
