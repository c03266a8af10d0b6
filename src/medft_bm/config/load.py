"""From a YAML file, MEDFT_* variables and key=value words to one checked config: every problem at once."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from medft_bm.config.keys import config_keys, normalised, unknown_key
from medft_bm.config.schema import Config, Part
from medft_bm.config.tree import Origins, Tree, leaves, parse, put
from medft_bm.core.errors import ConfigError

PREFIX = "MEDFT_"
NOT_CONFIG = frozenset({"MEDFT_DEBUG"})
"""Variables of that prefix with a meaning of their own."""
SECRET = re.compile(r"(^|[._])(token|token_file|api_key|password|secret)$", re.IGNORECASE)
"""How keys end whose values are never repeated, right or wrong."""
TEXT_KEYS = frozenset(key.key for key in config_keys() if key.is_text)


@dataclass(frozen=True)
class Loaded:
    """A valid config and where each of its values was written; a key without origin has its default."""

    config: Config
    origins: Origins


@dataclass
class Checked:
    """What could be made of the input, valid or not.

    Attributes:
        config: ``None`` when there are problems.
        parts: position and part of every entry of ``data.mix`` that is well formed, even if the rest is not.
        origins: dotted key to file name, variable or word.
        problems: one line each.
    """

    config: Config | None = None
    parts: list[tuple[int, Part]] = field(default_factory=list)
    origins: Origins = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def load_config(path: Path, words: Sequence[str] = (), environ: Mapping[str, str] | None = None) -> Loaded:
    """The config that a file, then the environment, then the words ask for.

    Args:
        path: YAML file; relative paths in it are relative to the working directory.
        words: ``key=value`` with dotted keys and YAML values; they win over everything.
        environ: variables; ``MEDFT_TRAIN__LR`` sets ``train.lr`` and wins over the file. The process's by default.

    Raises:
        ConfigError: every problem at once, each with its origin and the nearest known key.
    """
    checked = check_config(path, words, environ)
    if checked.config is None:
        raise problems_error(checked.problems)
    return Loaded(checked.config, checked.origins)


def problems_error(problems: Sequence[str]) -> ConfigError:
    """One error that lists all problems."""
    lines = "\n".join(f"  {problem}" for problem in problems)
    return ConfigError(f"{len(problems)} problem(s) in the config\n{lines}", fix="`medft config keys` lists every key")


def check_config(path: Path, words: Sequence[str] = (), environ: Mapping[str, str] | None = None) -> Checked:
    """As :func:`load_config`, but hands the problems back.

    Raises:
        ConfigError: the file cannot be read at all.
    """
    checked = Checked()
    tree = _read(path, checked)
    for key, text, origin in _variables(os.environ if environ is None else environ):
        _set(tree, key, text, origin, checked)
    for word in words:
        key, equals, text = word.partition("=")
        if equals and key.strip():
            _set(tree, key.strip(), text, _shown(key.strip(), word), checked)
        else:
            checked.problems.append(f"{word!r}: not of the form key=value")
    _validate(tree, checked)
    return checked


def _read(path: Path, checked: Checked) -> Tree:
    where = str(path)
    try:
        value, twice = parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError("there is no such config file", where=where, fix="the shipped ones are in tasks/") from error
    except (OSError, UnicodeDecodeError) as error:
        fix = "it must be a YAML file in UTF-8 that you may read"
        raise ConfigError(f"the config file cannot be read: {error}", where=where, fix=fix) from error
    except yaml.YAMLError as error:
        fix = "correct that place; the shipped files in tasks/ show the form"
        raise ConfigError(f"not valid YAML: {_one_line(error)}", where=where, fix=fix) from error
    if not isinstance(value, dict | None):
        what = f"a config is a mapping of sections, got a {type(value).__name__}"
        raise ConfigError(what, where=where, fix="start with `data:`, as the shipped files in tasks/ do")
    checked.problems += [f"{path.name} {problem}" for problem in twice]
    tree = value or {}
    checked.origins.update(dict.fromkeys(leaves(tree), path.name))
    return tree


def _variables(environ: Mapping[str, str]) -> list[tuple[str, str, str]]:
    names = sorted(name for name in environ if name.startswith(PREFIX) and name not in NOT_CONFIG)
    return [(name.removeprefix(PREFIX).lower().replace("__", "."), environ[name], name) for name in names]


def _shown(key: str, word: str) -> str:
    return repr(f"{key}=...") if SECRET.search(key) else repr(word)


def _set(tree: Tree, key: str, text: str, origin: str, checked: Checked) -> None:
    try:
        value = _value(key, text)
    except yaml.YAMLError as error:
        checked.problems.append(f"{key}: not a valid YAML value: {_one_line(error)} (from {origin})")
        return
    steps = key.split(".")
    if why := put(tree, steps, value):
        checked.problems.append(f"{key}: {why} (from {origin})")
        return
    kept = set(leaves(tree))
    checked.origins = {leaf: written for leaf, written in checked.origins.items() if leaf in kept}
    checked.origins.update(dict.fromkeys(leaves(value, key), origin))


def _value(key: str, text: str) -> Any:
    literal = normalised(key) in TEXT_KEYS
    try:
        value, twice = parse(text)
    except yaml.YAMLError:
        if literal:
            return text
        raise
    if twice:
        raise yaml.YAMLError("; ".join(twice))
    if literal and not isinstance(value, str) and text.strip() not in ("null", "~"):
        return text
    return value


def _validate(tree: Tree, checked: Checked) -> None:
    tree = copy.deepcopy(tree)
    for name in Config.model_fields:
        # A section whose keys are all commented out reads as null, and a missing one should name its required keys.
        if name != "demo" and tree.get(name) is None:
            tree[name] = {}
    try:
        config = Config.model_validate(tree)
    except ValidationError as error:
        checked.problems += [_problem(detail, checked.origins) for detail in error.errors()]
        checked.parts = _readable_parts(tree)
        return
    checked.parts = list(enumerate(config.data.mix))
    checked.config = None if checked.problems else config


def _readable_parts(tree: Tree) -> list[tuple[int, Part]]:
    mix = tree["data"].get("mix") if isinstance(tree["data"], dict) else None
    parts = []
    for position, entry in enumerate(mix if isinstance(mix, list) else ()):
        try:
            parts.append((position, Part.model_validate(entry)))
        except ValidationError:
            continue
    return parts


def _problem(detail: ErrorDetails, origins: Origins) -> str:
    key = ".".join(map(str, detail["loc"]))
    given = detail.get("input")
    match detail["type"]:
        case "extra_forbidden":
            message = f"unknown key{unknown_key(key)}"
        case "model_type" | "dict_type":
            message = f"should be a group of keys, got {given!r}"
        case "value_error":
            message = detail["msg"].removeprefix("Value error, ")
        case _:
            message = detail["msg"]
            message += f", got {given!r:.80}" if isinstance(given, str | int | float | None) else ""
    return f"{key}: {message}{origin_of(key, origins)}"


def origin_of(key: str, origins: Origins) -> str:
    """Tail of a message: where the value of a key, or of the nearest key around or below it, was written."""
    around = [key.rsplit(".", cut)[0] for cut in range(key.count(".") + 1)]
    below = [leaf for leaf in origins if leaf.startswith(key + ".")]
    found = next((origins[name] for name in [*around, *below] if name in origins), "")
    return f" (from {found})" if found else ""


def _one_line(error: yaml.YAMLError) -> str:
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    text = " ".join(str(problem or error).split())
    return f"{text}, line {mark.line + 1} column {mark.column + 1}" if mark else text
