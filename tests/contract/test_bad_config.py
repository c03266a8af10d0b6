"""Options, splits, mixes and checkpoints that cannot be used: one message, the right exit code, nothing written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .broken import CONFIG, DATA, Cases
from .conftest import Bench, truncate

case = Cases()


def volumes_with(bench: Bench, **data: Any) -> None:
    """Sound volumes, and something to set in the section ``data``."""
    bench.volume()
    bench.ask_volumes()
    bench.sections["data"] = data


def split_by_file(bench: Bench, text: str) -> None:
    """Sound volumes, and a split file."""
    path = bench.folder / "split.json"
    path.write_text(text, encoding="utf-8")
    volumes_with(bench, split={"file": str(path)})


@case(DATA, "none of the 3 samples is left", "data.limit")
def limits_of_zero_everywhere(bench: Bench) -> None:
    volumes_with(bench, limit={"train": 0, "validation": 0, "test": 0})


@case(CONFIG, "the split file cannot be read", "nowhere.json")
def a_missing_split_file(bench: Bench) -> None:
    volumes_with(bench, split={"file": str(bench.folder / "nowhere.json")})


@case(CONFIG, "the split file must map subjects", "split.json")
def a_split_file_of_another_kind(bench: Bench) -> None:
    split_by_file(bench, '["p1"]')


@case(DATA, "is not in the split file", "split.json")
def a_split_file_that_forgets_a_subject(bench: Bench) -> None:
    split_by_file(bench, '{"p2": "train"}')


@case(DATA, "the cache cannot be written", "data.cache")
def a_cache_that_cannot_be_written(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    (bench.folder / "file").write_text("", encoding="utf-8")
    bench.sections["data"] = {"cache": str(bench.folder / "file" / "cache")}


@case(CONFIG, "unknown task 'detektion'; did you mean 'detection'?", "mine.yaml", "medft")
def an_unknown_task(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    bench.parts[0]["task"] = "detektion"


@case(CONFIG, "unknown source 'niftimasks'; did you mean 'nifti_masks'?", "mine.yaml")
def an_unknown_source(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    bench.parts[0]["source"] = "niftimasks"


@case(CONFIG, "images", "'/etc/*'", "under the root")
def a_pattern_that_leaves_the_root(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes(images="/etc/*")


@case(CONFIG, "masks", "{prefix_mask.nii.gz")
def a_mask_template_with_a_lost_brace(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes(masks="{prefix_mask.nii.gz")


@case(CONFIG, "the split file cannot be read", "subject p1 is listed twice", "split.json")
def a_split_file_that_names_a_subject_twice(bench: Bench) -> None:
    split_by_file(bench, '{"p1": "train", "p1": "test"}')


@case(CONFIG, "unknown split 'holdout'", "split.json", "train, validation, test")
def a_split_file_with_a_split_of_another_name(bench: Bench) -> None:
    split_by_file(bench, '{"p1": "holdout"}')


@case(DATA, "subject p1_image has no tag 'site', and data.split.by keeps its values apart", "detection/nifti_masks")
def a_split_by_a_tag_that_nobody_gives(bench: Bench) -> None:
    volumes_with(bench, split={"by": "site"})


@case(DATA, "site s1 is in train and in test", "drop data.split.by")
def a_split_by_a_tag_that_the_official_split_cuts(bench: Bench) -> None:
    bench.table("a.png,naevus,s1,train", "b.png,melanoma,s1,test", split_column="set", tags={"site": "patient"})
    bench.sections["data"] = {"split": {"by": "site"}}


@case(CONFIG, "data.split: fold 5 of 5 folds: they are numbered from 0")
def a_fold_out_of_range(bench: Bench) -> None:
    volumes_with(bench, split={"folds": 5, "fold": 5})


@case(CONFIG, "every subject has an official split, so that all folds would be the same", "data.split.folds")
def folds_of_official_splits(bench: Bench) -> None:
    bench.table(split_column="set")
    bench.sections["data"] = {"split": {"folds": 5}}


@case(CONFIG, "data.split: validation 0.5 and test 0.5 leave nothing to train on")
def shares_that_leave_nothing_to_train_on(bench: Bench) -> None:
    volumes_with(bench, split={"validation": 0.5, "test": 0.5})


@case(CONFIG, "no task of the mix is named 'detektion'; did you mean 'detection'?", "data.mixing.weights")
def weights_of_an_unknown_task(bench: Bench) -> None:
    volumes_with(bench, mixing={"weights": {"detektion": 2}})


@case(CONFIG, "data.mixing: give weights or a temperature, not both")
def weights_and_a_temperature(bench: Bench) -> None:
    volumes_with(bench, mixing={"weights": {"detection": 2}, "temperature": 3})


@case(CONFIG, "data.workers: unknown key")
def workers_where_they_are_not(bench: Bench) -> None:
    volumes_with(bench, workers=4)


@case(CONFIG, "prepare.engine: ", "'local' or 'ray'")
def an_unknown_engine(bench: Bench) -> None:
    volumes_with(bench)
    bench.sections["prepare"] = {"engine": "dask"}


@case(CONFIG, "data.mix.0.source_options", "folds_file: it needs fold")
def published_folds_without_a_number(bench: Bench) -> None:
    bench.raw.mkdir()
    options = {"folds_file": "Folds.csv"}
    bench.parts.append({"task": "classification", "source": "breakhis", "source_options": options})


@case(CONFIG, "data.mix.0.source_options", "give path or repo_id, one of them")
def a_dataset_without_a_place(bench: Bench) -> None:
    bench.raw.mkdir()
    options = {"label_column": "dx"}
    bench.parts.append({"task": "classification", "source": "hf_dataset", "source_options": options})


@case(CONFIG, "there is no model folder", "no/such/model")
def an_unknown_model(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    bench.sections["model"] = {"name": str(bench.folder / "no/such/model")}


@case(CONFIG, "unknown model family 'gemma'; did you mean 'gemma3'?", "medft models")
def an_unknown_family(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    bench.sections["model"] = {"family": "gemma"}


@case(CONFIG, "no model family handles the model type 'llama'", "docs/add-a-model.md")
def an_unknown_model_type(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    (bench.model / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")


@case(CONFIG, "config.json cannot be read", "config.json")
def a_checkpoint_whose_config_ends_early(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    truncate(bench.model / "config.json")


@case(CONFIG, "neither preprocessor_config.json nor")
def a_checkpoint_without_a_processor(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    (bench.model / "preprocessor_config.json").unlink()


@case(CONFIG, "image processor", "many")
def a_checkpoint_with_a_size_in_words(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    settings = {"size": {"height": "many", "width": 64}}
    (bench.model / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")


@pytest.mark.parametrize("name", case)
def test_preparing_from(medft, bench, name):
    case[name].is_refused(medft, bench)
