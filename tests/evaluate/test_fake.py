"""The fake says what it was told to, in the shares it was told to, and never passes for a model."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import Image

from medft_bm.config.evaluation import Fake
from medft_bm.evaluate.backends.fake import NONSENSE, FakeModel
from medft_bm.evaluate.questions import Question, question_of
from medft_bm.evaluate.score import score_replies

UIDS = [f"uid-{index}" for index in range(4000)]


def questions(uids=UIDS, **more) -> list[Question]:
    return [Question(uid, "how long?", lambda: Image.new("RGB", (4, 3)), **more) for uid in uids]


def test_shares_are_as_asked_for():
    replies = FakeModel(dict.fromkeys(UIDS, "12.50 mm"), Fake(right=0.5, near=0.3)).ask(questions())

    right = sum(reply.text == "12.50 mm" for reply in replies) / len(replies)
    near = sum(reply.text.endswith(" mm") and reply.text != "12.50 mm" for reply in replies) / len(replies)
    assert right == pytest.approx(0.5, abs=0.03)
    assert near == pytest.approx(0.3, abs=0.03)


def test_near_numbers_keep_their_order_and_form_and_are_at_most_a_fifth_smaller():
    model = FakeModel(dict.fromkeys(UIDS, "[0.125, 0.250, 0.500, 1.000], 45 degrees"), Fake(right=0, near=1))

    for reply in model.ask(questions(UIDS[:100])):
        numbers = [float(one) for one in reply.text.strip("[").replace("],", ",").split(" degrees")[0].split(",")]
        assert numbers[:4] == sorted(numbers[:4])
        assert 0.8 <= numbers[3] <= 1.0
        assert reply.text.split(",")[3].endswith("]")
        assert reply.text.endswith(" degrees")


def test_a_near_class_is_another_class_and_probabilities_follow_what_is_said():
    model = FakeModel(dict.fromkeys(UIDS, "benign"), Fake(right=0, near=1))
    replies = model.ask(questions(UIDS[:50], candidates=("benign", "malignant", "normal")))

    assert {reply.text for reply in replies} == {"malignant", "normal"}
    for reply in replies:
        assert sum(reply.probabilities) == pytest.approx(1)
        assert reply.probabilities[("benign", "malignant", "normal").index(reply.text)] == pytest.approx(0.7)


def test_a_near_class_is_another_one_also_when_classes_are_numbered():
    model = FakeModel(dict.fromkeys(UIDS, "grade 1"), Fake(right=0, near=1))

    replies = model.ask(questions(UIDS[:50], candidates=("grade 1", "grade 2", "grade 3")))

    assert {reply.text for reply in replies} == {"grade 2", "grade 3"}


def test_a_reply_depends_on_the_sample_alone():
    model = FakeModel(dict.fromkeys(UIDS, "12.50 mm"), Fake())

    assert model.ask(questions(UIDS[:50]))[7:9] == model.ask(questions(UIDS[7:9]))


def test_a_question_that_it_has_no_answer_to_gets_nonsense():
    replies = FakeModel({}, Fake(right=1, near=0)).ask(questions(UIDS[:50]))

    assert {reply.text for reply in replies} == set(NONSENSE)


def test_shares_and_answers_are_what_replies_are_kept_under():
    model = FakeModel({"a": "1"}, Fake())

    assert model.identity() != replace(model, shares=Fake(right=0.6)).identity()
    assert model.identity() != replace(model, answers={"a": "2"}).identity()
    assert model.about()["fake"] is True


def test_right_answers_score_perfectly_and_nonsense_is_unread(items):
    answers = {item.uid: item.answer_text for item in items}
    asked = [question_of(item) for item in items]

    right = score_replies(items, FakeModel(answers, Fake(right=1, near=0)).ask(asked))
    nonsense = score_replies(items, FakeModel(answers, Fake(right=0, near=0)).ask(asked))

    assert all(one.score.values is not None for one in right)
    assert all(one.score.values is None for one in nonsense)
