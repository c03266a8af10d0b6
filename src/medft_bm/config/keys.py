"""Every key a user may set, with type, default and help, read off the schema."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from medft_bm.config.fields import Section
from medft_bm.config.schema import Config
from medft_bm.core.registry import did_you_mean

NAMES: dict[Any, str] = {str: "text", Path: "path", bool: "true | false", type(None): "null", Any: "anything"}

MOVED = {
    "lora.parts": "towers.vision.train=lora, and the like for projector and language",
    "hub.token": "HF_TOKEN, `hf auth login` or hub.token_file: a token in a config would be saved with it",
}
"""Keys that are asked for and not there, and what to write instead."""


@dataclass(frozen=True)
class Key:
    """One line of ``medft config keys``.

    Attributes:
        key: dotted; ``N`` stands for the position in a list.
        type: what to write, in words.
        default: what holds when nothing is written; meaningless when required.
        required: there is no default.
        help: one sentence.
    """

    key: str
    type: str
    default: Any
    required: bool
    help: str

    @property
    def is_text(self) -> bool:
        """Whether a value is taken literally, so that ``model.revision=1e5`` stays what was typed."""
        return self.type.split(" | ")[0] in ("text", "path")


def config_keys(section: type[Section] = Config, prefix: str = "") -> list[Key]:
    """Every key below a section, in the order of the schema."""
    keys: list[Key] = []
    for name, field in section.model_fields.items():
        key, inner = prefix + name, _section(field.annotation)
        if inner is None or get_origin(field.annotation) is list:
            keys.append(_key(key, field))
        if inner is not None:
            dots = ".N." if get_origin(field.annotation) is list else "."
            keys.extend(config_keys(inner, key + dots))
    return keys


def unknown_key(key: str) -> str:
    """Tail of an error message about a dotted key that does not exist: what was probably meant."""
    if key in MOVED:
        return f"; use {MOVED[key]}"
    parent, _, word = normalised(key).rpartition(".")
    names = [known.key for known in config_keys()]
    level = parent.count(".") + 1 if parent else 0
    siblings = {name.split(".")[level] for name in names if not parent or name.startswith(parent + ".")}
    elsewhere = [name for name in names if name.rpartition(".")[2] == word]
    return f"; did you mean {elsewhere[0]!r}?" if elsewhere else did_you_mean(word, siblings)


def normalised(key: str) -> str:
    """The dotted key with ``N`` for every position in a list."""
    return ".".join("N" if step.isdigit() else step for step in key.split("."))


def _key(key: str, field: FieldInfo) -> Key:
    required = field.is_required()
    default = None if required else field.get_default(call_default_factory=True)
    return Key(
        key=key,
        type=describe_type(field.annotation),
        default=str(default) if isinstance(default, Path) else default,
        required=required,
        help=(field.description or "").replace("\n", " "),
    )


def _section(annotation: Any) -> type[Section] | None:
    inner = get_args(annotation)[0] if get_origin(annotation) is list else annotation
    return inner if isinstance(inner, type) and issubclass(inner, Section) else None


def describe_type(annotation: Any) -> str:
    """What to write for a value of this type, in words."""
    arguments = get_args(annotation)
    match get_origin(annotation):
        case origin if origin is Annotated:
            return describe_type(arguments[0])
        case origin if origin in (Union, types.UnionType):
            return " | ".join(map(describe_type, arguments))
        case origin if origin is Literal:
            return " | ".join(map(str, arguments))
        case origin if origin is list:
            return "list of parts" if _section(annotation) else f"list of {describe_type(arguments[0])}"
        case origin if origin is tuple and arguments[-1] is Ellipsis:
            return f"list of {describe_type(arguments[0])}"
        case origin if origin is tuple:
            return f"[{', '.join(map(describe_type, arguments))}]"
        case origin if origin in (dict, Mapping):
            return "mapping"
    return NAMES.get(annotation) or str(getattr(annotation, "__name__", annotation))
