"""Whatever a server does wrong costs no reply and tells no key."""

from __future__ import annotations

import logging
import signal
import sys
import threading

import pytest
from pydantic import SecretStr
from tests.evaluate.endpoint import Answer, ask, completion, endpoint, lines, questions, refused

from medft_bm.core.errors import ConfigError, DataError, DependencyError, MedftError
from medft_bm.evaluate.backends.base import BatchError
from medft_bm.evaluate.backends.connection import connect
from medft_bm.evaluate.backends.refusals import Key

KEY = "sk-planted-0123456789"
SECRET = Key(SecretStr(KEY), "the variable TEST_KEY")


@pytest.fixture
def server():
    with endpoint() as made:
        yield made


@pytest.mark.parametrize(
    "fault",
    [
        Answer({"error": {"message": "out of memory"}}, 500),
        Answer(b"<html>bad gateway</html>", 502, {"content-type": "text/html"}),
        Answer(cut=True),
    ],
    ids=["500", "502", "cut"],
)
def test_a_passing_failure_is_tried_again(server, fault, tmp_path):
    server.act = lambda one: fault if server.times(one.text) == 1 else completion(one.text)

    assert [reply.text for reply in ask(server, questions(2), tmp_path)] == ["question 0", "question 1"]


def test_a_rate_limit_is_waited_for_as_long_as_the_server_says(server, tmp_path):
    wait = {"retry-after": "1.2"}
    server.act = lambda one: refused(429, "slow down", headers=wait) if len(server.seen) == 1 else completion("7")

    assert ask(server, questions(1), tmp_path)[0].text == "7"
    assert server.seen[1].at - server.seen[0].at >= 1.2  # left to itself, the client waits half a second


def test_a_server_that_dies_loses_no_reply_and_is_asked_only_for_the_rest_later(server, tmp_path):
    alive = {f"question {index}" for index in range(5)}
    server.act = lambda one: completion(one.text) if one.text in alive else Answer({"error": "dead"}, 503)

    with pytest.raises(MedftError, match="status 503: dead") as error:
        ask(server, questions(12), tmp_path, concurrency=1, retries=0)
    assert "replies so far are kept" in error.value.fix
    assert lines(tmp_path) == 5

    server.act = lambda one: completion(one.text)
    server.seen.clear()
    replies = ask(server, questions(12), tmp_path)

    assert [reply.text for reply in replies] == [f"question {index}" for index in range(12)]
    assert all(server.times(f"question {index}") == 1 for index in range(12))  # five of them to check the kept ones


def test_one_question_that_is_too_long_is_named_and_all_others_are_kept(server, tmp_path):
    long = "'max_tokens' is too large: the maximum context length is 4096, and 9000 tokens are not supported"
    server.act = lambda one: refused(400, long, param="messages") if one.text == "question 1" else completion("7")

    with pytest.raises(DataError, match="maximum context length") as error:
        ask(server, questions(6), tmp_path, concurrency=2)

    assert error.value.where == "uid-1"
    assert "longer context" in error.value.fix
    assert lines(tmp_path) == 5
    assert server.times("question 1") == 1


def test_ctrl_c_keeps_what_was_answered(server, tmp_path):
    def act(one):
        if one.text == "question 3":
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            threading.Event().wait(0.2)
        return completion(one.text)

    server.act = act
    others = signal.signal(signal.SIGINT, signal.default_int_handler)  # packages of other tests may have put theirs
    try:
        with pytest.raises(KeyboardInterrupt):
            ask(server, questions(8), tmp_path, concurrency=1)
    finally:
        signal.signal(signal.SIGINT, others)

    assert lines(tmp_path) == 3


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b'{"choices": ['),
        Answer({"choices": []}),
        Answer({"hello": "world"}),
        Answer([1, 2]),
        Answer(b"hello", headers={"content-type": "text/plain"}),
        completion({"text": 7}),  # type: ignore[arg-type]
    ],
    ids=["cut JSON", "no choice", "other JSON", "a list", "text", "content that is no text"],
)
def test_what_is_no_completion_is_one_clear_message(server, answer):
    server.act = lambda one: answer

    with pytest.raises(BatchError) as error:
        connect(server.server(retries=0), 16).ask(questions(1))

    assert isinstance(error.value.reason, MedftError)
    assert "protocol" in error.value.reason.what


def test_a_model_that_is_not_there_is_answered_with_those_that_are(server, tmp_path):
    server.act = lambda one: refused(404, "The model `huge` does not exist.", code="model_not_found")

    with pytest.raises(ConfigError, match="no model 'huge'; it offers tiny") as error:
        ask(server, questions(3), tmp_path, model="huge")

    assert error.value.where == "evaluate.server.model"


def test_nobody_there_is_one_clear_message(server):
    with pytest.raises(MedftError, match="cannot be reached") as error:
        connect(server.server().model_copy(update={"url": "http://127.0.0.1:9/v1"}), 16)

    assert error.value.where == "127.0.0.1:9"


@pytest.mark.parametrize("status", [401, 403, 429, 400, 500])
def test_a_key_that_a_careless_server_repeats_is_told_to_nobody(server, status, tmp_path, caplog, capfd):
    server.act = lambda one: refused(status, f"what do you want with {one.headers['authorization']}?")

    with caplog.at_level(logging.DEBUG), pytest.raises(MedftError) as error:
        ask(server, questions(3), tmp_path, key=SECRET, retries=0)

    assert server.seen[0].headers["authorization"] == f"Bearer {KEY}"
    said = [str(error.value), repr(error.value), caplog.text, *capfd.readouterr()]
    said += [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert not [text for text in said if KEY in text]
    assert "[key]" in str(error.value)
    assert error.value.__cause__ is None


def test_a_refused_key_is_named_by_where_it_comes_from(server):
    server.models = refused(401, "Incorrect API key provided")

    with pytest.raises(ConfigError, match="refuses the key") as error:
        connect(server.server(), 16, SECRET)
    assert "the variable TEST_KEY" in error.value.where

    with pytest.raises(ConfigError, match="wants a key"):
        connect(server.server(), 16)


def test_a_key_meant_for_another_server_is_not_sent(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    backend = connect(server.server(), 16)
    backend.ask(questions(1))

    assert KEY not in str(server.seen[0].headers)
    assert KEY not in repr(backend)


def test_nothing_of_a_backend_shows_its_key(server):
    backend = connect(server.server(), 16, SECRET)

    assert KEY not in repr(backend) + str(backend.identity()) + str(backend.about())


def test_without_the_package_the_extra_is_named(server, monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)

    with pytest.raises(DependencyError) as error:
        connect(server.server(), 16)
    assert "medft_bm[server]" in error.value.fix
