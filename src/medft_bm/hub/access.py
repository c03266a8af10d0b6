"""Whoever pushes: the token, its account, and the right to write, all found out before anything is spent."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants, get_token

from medft_bm.config.schema import Config
from medft_bm.core.errors import ConfigError
from medft_bm.hub.faults import TOKENS, attempted
from medft_bm.hub.names import Repository, What, repository_of, require_names

log = logging.getLogger(__name__)

WRITE = frozenset({"repo.write", "repo.content.write"})
"""Permissions of a fine-grained token, one of which is needed."""
AGAIN_S = (2.0, 10.0)
"""Waits between attempts while somebody sits in front of it."""


@dataclass(frozen=True)
class Access:
    """The Hub, opened by somebody who may write to some repositories.

    Attributes:
        api: with the token in it.
        repositories: they exist, by what is sent there.
    """

    api: HfApi
    repositories: Mapping[What, Repository]


def open_hub(config: Config, what: tuple[What, ...], waits: Sequence[float] = AGAIN_S) -> Access:
    """Find the token, ask whose it is, create the repositories that are missing, and prove that it may write there.

    Args:
        config: resolved.
        what: is to be sent.
        waits: seconds before each further attempt when the Hub cannot be reached.

    Raises:
        ConfigError: offline, no token, a token without the right, a wrong name, or a public repository that should be
            private.
        MedftError: the Hub cannot be reached.
    """
    require_online(config, what)
    api = HfApi(token=_token(config.hub.token_file), library_name="medft_bm")
    who = attempted(api.whoami, "asking whose token this is", waits)
    repositories = {one: repository_of(config, one, who["name"]) for one in what}
    for repository in repositories.values():
        _require_right(who, repository)
        attempted(lambda r=repository: _create(api, r), f"creating {repository.id}", waits)  # type: ignore[misc]
        _require_as_private(api, repository)
    return Access(api, repositories)


def require_online(config: Config, what: tuple[What, ...]) -> None:
    """What can be refused without the network: names, and pushing while huggingface_hub is told to stay offline.

    Raises:
        ConfigError: one of the two.
    """
    require_names(config, what)
    if constants.HF_HUB_OFFLINE:
        fix = "unset it to push, or set hub.push_lora, hub.push_merged and hub.push_data to false"
        raise ConfigError("nothing can be pushed while HF_HUB_OFFLINE is set", where="HF_HUB_OFFLINE", fix=fix)


def _token(file: Path | None) -> str:
    if file is None:
        found = get_token()
        if found is None:
            fix = "run `hf auth login`, set HF_TOKEN, or name a file that holds the token in hub.token_file"
            raise ConfigError("pushing needs a token, and there is none", where="HF_TOKEN", fix=fix)
        return found
    try:
        text = file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        fix = "name a file, or a descriptor that is open for reading (/dev/fd/3), with the token and nothing else in it"
        raise ConfigError(f"the token cannot be read: {why}", where=f"hub.token_file {file}", fix=fix) from None
    if len(text.split()) != 1:
        fix = "it must hold the token and nothing else; a descriptor can be read only once"
        raise ConfigError(f"{len(text.split())} words instead of a token", where=f"hub.token_file {file}", fix=fix)
    if file.is_file() and file.stat().st_mode & 0o077:
        log.warning("%s holds a token and others may read it: chmod 600 %s", file, file)
    return text


def _require_right(who: Mapping[str, Any], repository: Repository) -> None:
    """Refuse what the account or the kind of token rules out; what the Hub keeps to itself, writing will show."""
    name, space = who["name"], repository.id.partition("/")[0]
    spaces = [name, *(one.get("name") for one in who.get("orgs", ()))]
    if space not in spaces:
        fix = f"name one of {', '.join(spaces)} in {repository.key}, or use a token of another account"
        raise ConfigError(f"{name} is not a member of {space!r}", where=repository.key, fix=fix)
    token = who.get("auth", {}).get("accessToken", {})
    if token.get("role") == "read":
        fix = f"make one with the role 'write' at {TOKENS}"
        raise ConfigError(f"this token of {name} may only read", where="the token", fix=fix)
    if token.get("role") == "fineGrained" and not _may_write(token.get("fineGrained", {}), repository):
        fix = f"give it 'write access to contents' of all repositories of {space} at {TOKENS}"
        raise ConfigError(f"this fine-grained token may not write to {repository.id}", where="the token", fix=fix)


def _may_write(grants: Mapping[str, Any], repository: Repository) -> bool:
    places = (repository.id.partition("/")[0], repository.id)
    scopes = [scope for scope in grants.get("scoped", ()) if scope.get("entity", {}).get("name") in places]
    granted = {right for scope in scopes for right in scope.get("permissions", ())}
    return bool(WRITE & {*granted, *grants.get("global", ())})


def _create(api: HfApi, repository: Repository) -> None:
    api.create_repo(repository.id, repo_type=repository.type, private=repository.private, exist_ok=True)
    api.auth_check(repository.id, repo_type=repository.type, write=True)


def _require_as_private(api: HfApi, repository: Repository) -> None:
    """huggingface_hub leaves a repository that exists as public or private as it is."""
    info = attempted(lambda: api.repo_info(repository.id, repo_type=repository.type), f"looking at {repository.id}", ())
    if repository.private and not info.private:
        fix = f"make it private in its settings, name another in {repository.key}, or set hub.private=false"
        raise ConfigError(f"{repository.id} is public, and hub.private is true", where=repository.key, fix=fix)
    if info.private and not repository.private:
        log.warning("%s is private and stays so, although hub.private is false: its settings open it", repository.id)
