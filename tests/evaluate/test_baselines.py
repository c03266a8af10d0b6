"""Every baseline on prepared items: answered once, kept, and learnt from training samples alone."""

from __future__ import annotations

import json
import shutil

import pytest

from medft_bm.core.types import SPLITS
from medft_bm.evaluate.baselines import BASELINES, LEARN, guess_replies, open_baselines


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("baselines")


@pytest.fixture(scope="module")
def found(folder, prepared, items):
    return open_baselines(folder, prepared, items)


@pytest.fixture(scope="module")
def train(prepared):
    return [(item.part, item.sample) for item in prepared.items("train")]


def texts(evaluation):
    return [one.reply.text for one in evaluation.scored]


def test_every_baseline_answers_every_question_readably(found, items):
    assert list(found) == list(BASELINES) == list(LEARN)
    for evaluation in found.values():
        assert [one.item.uid for one in evaluation.scored] == [item.uid for item in items]
        assert all(one.score.values is not None for one in evaluation.scored)


def test_a_guess_is_learnt_from_training_samples_of_its_own_part(found, train, items):
    without = guess_replies(LEARN["baseline"], [(part, sample) for part, sample in train if part != 3], items)

    assert 3 in {part for part, _ in train}
    for item, reply, text in zip(items, without, texts(found["baseline"]), strict=True):
        assert reply.text == ("" if item.part == 3 else text)


def test_baselines_differ_from_each_other_and_from_the_truth(found, items):
    said = [texts(evaluation) for evaluation in found.values()]
    assert len({tuple(one) for one in said}) == len(said)
    assert [item.answer_text for item in items] not in said


def test_kept_replies_are_taken_over_and_missing_ones_made_again(folder, found, prepared, items):
    (folder / "nearest" / "replies.jsonl").unlink()
    lines = (folder / "random" / "replies.jsonl").read_text().splitlines()
    marked = [json.dumps({**json.loads(line), "text": "kept"}) for line in lines]
    (folder / "random" / "replies.jsonl").write_text("".join(f"{line}\n" for line in marked))

    again = open_baselines(folder, prepared, items)

    assert texts(again["nearest"]) == texts(found["nearest"])
    assert set(texts(again["random"])) == {"kept"}


def test_fewer_items_need_no_learning(folder, found, prepared, items, tmp_path):
    shutil.copytree(folder / "baseline", tmp_path / "baseline")
    again = open_baselines(tmp_path, prepared, items[:5])
    assert texts(again["baseline"]) == texts(found["baseline"])[:5]
    assert (tmp_path / "baseline" / "replies.jsonl").read_text().count("\n") == len(items)
    assert (tmp_path / "random" / "replies.jsonl").read_text().count("\n") == 5

    open_baselines(tmp_path, prepared, items)
    assert (tmp_path / "random" / "replies.jsonl").read_text().count("\n") == len(items)


def test_nothing_is_learnt_from_other_splits(prepared, items, tmp_path, found):
    """Training samples are the only ones whose answers a copy can give."""
    trained = {item.answer_text for item in prepared.items("train") if item.task.name == "lesion_size"}
    others = {item.answer_text for split in SPLITS[1:] for item in prepared.items(split)} - trained
    copied = {one.reply.text for one in found["nearest"].scored if one.item.task.name == "lesion_size"}
    assert copied <= trained
    assert not copied & others
