"""``medft config keys`` and ``medft config check``."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from medft_bm.cli.common import add_config, add_json, add_verb, config_and_words, dumps, load, table
from medft_bm.core.errors import ConfigError

if TYPE_CHECKING:
    from medft_bm.cli.common import Verbs
    from medft_bm.config.load import Checked
    from medft_bm.core.registry import Registry


def add(verbs: Verbs) -> None:
    """Add the verb with its two sub-verbs."""
    verb = add_verb(
        verbs, "config", "list every key, or check a config", "medft config check tasks/demo.yaml train.lr=1e-4"
    )
    kinds = verb.add_subparsers(metavar="keys|check", required=True)
    keys = add_verb(kinds, "keys", "list every key with type, default and help", "medft config keys --json")
    add_json(keys)
    keys.set_defaults(run=run_keys)
    check = add_verb(
        kinds,
        "check",
        "check a config and report every problem at once, exit code 2 if any",
        "medft config check tasks/real_samples.yaml model.name=google/medgemma-4b-it train.lr=1e-4",
    )
    add_config(check)
    add_json(check)
    check.set_defaults(run=run_check)


def run_keys(args: argparse.Namespace) -> int:
    """Print every key."""
    from medft_bm.config.keys import config_keys

    keys = config_keys()
    if args.json:
        print(dumps([dataclasses.asdict(key) for key in keys]))
        return 0
    defaults = ["required" if key.required else json.dumps(key.default) for key in keys]
    print(
        table(
            [
                {"key": key.key, "type": key.type, "default": default, "help": key.help}
                for key, default in zip(keys, defaults, strict=True)
            ]
        )
    )
    return 0


def run_check(args: argparse.Namespace) -> int:
    """Check the keys, then every part's task, source and options."""
    from medft_bm.config.load import check_config

    if args.json:
        checked = check_config(*config_and_words(args))
        problems = [*checked.problems, *part_problems(checked)]
        print(dumps({"ok": not problems, "problems": problems, "origins": checked.origins}))
        return ConfigError.exit_code if problems else 0
    loaded = load(args)
    config = loaded.config
    print(f"OK: {len(config.data.mix)} part(s), {len(loaded.origins)} value(s) set, the rest default")
    print(table([{"part": part.name, "task": part.task, "source": part.source} for part in config.data.mix]))
    return 0


def part_problems(checked: Checked) -> list[str]:
    """Unknown tasks, sources and options of every part that is well formed."""
    from medft_bm.config.load import origin_of
    from medft_bm.sources import SOURCES
    from medft_bm.tasks import TASKS

    found: list[tuple[str, str]] = []
    for position, part in checked.parts:
        key = f"data.mix.{position}"
        found += _entry_problems(TASKS, part.task, part.task_options, f"{key}.task")
        found += _entry_problems(SOURCES, part.source, part.source_options, f"{key}.source")
    return [f"{key}: {message}{origin_of(key, checked.origins)}" for key, message in found]


def _entry_problems(
    registry: Registry[Any], name: str, options: Mapping[str, Any], key: str
) -> Iterator[tuple[str, str]]:
    from medft_bm.config.options import check

    try:
        kind = registry.get(name)
    except ConfigError as error:
        yield key, error.what
        return
    for option, message in check(kind, options)[1]:
        yield f"{key}_options.{option}", message
