"""The resolved config as a YAML text that says where every value came from and loads again."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

import yaml

from medft_bm.config.load import Loaded
from medft_bm.config.tree import Loader


class _Dumper(yaml.SafeDumper):
    """Quotes every string that our loader would take for something else."""


_Dumper.yaml_implicit_resolvers = Loader.yaml_implicit_resolvers
_Dumper.add_multi_representer(PurePath, lambda dumper, path: dumper.represent_str(str(path)))


def resolved_yaml(loaded: Loaded) -> str:
    """Every key with its value; a comment names the origin of every value that is not a default."""
    lines = ["# Resolved config: every key. A comment says where a value was written; none: the default."]
    values = loaded.config.model_dump()
    for name, value in values.items():
        lines += _lines(name, value, name, 0, loaded.origins)
    return "\n".join(lines) + "\n"


def _lines(label: str, value: Any, key: str, depth: int, origins: dict[str, str]) -> list[str]:
    indent = "  " * depth
    if isinstance(value, dict) and value:
        head = [f"{indent}{label}:"]
        return head + [
            line for name, child in value.items() for line in _lines(name, child, f"{key}.{name}", depth + 1, origins)
        ]
    if isinstance(value, list) and any(isinstance(child, dict) for child in value):
        entries = [f"{indent}- {_flow(child)}{_comment(f'{key}.{n}', origins)}" for n, child in enumerate(value)]
        return [f"{indent}{label}:", *entries]
    return [f"{indent}{label}: {_flow(value)}{_comment(key, origins)}"]


def _flow(value: Any) -> str:
    text = yaml.dump(value, Dumper=_Dumper, default_flow_style=True, width=10**9, allow_unicode=True, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


def _comment(key: str, origins: dict[str, str]) -> str:
    found = sorted({origin for leaf, origin in origins.items() if leaf == key or leaf.startswith(key + ".")})
    return f"  # {', '.join(found)}" if found else ""
