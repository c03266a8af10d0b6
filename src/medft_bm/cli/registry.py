"""``medft tasks``, ``medft models``, ``medft sources``: what is registered, with its options."""

from __future__ import annotations

import argparse
import dataclasses
import json
import typing
from functools import partial
from typing import TYPE_CHECKING, Any

from medft_bm.cli.common import add_json, add_verb, dumps
from medft_bm.core.errors import MedftError

if TYPE_CHECKING:
    from medft_bm.cli.common import Verbs
    from medft_bm.core.registry import Registry

SUMMARIES = {
    "tasks": "list the tasks: what can be asked",
    "models": "list the model families",
    "sources": "list the sources: layouts of raw data that can be read",
}


def add(verbs: Verbs) -> None:
    """Add the three verbs."""
    for kind, summary in SUMMARIES.items():
        verb = add_verb(verbs, kind, summary, f"medft {kind}\nmedft {kind} --json")
        add_json(verb)
        verb.set_defaults(run=partial(run, kind))


def run(kind: str, args: argparse.Namespace) -> int:
    """Print every entry; one that cannot be imported is an error after all others were shown."""
    registry = _registry(kind)
    entries, broken = [], []
    for name in registry.names():
        try:
            entries.append(describe(name, registry.get(name), with_options=kind != "models"))
        except MedftError as error:
            broken.append(error)
    print(dumps(entries) if args.json else "\n\n".join(map(_text, entries)))
    if broken:
        raise type(broken[0])("\n".join(error.what for error in broken), where=broken[0].where, fix=broken[0].fix)
    return 0


def describe(name: str, kind: Any, *, with_options: bool) -> dict[str, Any]:
    """One entry as plain data.

    Args:
        name: as registered.
        kind: class of the task, model family or source.
        with_options: whether the fields of the class are for users to set; those of a model family are not, they
            come from the checkpoint.
    """
    entry: dict[str, Any] = {"name": name}
    for fact in ("version", "revision") if with_options else ("version", "coordinates", "model_types"):
        if getattr(kind, fact, ()) != ():
            entry[fact] = getattr(kind, fact)
    entry["summary"] = kind.summary
    if with_options:
        types = typing.get_type_hints(kind)
        entry["options"] = [_option(field, types[field.name]) for field in dataclasses.fields(kind) if field.init]
    return entry


def _registry(kind: str) -> Registry[Any]:
    if kind == "tasks":
        from medft_bm.tasks import TASKS

        return TASKS
    if kind == "models":
        from medft_bm.models import MODELS

        return MODELS
    from medft_bm.sources import SOURCES

    return SOURCES


def _option(field: dataclasses.Field[Any], kind: Any) -> dict[str, Any]:
    from medft_bm.config.keys import describe_type

    option: dict[str, Any] = {"name": field.name, "type": describe_type(kind), "required": False}
    if field.default is not dataclasses.MISSING:
        option["default"] = field.default
    elif field.default_factory is not dataclasses.MISSING:
        option["default"] = field.default_factory()
    else:
        option["required"] = True
    return option


def _text(entry: dict[str, Any]) -> str:
    facts = [
        f"{fact} {value if isinstance(value, int | str) else ', '.join(value)}"
        for fact, value in entry.items()
        if fact not in ("name", "summary", "options")
    ]
    options = entry.get("options", [])
    width = max((len(option["name"]) for option in options), default=0)
    lines = [f"{entry['name']}  ({'; '.join(facts)})", f"  {entry['summary']}"]
    for option in options:
        default = "required" if option["required"] else f"= {json.dumps(option['default'], default=str)}"
        lines.append(f"    {option['name']:<{width}}  {option['type']}  {default}")
    return "\n".join(lines)
