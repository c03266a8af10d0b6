"""Nested settings with the origin of every value, and one-line YAML values."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from typing import Any, TypeAlias

import yaml

Tree: TypeAlias = dict[str, Any]
Origins: TypeAlias = dict[str, str]
"""Dotted key of a leaf to where its value was written."""


class Loader(yaml.SafeLoader):
    """A safe loader that reads ``1e-4`` as a number, as YAML 1.2 does, and remembers keys written twice."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self.twice: list[str] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """As the base class; only reports instead of letting the last of two equal keys win in silence."""
        seen: set[str] = set()
        for key, _ in node.value:
            text = str(key.value)
            if text in seen:
                self.twice.append(f"line {key.start_mark.line + 1}: {text!r} is written twice")
            seen.add(text)
        return super().construct_mapping(node, deep)


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":float", ":timestamp"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:(?:\d+\.\d*|\.\d+)(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+|\.(?:inf|Inf|nan|NaN))$"),
    list("-+.0123456789"),
)


def parse(text: str) -> tuple[Any, list[str]]:
    """The value of a YAML text and what is wrong with its keys.

    Raises:
        yaml.YAMLError: it is not YAML.
    """
    loader = Loader(text)
    try:
        return _unshared(loader.get_single_data()), loader.twice
    finally:
        loader.dispose()


def _unshared(value: Any) -> Any:
    """A copy in which an anchor and its aliases are different objects, so that setting one leaves the others."""
    if isinstance(value, dict):
        return {key: _unshared(child) for key, child in value.items()}
    return [_unshared(child) for child in value] if isinstance(value, list) else value


def put(tree: Tree, steps: list[str], value: Any) -> str:
    """Set one value deep in the tree, making mappings on the way; an empty string, or why it cannot be set."""
    here: Any = tree
    for position, step in enumerate(steps):
        last = position == len(steps) - 1
        if isinstance(here, list):
            if not step.isdigit() or int(step) >= len(here):
                return f"{'.'.join(steps[:position])} is a list of {len(here)}; use an index from 0 to {len(here) - 1}"
            slot: Any = int(step)
        else:
            slot = next((key for key in here if str(key) == step), step)
        old = here[slot] if isinstance(here, list) else here.get(slot)
        if last:
            here[slot] = merged(old, value)
        elif not isinstance(old, dict | list):
            here[slot] = {}
        here = here[slot]
    return ""


def merged(old: Any, new: Any) -> Any:
    """Mappings are merged key by key, anything else is replaced."""
    if isinstance(old, dict) and isinstance(new, Mapping):
        return old | {key: merged(old.get(key), value) for key, value in new.items()}
    return new


def leaves(value: Any, prefix: str = "") -> list[str]:
    """Dotted keys of every scalar and every empty collection."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [leaf for key, child in pairs for leaf in leaves(child, f"{prefix}.{key}" if prefix else str(key))]
    return found or ([prefix] if prefix else [])
