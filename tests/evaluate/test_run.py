"""What an evaluation leaves behind, and what is found of it again."""

from __future__ import annotations

import json
import shutil

import pytest

from medft_bm.core.errors import DataError
from medft_bm.evaluate.asking import questions_about
from medft_bm.evaluate.backends.transformers import Transformers
from medft_bm.evaluate.run import evaluate_run, open_conditions, open_evaluation


@pytest.fixture(scope="module")
def shown(config):
    """The same experiment with two examples before every question."""
    options = config.evaluate.model_copy(update={"shots": 2, "limit": 4})
    return config.model_copy(update={"evaluate": options})


@pytest.fixture(scope="module")
def folder(tmp_path_factory, config, shown, prepared, model):
    folder = tmp_path_factory.mktemp("run") / "evaluation"
    for how in (config, shown):
        evaluate_run(prepared, how, "base", Transformers(model, 4, 8), folder)
    return folder


def test_an_evaluation_with_examples_stands_beside_the_plain_one(folder, config, shown, prepared, model):
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {"base", "base-shots2"}
    assert open_conditions(folder, prepared).keys() == {"base-shots2"}

    found = open_conditions(folder, prepared)["base-shots2"]
    assert len(found.scored) == 4
    assert found.about["shots"] == 2
    again = evaluate_run(prepared, shown, "base", Transformers(model, 4, 8), folder)
    assert again.scored == found.scored
    assert open_evaluation(folder / "base", prepared).about["shots"] == 0


def test_classes_have_probabilities_and_nothing_else_has(folder, prepared):
    scored = open_evaluation(folder / "base", prepared).scored
    assert {one.item.task.name for one in scored if one.reply.probabilities} == {"classification"}
    for one in scored:
        if one.item.task.name == "classification":
            assert len(one.reply.probabilities) == len(one.item.sample.truth["classes"])


def test_they_can_be_left_out(config, prepared, items):
    options = config.evaluate.model_copy(update={"probabilities": False})
    assert not any(question.candidates for question in questions_about(prepared, items, options))
    assert any(question.candidates for question in questions_about(prepared, items, config.evaluate))


def test_the_system_turn_is_said_before_every_question_and_written_down(config, prepared, items, model, tmp_path):
    options = config.evaluate.model_copy(update={"system": "You measure.", "limit": 4})
    assert {question.system for question in questions_about(prepared, items, options)} == {"You measure."}
    told = config.model_copy(update={"evaluate": options})
    evaluate_run(prepared, told, "base", Transformers(model, 4, 8), tmp_path)
    assert json.loads((tmp_path / "base/scores.json").read_text())["about"]["system"] == "You measure."
    assert len(open_evaluation(tmp_path / "base", prepared).scored) == 4


def test_sides_that_were_told_different_things_are_named(config, prepared, model, tmp_path, caplog):
    few = config.evaluate.model_copy(update={"limit": 4})
    plain, told = (
        config.model_copy(update={"evaluate": few.model_copy(update={"system": say})}) for say in ("", "Hi.")
    )
    evaluate_run(prepared, plain, "base", Transformers(model, 2, 8), tmp_path)
    evaluate_run(prepared, plain, "tuned", Transformers(model, 2, 8), tmp_path)
    assert "evaluate.system" not in caplog.text
    evaluate_run(prepared, told, "tuned", Transformers(model, 2, 8), tmp_path)
    assert "evaluate.system is not what" in caplog.text


def test_a_reply_that_was_changed_or_lost_is_missed(folder, prepared, tmp_path):
    copy = shutil.copytree(folder / "base-shots2", tmp_path / "base-shots2")
    lines = (copy / "replies.jsonl").read_text().splitlines(keepends=True)
    (copy / "replies.jsonl").write_text("".join(lines[1:]))
    with pytest.raises(DataError, match="replies are missing"):
        open_conditions(tmp_path, prepared)


def test_other_folders_are_no_conditions(folder, prepared, tmp_path):
    (tmp_path / "notes-shots").mkdir()
    (tmp_path / "base-shots2").mkdir()
    assert open_conditions(tmp_path, prepared) == {}


def test_more_examples_than_there_are_is_an_error_before_anything_is_asked(config, prepared, items):
    options = config.evaluate.model_copy(update={"shots": 500})
    with pytest.raises(DataError, match="500 examples are asked for") as raised:
        questions_about(prepared, items, options)
    assert raised.value.where.startswith("evaluate.shots")
