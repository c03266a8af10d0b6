"""A server is asked right, and its replies are counted and kept right."""

from __future__ import annotations

import logging
import threading

import numpy as np
import pytest
from tests.evaluate.endpoint import Answer, ask, completion, endpoint, picture, picture_of, questions, refused

from medft_bm.core.errors import ConfigError
from medft_bm.evaluate.backends.connection import connect
from medft_bm.evaluate.questions import Question, Shot


@pytest.fixture
def server():
    with endpoint() as made:
        yield made


def test_system_shots_and_question_arrive_with_their_images_pixel_for_pixel(server):
    shot = Shot("shot", "how long?", lambda: picture(1, h=9, w=5), "12.5 mm")
    question = Question("uid", "and this?", lambda: picture(2, h=6, w=30), shots=(shot,), system="Be exact.")

    connect(server.server(), 16).ask([question])

    body = server.seen[0].body
    system, first, answer, last = body["messages"]
    assert (system["role"], system["content"]) == ("system", "Be exact.")
    assert (answer["role"], answer["content"]) == ("assistant", "12.5 mm")
    for turn, text, sent in ((first, "how long?", shot.picture()), (last, "and this?", question.picture())):
        image, words = turn["content"]
        assert turn["role"] == "user"
        assert words == {"type": "text", "text": text}
        assert picture_of(image).mode == "RGB"
        assert np.array_equal(np.asarray(picture_of(image)), np.asarray(sent))
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("tiny", 0, 16)


def test_no_profile_or_note_of_the_original_file_is_sent(server):
    noted = picture()
    noted.info.update(icc_profile=b"Jane Doe" * 40, comment="Jane Doe", dpi=(300, 300))

    connect(server.server(), 16).ask([Question("uid", "?", lambda: noted)])

    assert picture_of(server.seen[0].body["messages"][0]["content"][0]).info == {}


def test_extra_fields_are_part_of_the_request_and_of_the_identity(server):
    backend = connect(server.server(extra={"repetition_penalty": 1.0}), 16)
    backend.ask(questions(1))

    assert server.seen[0].body["repetition_penalty"] == 1.0
    assert backend.identity() != connect(server.server(), 16).identity()


def test_questions_are_asked_at_the_same_time_and_answered_in_their_order(server):
    together = threading.Barrier(4)
    turn = [threading.Event() for _ in range(5)]

    def act(one):
        index = int(one.text.split()[1])
        together.wait(timeout=20)  # passes only when four are under way
        if index < 3:
            turn[index + 1].wait(timeout=20)  # later questions are answered first
        turn[index].set()
        return completion(one.text)

    server.act = act
    replies = connect(server.server(concurrency=4), 16).ask(questions(4))

    assert [reply.text for reply in replies] == [f"question {index}" for index in range(4)]


def test_no_more_requests_start_than_the_rate_limit_allows(server):
    connect(server.server(requests_per_minute=600, concurrency=8), 16).ask(questions(4))

    starts = sorted(one.at for one in server.seen)
    assert starts[3] - starts[0] > 3 * 0.1 - 0.08  # sleeping may only take longer, arriving may waver a little


@pytest.mark.parametrize(
    ("answer", "text", "finished", "withheld"),
    [
        (completion("12.5 mm"), "12.5 mm", True, 0),
        (completion("12.5 m", finish="length"), "12.5 m", False, 0),
        (completion("", finish="content_filter"), "", False, 1),
        (completion(None, refusal="I cannot look at patients."), "I cannot look at patients.", False, 1),
        (completion(None), "", True, 0),
        (refused(400, "The response was filtered", code="content_filter"), "", False, 1),
    ],
    ids=["stop", "length", "filter", "refusal", "nothing", "filtered prompt"],
)
def test_whatever_a_model_leaves_unsaid_is_a_reply_that_says_so(server, answer, text, finished, withheld):
    server.act = lambda one: answer
    backend = connect(server.server(), 16)

    reply = backend.ask(questions(1))[0]

    assert (reply.text, reply.finished) == (text, finished)
    assert backend.about()["used"]["withheld"] == withheld


def test_the_only_model_is_found_and_one_of_several_has_to_be_named(server):
    assert connect(server.server(model=None), 16).about()["model"] == "tiny"

    server.models = Answer({"object": "list", "data": [{"id": "a", "object": "model"}, {"id": "b", "object": "model"}]})
    with pytest.raises(ConfigError, match="offers a, b"):
        connect(server.server(model=None), 16)


@pytest.mark.parametrize("models", [Answer({"error": "no"}, 404), Answer({"error": "no"}, 500), Answer([])])
def test_a_server_that_lists_no_models_can_be_asked_all_the_same(server, models):
    server.models = models

    assert connect(server.server(), 16).ask(questions(1))[0].text == "question 0"
    with pytest.raises(ConfigError, match="does not list"):
        connect(server.server(model=None), 16)


def test_fields_that_a_newer_model_refuses_are_left_out_and_said(server, caplog):
    def act(one):
        for name, words in (
            ("max_tokens", "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
            ("temperature", "Unsupported value: 'temperature' does not support 0 with this model."),
        ):
            if name in one.body:
                return refused(400, words, param=name, code="unsupported_value")
        return completion("7")

    server.act = act
    backend = connect(server.server(concurrency=1), 16)
    with caplog.at_level(logging.WARNING, "medft_bm"):
        backend.ask(questions(3))

    assert len(server.seen) == 5
    assert server.seen[-1].body["max_completion_tokens"] == 16
    assert backend.about()["not_taken"] == ["max_tokens", "temperature"]
    assert caplog.text.count("not greedy") == 1


def test_a_server_that_forbids_unknown_fields_is_asked_without_the_seed(server):
    detail = [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]
    server.act = lambda one: Answer({"detail": detail}, 422) if "seed" in one.body else completion("7")

    backend = connect(server.server(), 16)

    assert backend.ask(questions(1))[0].text == "7"
    assert backend.about()["not_taken"] == ["seed"]


def test_tokens_and_cost_are_counted(server):
    backend = connect(server.server(price_per_million_input=3, price_per_million_output=15), 16)
    backend.ask(questions(4))

    used = backend.about()["used"]
    assert (used["replies"], used["tokens_in"], used["tokens_out"]) == (4, 400, 28)
    assert used["cost"] == pytest.approx((400 * 3 + 28 * 15) / 1e6)

    server.act = lambda one: completion("7", usage=None)
    backend.ask(questions(1))
    assert backend.about()["used"]["cost"] is None
    assert backend.about()["used"]["uncounted"] == 1


def test_kept_replies_are_taken_over_only_while_the_model_still_says_them(server, tmp_path, caplog):
    server.act = lambda one: completion(f"old {one.text}")
    ask(server, questions(20), tmp_path)
    server.seen.clear()

    assert {reply.text[:3] for reply in ask(server, questions(20), tmp_path)} == {"old"}
    assert len(server.seen) == 8

    server.act = lambda one: completion(f"new {one.text}")
    again = ask(server, questions(20), tmp_path)

    assert {reply.text[:3] for reply in again} == {"new"}
    assert "old" not in (tmp_path / "replies.jsonl").read_text()
    assert "8 of 8 kept replies are others" in caplog.text


def test_one_changed_answer_among_many_equal_ones_is_found(server, tmp_path):
    server.act = lambda one: completion("12.5" if one.text == "question 13" else "normal")
    ask(server, questions(20), tmp_path)

    server.act = lambda one: completion("12.6" if one.text == "question 13" else "normal")

    assert ask(server, questions(20), tmp_path)[13].text == "12.6"


def test_replies_of_a_named_revision_are_taken_over_unasked_from_any_address(server, tmp_path):
    ask(server, questions(5), tmp_path, revision="2026-11-01")
    with endpoint() as moved:
        ask(moved, questions(5), tmp_path, revision="2026-11-01")
        assert moved.seen == []

        ask(moved, questions(5), tmp_path, revision="2026-11-02")
        assert len(moved.seen) == 5
