"""Training, merging and evaluating on broken ground: one message, the right exit code, nothing half-written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from medft_bm.cli.main import main

from .conftest import Bench, refused, truncate

FAILURE, CONFIG, DATA = 1, 2, 4


def without_one_weight(file: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(file)
    del weights[next(name for name in weights if "q_proj" in name)]
    save_file(weights, file, metadata={"format": "pt"})


def with_one_weight_of_another_shape(file: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(file)
    name = next(name for name in weights if "q_proj" in name)
    weights[name] = weights[name][1:].clone()
    save_file(weights, file, metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("model.safetensors", truncate),
        ("model.safetensors", Path.unlink),
        ("model.safetensors", without_one_weight),
        ("model.safetensors", with_one_weight_of_another_shape),
        ("tokenizer.json", truncate),
        ("tokenizer_config.json", truncate),
    ],
)
@pytest.mark.parametrize(
    ("verb", "left"), [("train", ["config.yaml", "split.json"]), ("evaluate --model base", ["config.yaml"])]
)
def test_a_damaged_checkpoint_is_refused_before_anything_is_trained_or_asked(
    medft, loaded_bench, name, damage: Callable[[Path], None], verb, left
):
    damage(loaded_bench.model / name)

    word, *options = verb.split()
    done = medft(word, loaded_bench.config(), *options)

    refused(done, CONFIG, "transformers cannot load the model", str(loaded_bench.model))
    assert loaded_bench.left() == left


def test_training_without_rows_is_refused(medft, loaded_bench):
    done = medft("train", loaded_bench.config(), "data.limit.train=0")

    refused(done, DATA, "there are no training rows", "data.limit")
    assert "nothing to ask" not in done.err
    assert loaded_bench.left() == ["config.yaml", "split.json"]


def test_an_empty_test_split_is_said_before_anything_is_trained(medft, loaded_bench):
    words = ("data.limit.train=0", "data.limit.test=0", "data.split.validation=0.4")
    done = medft("train", loaded_bench.config(), *words)

    refused(done, DATA, "no part of the mix has both training and validation samples")
    assert "the test split is empty, and `medft evaluate` would have nothing to ask; raise data.split" in done.err


def test_evaluating_an_empty_split_is_refused(medft, loaded_bench):
    done = medft("evaluate", loaded_bench.config(), "--model", "base", "data.limit.test=0")

    refused(done, DATA, "the test split is empty", "data.limit")
    assert loaded_bench.left() == ["config.yaml"]


@pytest.mark.parametrize("words", ["merge", "evaluate", "evaluate --model adapter"])
def test_what_needs_a_training_says_so_before_it_prepares_anything(medft, loaded_bench, words):
    verb, *options = words.split()

    done = medft(verb, loaded_bench.config(), *options)

    refused(done, CONFIG, "this run has not been trained", "`medft train` first")
    assert not loaded_bench.run.exists()
    assert not loaded_bench.cache.exists()


def test_a_run_folder_that_holds_a_training_is_refused_before_anything_is_prepared(medft, loaded_bench):
    (loaded_bench.run / "adapter").mkdir(parents=True)
    (loaded_bench.run / "adapter" / "adapter_config.json").write_text("{}", encoding="utf-8")

    done = medft("train", loaded_bench.config())

    refused(done, CONFIG, "the run folder already holds a training", "run.folder")
    assert loaded_bench.left() == ["adapter", "adapter/adapter_config.json"]
    assert not loaded_bench.cache.exists()


def test_a_run_folder_that_cannot_be_written_is_refused(medft, loaded_bench):
    loaded_bench.run.write_text("", encoding="utf-8")

    refused(medft("train", loaded_bench.config()), CONFIG, "the run folder cannot be written", "run.folder")


def test_a_setting_that_trl_does_not_know_is_refused(medft, loaded_bench):
    done = medft("train", loaded_bench.config(), "train.sft.learning_rte=1", "train.sft.max_length=5")

    refused(done, CONFIG, "did you mean 'learning_rate'?", "max_length is fixed")
    assert not loaded_bench.run.exists()
    assert not loaded_bench.cache.exists()


def test_an_evaluation_limit_larger_than_the_data_uses_all_and_says_so(medft, loaded_bench):
    done = medft("evaluate", loaded_bench.config(), "--model", "base", "evaluate.limit=500", "--json")

    assert done.code == 0, done.err
    asked = json.loads(done.out)["results"]["base"][0]["n"]
    assert f"evaluate.limit is 500 and the test split has {asked} samples; using all" in done.err


@pytest.fixture(scope="module")
def trained(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    bench = Bench(tmp_path_factory.mktemp("trained"), tiny)
    bench.ask_phantoms()
    assert main(["train", str(bench.config())]) == 0
    return bench


@pytest.fixture
def run(trained: Bench, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained.run, tmp_path / "run"))


def contents(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def scale_by_nan(file: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = {name: weight * float("nan") for name, weight in load_file(file).items()}
    save_file(weights, file, metadata={"format": "pt"})


@pytest.mark.parametrize("verb", [("merge",), ("evaluate", "--model", "adapter")], ids=["merge", "evaluate"])
@pytest.mark.parametrize("damage", [truncate, Path.unlink, without_one_weight])
def test_a_damaged_adapter_is_refused_and_the_run_stays_as_it_was(medft, run, verb, damage):
    damage(run / "adapter" / "adapter_model.safetensors")
    before = contents(run)

    refused(medft(verb[0], run, *verb[1:]), CONFIG, "the adapter does not fit the base model", str(run / "adapter"))
    assert contents(run) == before


def test_an_adapter_of_no_numbers_is_not_merged(medft, run):
    scale_by_nan(run / "adapter" / "adapter_model.safetensors")
    before = contents(run)

    refused(medft("merge", run), FAILURE, "the merge failed", "NaN")
    assert contents(run) == before


def test_weights_that_are_not_there_yet_say_which_verb_makes_them(medft, run):
    refused(medft("evaluate", run), CONFIG, "these weights are not there", "`medft merge` first")
    shutil.rmtree(run / "adapter")
    refused(medft("evaluate", run), CONFIG, "these weights are not there", "`medft train` first")


def test_a_run_remembers_who_was_trained_on_even_if_the_split_file_is_edited(medft, trained, tmp_path):
    split = tmp_path / "split.json"
    split.write_bytes((trained.run / "split.json").read_bytes())
    words = [f"data.split.file={split}", f"run.folder={tmp_path / 'run'}"]
    done = medft("train", trained.config(), *words)
    assert done.code == 0, done.err
    listed = json.loads(split.read_text())
    moved = next(subject for subject, where in listed.items() if where == "train")
    split.write_text(json.dumps({**listed, moved: "test"}), encoding="utf-8")

    done = medft("evaluate", tmp_path / "run", "--model", "adapter")

    refused(done, DATA, "1 subject(s) of the test split were trained on", moved)
    assert not (tmp_path / "run" / "evaluation").exists()
