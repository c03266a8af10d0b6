"""Which repositories are asked for, by names that the Hub will take."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

from medft_bm.config.schema import Config
from medft_bm.core.errors import ConfigError

What: TypeAlias = Literal["lora", "merged", "data"]
"""What can be sent: an adapter, a model that needs none, the prepared dataset."""
ALL_WHAT: tuple[What, ...] = get_args(What)
TAILS = {"lora": "", "merged": "-merged", "data": "-data"}
"""Ends of the names that are made up here."""


@dataclass(frozen=True)
class Repository:
    """One repository on the Hub.

    Attributes:
        what: is sent there.
        id: account/name.
        private: to create it so, and to refuse a public one.
    """

    what: What
    id: str
    private: bool

    @property
    def type(self) -> str:
        """As huggingface_hub says it."""
        return "dataset" if self.what == "data" else "model"

    @property
    def key(self) -> str:
        """The config key that names it."""
        return f"hub.{self.what}_repo"


def wanted(config: Config) -> tuple[What, ...]:
    """What the config asks to send."""
    return tuple(what for what in ALL_WHAT if getattr(config.hub, f"push_{what}"))


def require_names(config: Config, what: tuple[What, ...]) -> None:
    """Refuse what cannot be sent whoever sends it; asks no network.

    Raises:
        ConfigError: a name that the Hub will not take, two things under one name, or an adapter that no training makes.
    """
    for one in what:
        repository_of(config, one, "account")
    given = [name for one in what if (name := getattr(config.hub, f"{one}_repo")) and one != "data"]
    if len(given) != len(set(given)):
        fix = "give the adapter and the merged model a repository each"
        raise ConfigError(f"{given[0]} is asked for twice", where="hub.lora_repo, hub.merged_repo", fix=fix)
    if "lora" in what and config.train.method == "full":
        fix = "push the model: hub.push_merged=true"
        raise ConfigError("train.method full makes no adapter to push", where="hub.push_lora", fix=fix)


def repository_of(config: Config, what: What, account: str) -> Repository:
    """The repository of the config; where it names none, one after the run folder in the account's name.

    Raises:
        ConfigError: the Hub will not take the name.
    """
    named: str | None = getattr(config.hub, f"{what}_repo")
    made = f"{account}/{_plain(config.run.folder.resolve().name)}{TAILS[what]}"
    repository = Repository(what, made if named is None else named, config.hub.private)
    if why := _wrong(repository.id):
        fix = f"set {repository.key} to account/name: letters, digits and single - _ . in between, at most 96"
        raise ConfigError(f"{repository.id!r} is no name for a repository: {why}", where=repository.key, fix=fix)
    return repository


def _wrong(name: str) -> str:
    try:
        validate_repo_id(name)
    except HFValidationError as error:
        return str(error).partition(":")[0].rstrip(".")
    return "" if name.count("/") == 1 else "the account in front of it is missing"


def _plain(name: str) -> str:
    """A folder's name as the Hub takes it."""
    single = re.sub(r"([-.])[-.]+", r"\1", re.sub(r"[^A-Za-z0-9_.-]+", "-", name))
    return re.sub(r"(\.git)+$", "", single.strip("-.")[:80]).strip("-.") or "run"
