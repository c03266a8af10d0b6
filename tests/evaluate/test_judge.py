"""A few questions, one number that can be compared from step to step."""

from __future__ import annotations

from dataclasses import replace

import pytest

from medft_bm.config.schema import Limits
from medft_bm.evaluate.judge import Judge, skill, turns
from medft_bm.evaluate.replies import Reply
from medft_bm.evaluate.score import by_part, score_replies
from medft_bm.models import load_model_family
from medft_bm.prepare.dataset import prepare_dataset


@pytest.fixture(scope="module")
def prepared(config):
    """Every part has something to validate on."""
    split = config.data.split.model_copy(update={"validation": 0.5, "test": 0.1})
    data = config.data.model_copy(update={"split": split, "limit_per_task": Limits(train=20, validation=4, test=1)})
    return prepare_dataset(data, load_model_family(config.model.name))


@pytest.fixture(scope="module")
def judge(prepared, config) -> Judge:
    return Judge.of(prepared, 8, config.evaluate)


def numbers(judge: Judge, *texts: str) -> dict[str, float]:
    replies = [Reply(item.uid, text, 1, True) for item, text in zip(judge.items, texts, strict=True)]
    return judge.numbers(score_replies(judge.items, replies))


def test_perfect_replies_have_skill_one_and_silence_minus_one_where_errors_have_no_stand_in(judge):
    assert numbers(judge, *[item.answer_text for item in judge.items])["skill"] == pytest.approx(1, abs=0.02)
    silent = numbers(judge, *["" for _ in judge.items])
    assert silent["skill"] < -0.5
    assert silent["lesion_size 2_answered"] == 0
    assert "lesion_size 2_absolute_error" not in silent


def test_one_good_reply_does_not_outweigh_those_that_cannot_be_read(judge):
    texts = ["" for _ in judge.items]
    texts[0] = judge.items[0].answer_text
    assert numbers(judge, *texts)["skill"] < 0


def test_every_part_is_logged_by_its_name(judge, prepared):
    found = numbers(judge, *[item.answer_text for item in judge.items])
    assert {f"{part.name}_{part.task.metrics[0].name}" for part in prepared.parts} <= found.keys()
    assert {f"{part.name}_answered" for part in prepared.parts} <= found.keys()


@pytest.mark.parametrize(
    ("error", "valued", "n", "expected"),
    [(4, 5, 5, 0.0), (0, 5, 5, 1.0), (12, 5, 5, -0.5), (0, 1, 4, -0.5), (0, 0, 3, -1.0), (4e9, 2, 2, -1.0)],
)
def test_the_skill_is_bounded_and_zero_for_the_trivial_answer(error, valued, n, expected):
    assert skill(error, 4, valued, n) == pytest.approx(expected, abs=1e-6)
    assert skill(0, 0, n, n) == 1


def test_the_model_is_asked_and_everything_is_shown(judge, model):
    seen = []
    watching = replace(judge, watch=lambda *round_: seen.append(round_))

    found = watching(model.model, model.processor, 7)

    ((step, items, replies, scores),) = seen
    assert step == 7
    assert [reply.uid for reply in replies] == [item.uid for item in items]
    assert len(scores) == len(items)
    assert found == judge(model.model, model.processor, 8)


@pytest.mark.parametrize(("count", "processes"), [(6, 4), (6, 3), (1, 8), (32, 1)])
def test_processes_that_share_the_work_ask_equally_often_and_miss_nothing(count, processes):
    shares = [turns(count, process, processes) for process in range(processes)]
    assert {len(share) for share in shares} == {-(-count // processes)}
    assert {index for share in shares for index in share} == set(range(count))


def test_the_trivial_baseline_is_measured_on_the_same_questions(judge):
    assert judge.trivial.keys() == by_part(score_replies(judge.items, [
        Reply(item.uid, "", 0, True) for item in judge.items])).keys()  # fmt: skip
    assert all(error > 0 for error in judge.trivial.values())
