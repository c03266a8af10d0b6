"""Who may push where: told before anything is spent, in one message that says what to do."""

from __future__ import annotations

import os

import pytest
from tests.hub.state import WRITER, Fault, Repo

from medft_bm.core.errors import ConfigError, MedftError
from medft_bm.hub.access import open_hub
from medft_bm.hub.names import repository_of

pytestmark = pytest.mark.hub

READER = {**WRITER, "auth": {"accessToken": {"role": "read"}}}


def scoped(*places: str, right: str = "repo.write") -> dict[str, object]:
    scopes = [{"entity": {"type": "org", "name": place}, "permissions": [right]} for place in places]
    return {**WRITER, "auth": {"accessToken": {"role": "fineGrained", "fineGrained": {"scoped": scopes}}}}


def test_repositories_are_made_private_under_the_name_of_the_run(logged_in, config):
    access = open_hub(config("knee model"), ("lora", "merged", "data"))
    assert {one: repository.id for one, repository in access.repositories.items()} == {
        "lora": "me/knee-model",
        "merged": "me/knee-model-merged",
        "data": "me/knee-model-data",
    }
    assert set(logged_in.repos) == {
        ("model", "me/knee-model"),
        ("model", "me/knee-model-merged"),
        ("dataset", "me/knee-model-data"),
    }
    assert all(repo.private for repo in logged_in.repos.values())
    open_hub(config("knee model"), ("lora",))  # and it is no fault that it exists


def test_public_has_to_be_asked_for(logged_in, config):
    open_hub(config(lora_repo="lab/x", private=False), ("lora",))
    assert not logged_in.repo("lab/x").private
    with pytest.raises(ConfigError, match=r"lab/x is public, and hub.private is true"):
        open_hub(config(lora_repo="lab/x"), ("lora",))


def test_what_is_private_stays_so_and_is_told(logged_in, config, caplog):
    open_hub(config(lora_repo="lab/x"), ("lora",))
    assert not caplog.text
    open_hub(config(lora_repo="lab/x", private=False), ("lora",))
    assert logged_in.repo("lab/x").private
    assert "lab/x is private and stays so, although hub.private is false" in caplog.text


def test_a_token_comes_from_a_file_or_a_descriptor(hub, config, tmp_path, caplog):
    file = tmp_path / "secret"
    file.write_text("hf_secret\n")
    file.chmod(0o600)
    assert open_hub(config(token_file=str(file)), ("lora",)).api.token == "hf_secret"
    assert "chmod" not in caplog.text
    file.chmod(0o644)
    open_hub(config(token_file=str(file)), ("lora",))
    assert f"chmod 600 {file}" in caplog.text
    read, write = os.pipe()
    os.write(write, b"hf_secret")
    os.close(write)
    open_hub(config(token_file=f"/dev/fd/{read}"), ("lora",))
    with pytest.raises(ConfigError, match="0 words instead of a token") as caught:
        open_hub(config(token_file=f"/dev/fd/{read}"), ("lora",))
    assert "only once" in caught.value.fix
    os.close(read)


def test_a_token_may_be_that_of_hf_auth_login(hub, config, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "token").write_text("hf_secret")
    assert open_hub(config(), ("lora",)).repositories["lora"].id == "me/run"


def test_without_a_token_the_three_ways_to_give_one_are_told(hub, config, tmp_path):
    with pytest.raises(ConfigError) as caught:
        open_hub(config(), ("lora",))
    assert all(way in caught.value.fix for way in ("hf auth login", "HF_TOKEN", "hub.token_file"))
    with pytest.raises(ConfigError, match="No such file"):
        open_hub(config(token_file=str(tmp_path / "none")), ("lora",))


@pytest.mark.parametrize(
    ("who", "repo", "message"),
    [
        (None, "me/x", "does not know this token"),
        (READER, "me/x", "this token of me may only read"),
        (WRITER, "other/x", "me is not a member of 'other'"),
        (scoped("lab"), "me/x", "fine-grained token may not write to me/x"),
        (scoped("me", right="repo.content.read"), "me/x", "fine-grained token may not write to me/x"),
        (scoped("lab"), "lab/x", ""),
        (scoped("me/x"), "me/x", "does not allow it: 403 You don't have the rights to create"),
    ],
    ids=[
        "unknown",
        "reader",
        "stranger",
        "other scope",
        "scope to read",
        "scope",
        "scope of a repository not made yet",
    ],
)
def test_the_right_to_write_is_known_before_anything_is_sent(logged_in, config, who, repo, message):
    logged_in.tokens = {"hf_secret": who} if who else {}
    if not message:
        open_hub(config(lora_repo=repo), ("lora",))
        return
    with pytest.raises(ConfigError, match=message) as caught:
        open_hub(config(lora_repo=repo), ("lora",))
    assert caught.value.fix
    assert not logged_in.repos


def test_a_repository_that_exists_proves_nothing_to_a_token_that_cannot_write_there(logged_in, config, monkeypatch):
    logged_in.repos["model", "me/x"] = Repo(private=True)
    logged_in.repo("me/x").commit({}, "")
    logged_in.faults = [Fault("POST /api/repos/create", 403), Fault("GET .*/auth-check/write", 403)]
    with pytest.raises(ConfigError, match="creating me/x: the Hub does not allow it"):
        open_hub(config(lora_repo="me/x"), ("lora",))


def test_faults_that_pass_are_waited_out_and_others_end_in_one_message(logged_in, config):
    logged_in.faults = [Fault("whoami", 503, times=2), Fault("repos/create", 429, headers={"Retry-After": "0"})]
    open_hub(config(), ("lora",), waits=(0.0, 0.0))
    logged_in.faults = [Fault("whoami", 500, times=9)]
    with pytest.raises(MedftError, match="asking whose token this is failed"):
        open_hub(config(), ("lora",), waits=(0.0,))


def test_offline_is_refused_at_once(logged_in, config, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError, match="nothing can be pushed while HF_HUB_OFFLINE"):
        open_hub(config(), ("lora",))
    assert not logged_in.requests


@pytest.mark.parametrize(
    "name", ["x", "a/b/c", "me/-x", "me/x..y", "me/x--y", "me/x.git", "me/kniegelenk ä", "me/" + "x" * 97]
)
def test_names_that_the_hub_refuses_are_refused_here(config, name):
    with pytest.raises(ConfigError, match="is no name for a repository") as caught:
        repository_of(config(lora_repo=name), "lora", "me")
    assert caught.value.where == "hub.lora_repo"


@pytest.mark.parametrize("run", ["a", "my run (2)", "--x--", "x..y", "ä", "x" * 99, "run.git.", "v1.-.2"])
def test_the_name_of_any_run_folder_makes_one_that_the_hub_takes(config, run):
    for what in ("lora", "merged", "data"):
        repository_of(config(run), what, "some-account")


def test_two_things_do_not_go_to_one_place_and_no_adapter_is_asked_of_a_full_training(logged_in, config):
    with pytest.raises(ConfigError, match="me/x is asked for twice"):
        open_hub(config(lora_repo="me/x", merged_repo="me/x"), ("lora", "merged"))
    with pytest.raises(ConfigError, match=r"train\.method full makes no adapter"):
        open_hub(config(method="full"), ("lora",))
    assert not logged_in.requests
