"""`medft evaluate` asks a server or a fake; the key comes from where the config says and goes nowhere else."""

from __future__ import annotations

import json

import pytest
import yaml
from tests.evaluate.endpoint import completion, endpoint, refused

from medft_bm.cli.server import server_key
from medft_bm.config.evaluation import Server
from medft_bm.core.errors import ConfigError

KEY = "sk-planted-9876543210"
HTTP, HTTPS = "http://gpu-node:8000/v1", "https://api.example.com/v1"


@pytest.fixture
def evaluate(config, medft, tmp_path, monkeypatch):
    """Run the verb on the phantoms, as somebody who has no checkpoint."""
    values = config.model_dump(mode="json")
    values["model"] = {"name": "gpt-of-tomorrow", "family": "plain"}
    values["run"] = {"folder": str(tmp_path / "run")}
    values["evaluate"] |= {"limit": 8, "server": {"retries": 0, "model": "tiny"}}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(values))
    monkeypatch.setenv("PLANTED", KEY)

    return lambda *words: medft("evaluate", path, "--model", "base", *words)


def test_a_commercial_model_is_evaluated_without_a_checkpoint_and_its_key_is_nowhere(evaluate, tmp_path):
    with endpoint() as server:
        server.act = lambda one: completion("0.5")
        words = [f"evaluate.server.url={server.url}", "evaluate.server.key_variable=PLANTED"]
        prices = ["evaluate.server.price_per_million_input=3", "evaluate.server.price_per_million_output=15"]
        ran = evaluate("evaluate.backend=openai", *words, *prices)

    assert ran.code == 0, ran.err
    assert {one.headers["authorization"] for one in server.seen} == {f"Bearer {KEY}"}
    about = json.loads((tmp_path / "run/evaluation/base/scores.json").read_text())["about"]
    assert about["used"]["replies"] == 8
    assert about["used"]["cost"] == pytest.approx(8 * (100 * 3 + 7 * 15) / 1e6)
    written = [path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert not [text for text in [*written, ran.out.encode(), ran.err.encode()] if KEY.encode() in text]


def test_a_refused_key_ends_with_one_message_that_names_the_variable(evaluate, monkeypatch):
    monkeypatch.setenv("MEDFT_DEBUG", "1")
    with endpoint() as server:
        server.models = refused(401, f"Incorrect API key provided: {KEY}")
        words = [f"evaluate.server.url={server.url}", "evaluate.server.key_variable=PLANTED"]
        ran = evaluate("evaluate.backend=openai", *words)

    assert ran.code == ConfigError.exit_code
    assert "the variable PLANTED" in ran.err
    assert KEY not in ran.out + ran.err


def test_a_fake_evaluation_says_so_in_what_it_writes(evaluate, tmp_path):
    ran = evaluate("evaluate.backend=fake")

    assert ran.code == 0, ran.err

    about = json.loads((tmp_path / "run/evaluation/base/scores.json").read_text())["about"]
    assert about["fake"] is True
    for name in ("report.html", "report.md", "report.json"):
        assert "FAKE" in (tmp_path / "run" / name).read_text(), name


@pytest.mark.parametrize(
    ("options", "environ", "key"),
    [
        ({"url": HTTP}, {"OPENAI_API_KEY": KEY}, None),
        ({"url": HTTPS}, {"OPENAI_API_KEY": KEY}, KEY),
        ({"url": HTTPS}, {}, None),
        ({"url": HTTP, "key_variable": "MINE"}, {"MINE": f" {KEY}\n", "OPENAI_API_KEY": "other"}, KEY),
    ],
    ids=["not in clear", "usual", "none", "named"],
)
def test_which_key_is_sent_where(options, environ, key):
    found = server_key(Server(**options), environ)

    assert (found.secret and found.secret.get_secret_value()) == key
    assert KEY not in repr(found)


def test_a_key_file_is_read_and_not_shown(tmp_path):
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n")

    found = server_key(Server(url=HTTP, key_file=path), {})

    assert found.secret.get_secret_value() == KEY
    assert str(path) in found.source


@pytest.mark.parametrize("content", [None, "", f"{KEY} {KEY}", f"{KEY}\nexport X", "schlüssel"])
def test_what_is_no_key_is_refused_without_showing_it(content, tmp_path):
    path = tmp_path / "key"
    if content is not None:
        path.write_text(content)

    with pytest.raises(ConfigError) as error:
        server_key(Server(url=HTTP, key_file=path), {})

    assert KEY not in str(error.value)
    assert "key_file" in error.value.where


def test_a_variable_that_is_not_set_is_named():
    with pytest.raises(ConfigError, match="there is no key"):
        server_key(Server(url=HTTP, key_variable="MISSING"), {})
