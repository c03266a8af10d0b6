"""Why something is built again: which fact differs from those of what lies in the cache."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medft_bm.core.errors import DataError
from medft_bm.prepare.cache import LAYOUT, entry_folder, finished, read_manifest

_DIGEST = re.compile(r"[0-9a-f]{20,}")
_ABSENT = object()
_LIMITS = ("data.limit", "data.limit_per_task", "data.limit_per_source")
_NAMES = {
    "samples": "the samples that the rows are made of",
    "split": "data.split",
    "split_file": "the content of data.split.file",
    "mixing": "data.mixing",
    "seed": "data.seed",
    "salt": "data.salt",
    "on_error": "data.on_error",
}


@dataclass(frozen=True)
class Why:
    """Whether one stage is in the cache.

    Attributes:
        cached: the finished entry, if there is one.
        nearest: the entry that differs least, if there is any.
        differences: what differs from it, a sentence each.
    """

    cached: Path | None
    nearest: Path | None
    differences: tuple[str, ...]


def why(cache: Path, kind: str, facts: Mapping[str, Any]) -> Why:
    """Compare the facts of what would be built with everything of its kind in the cache; nothing is written.

    Args:
        cache: root of the cache.
        kind: sub-folder, such as ``samples``.
        facts: as given to :func:`~medft_bm.prepare.cache.cached`.
    """
    folder = entry_folder(cache, kind, facts)
    if finished(folder):
        return Why(folder, folder, ())
    found = nearest(cache, kind, facts)
    return Why(None, None, ()) if found is None else Why(None, found[0], tuple(found[1]))


def nearest(cache: Path, kind: str, facts: Mapping[str, Any]) -> tuple[Path, list[str]] | None:
    """The finished entry with the fewest differences, the latest of equals, and the differences."""
    new = json.loads(json.dumps({"layout": LAYOUT, **facts}))
    found = []
    for path in sorted((cache / kind).glob("[!.]*/manifest.json")):
        try:
            old = read_manifest(path.parent)["facts"]
            told = differences(new, old)
            rank = (old["layout"] != LAYOUT, len(told), -path.stat().st_mtime_ns)
            found.append((rank, path.parent, told))
        except (DataError, OSError):  # broken, or removed while we look
            continue
    return min(found)[1:] if found else None


def differences(new: Mapping[str, Any], old: Mapping[str, Any]) -> list[str]:
    """What differs between two sets of facts, old value first, a sentence each.

    Args:
        new: facts as JSON data.
        old: those of the manifest of an entry.
    """
    if new["layout"] != old["layout"]:  # nothing else is written down the same way
        return [f"medft layout: {old['layout']} -> {new['layout']}"]
    said: list[str] = []
    for key in [*new, *(key for key in old if key not in new)]:
        one, other = new.get(key, _ABSENT), old.get(key, _ABSENT)
        if one == other:
            continue
        if key == "parts":
            said += _parts(one, other)
        elif key == "family":
            said += _plugin("model family", "", one, other)
        elif key == "limits":
            for name, limits, others in zip(_LIMITS, one, other, strict=True):
                said += _values(name, limits, others)
        else:
            said += _values(_NAMES.get(key, key), one, other)
    return said


def _parts(new: Any, old: Any) -> Iterator[str]:
    mine, theirs = ({part["name"]: part for part in parts} for parts in (new, old))
    for name, part in mine.items():
        if name not in theirs:
            yield f"part {name!r} is new"
        else:
            yield from _part(f"part {name!r}: ", part, theirs[name])
    yield from (f"part {name!r} is gone" for name in theirs if name not in mine)
    if list(mine) != list(theirs) and mine.keys() == theirs.keys():
        yield "the parts are in another order"


def _part(where: str, new: Mapping[str, Any], old: Mapping[str, Any]) -> Iterator[str]:
    for key, value in new.items():
        other = old[key]
        if value == other:
            continue
        if key in ("task", "source"):
            yield from _plugin(key, where, value, other)
        elif key == "files":
            yield f"{where}its raw files changed (name, size or time of one of them)"
        else:
            yield from _values(f"{where}{key}", value, other)


def _plugin(kind: str, where: str, new: Any, old: Any) -> Iterator[str]:
    """Differences of a task, source or model family: ``[name, version, …, options]``."""
    if new[0] != old[0]:
        yield f"{where}{kind}: {old[0]} -> {new[0]}"
        return
    if new[1] != old[1]:
        yield f"{where}medft's version of {kind} {new[0]}: {old[1]} -> {new[1]}"
    yield from _values(f"{where}{kind}", new[2:-1], old[2:-1])
    yield from _values(f"{where}{kind} option", new[-1], old[-1], " ")


def _values(name: str, new: Any, old: Any, joint: str = ".") -> Iterator[str]:
    """Differences of two values; of two objects, those of their values."""
    if new == old:
        return
    if isinstance(new, dict) and isinstance(old, dict):
        for key in [*new, *(key for key in old if key not in new)]:
            yield from _values(f"{name}{joint}{key}", new.get(key, _ABSENT), old.get(key, _ABSENT))
    elif isinstance(new, list) and isinstance(old, list) and len(new) == len(old) and _nested(new):
        for one, other in zip(new, old, strict=True):
            yield from _values(name, one, other, joint)
    elif any(isinstance(value, str) and _DIGEST.fullmatch(value) for value in (new, old)):
        yield f"{name} changed"  # a digest says nothing to anyone
    else:
        yield f"{name}: {_said(old)} -> {_said(new)}"


def _nested(values: list[Any]) -> bool:
    return any(isinstance(value, dict | list) for value in values)


def _said(value: Any) -> str:
    return "nothing" if value is _ABSENT else json.dumps(value, ensure_ascii=False)
