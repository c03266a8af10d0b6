"""Logins and access to models, asked of a Hub on this machine; nothing secret comes out."""

from __future__ import annotations

import pytest
from tests.doctor.conftest import TOKEN

from medft_bm.doctor.accounts import folder_finding, hub_findings, is_folder, wandb_finding
from medft_bm.doctor.probe import Answer, ask


def states(answer, model=None):
    return {one.check: one for one in hub_findings(answer, model)}


@pytest.mark.parametrize(
    ("model", "state", "said", "fix"),
    [
        ("open/model", "ok", "may be read; not downloaded yet", ""),
        ("gated/model", "problem", "is gated", "accept its conditions on"),
        ("missing/model", "problem", "missing/model is not on 127.0.0.1", "check the spelling"),
        ("busy/model", "warning", "is not here, and 127.0.0.1 answers 503", "connect; or to work without"),
    ],
)
def test_what_the_hub_says_of_a_model_becomes_what_to_do(at_home, monkeypatch, model, state, said, fix):
    monkeypatch.setenv("HF_TOKEN", TOKEN)

    answer = ask("hub", model, "")

    found = states(answer, model)
    assert found["hub"].state == "ok"
    assert found["hub"].found == "logged in as radiologist at 127.0.0.1"
    assert found["model"].state == state
    assert said in found["model"].found
    assert fix in found["model"].fix
    assert TOKEN not in repr(answer)


@pytest.mark.parametrize(
    ("token", "login", "state", "fix"),
    [
        ("", "no token", "absent", "hf auth login"),
        ("wrong", "401", "problem", "hf auth login, or unset HF_TOKEN"),
        ("403", "403", "problem", "hf auth login"),
        ("500", "500", "warning", "try again later"),
        ("slow", "slow", "warning", "to work without a network"),
    ],
)
def test_a_token_that_is_missing_refused_or_unanswered_says_what_to_do(at_home, monkeypatch, token, login, state, fix):
    monkeypatch.setenv("HF_TOKEN", token)

    answer = ask("hub")

    assert answer.values["login"] == login
    assert states(answer)["hub"].state == state
    assert fix in states(answer)["hub"].fix


def test_without_a_network_that_is_a_warning_and_offline_it_is_meant(at_home, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://someone:secret@127.0.0.1:9")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    unreachable = ask("hub", "open/model", "")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    offline = ask("hub", "open/model", "")

    assert [one.state for one in hub_findings(unreachable, "open/model")] == ["warning", "warning"]
    assert [one.state for one in hub_findings(offline, "open/model")] == ["ok", "problem"]
    assert states(offline, "open/model")["model"].fix.startswith("unset HF_HUB_OFFLINE")
    assert "secret" not in repr(unreachable)


def test_a_model_that_is_here_needs_no_network(at_home, monkeypatch):
    folder = at_home / ".cache/huggingface/hub/models--open--model"
    (folder / "snapshots/abc").mkdir(parents=True)
    (folder / "snapshots/abc/model.safetensors").write_bytes(b"x")
    (folder / "refs").mkdir()
    (folder / "refs/main").write_text("abc")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    found = states(ask("hub", "open/model", ""), "open/model")

    assert found["model"].state == "ok"
    assert found["model"].found.startswith("open/model is here")


def test_what_the_client_says_when_it_fails_is_kept_back():
    (found,) = hub_findings(Answer(failed=f"OIDCError: bad token {TOKEN}"), "open/model")

    assert found.state == "problem"
    assert "OIDCError" in found.found
    assert TOKEN not in repr(found)


def test_a_folder_is_a_model_when_it_holds_one(tmp_path, repository):
    assert is_folder(str(tmp_path))
    assert is_folder("./not/there")
    assert not is_folder("google/medgemma-4b-it")
    assert "holds no config.json" in folder_finding(str(tmp_path)).found
    assert "there is no folder" in folder_finding(str(tmp_path / "nothing")).found
    assert folder_finding(str(repository / "script/demo/base/gemma3")).state == "ok"


def test_a_key_of_wandb_is_found_where_its_client_looks_and_never_shown(at_home):
    (at_home / ".netrc").write_text("machine api.wandb.ai login user password key-in-netrc\n")
    ways = [
        wandb_finding({}, ""),
        wandb_finding({"WANDB_API_KEY": "key-in-variable"}, ""),
        wandb_finding({"WANDB_MODE": "offline", "WANDB_BASE_URL": "https://other"}, "train.report_to=wandb"),
    ]

    assert [one.state for one in ways] == ["ok"] * 3
    assert "key-in" not in repr(ways)
    elsewhere = {"WANDB_BASE_URL": "https://wandb.example"}
    assert wandb_finding(elsewhere, "").state == "absent"
    assert wandb_finding(elsewhere, "train.report_to=wandb").state == "problem"


@pytest.mark.parametrize("content", ["machine", "\x00"])
def test_a_netrc_that_nobody_can_read_is_none(at_home, content):
    (at_home / ".netrc").write_text(content)

    assert wandb_finding({}, "").state == "absent"
