"""Which files a model consists of, what is known of them by name, and the record of what was checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from medft_bm.core.errors import DataError, MedftError
from medft_bm.hub.guard_texts import safetensors_head
from medft_bm.train.folders import replace_json

GATE = "gate.json"
"""Beside the weights: what was checked, and of which files."""
ABOUT = frozenset((GATE, "README.md"))
"""Files that say something of the model and are no part of it."""
FORBIDDEN = frozenset(
    (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".h5", ".msgpack", ".npy", ".npz", ".joblib", ".py", ".so")
)
"""Ends of names of files that can run code where they are loaded, or hold weights in another form."""
_PICKLE, _ZIP = b"\x80", b"PK\x03\x04"


def require_files(folder: Path) -> None:
    """Whether a folder holds weights as whole safetensors, and nothing that could run code.

    Raises:
        DataError: it does not.
    """
    for path in _files(folder):
        if path.suffix in FORBIDDEN or _looks_pickled(path):
            raise DataError(
                f"{path.name} may run code where it is loaded, or hides weights: only safetensors are pushed",
                where=str(path),
                fix="remove it, and push again",
            )
    weights = [path for path in _files(folder) if path.suffix == ".safetensors"]
    if not weights:
        fix = "`medft train` or `medft merge` makes them"
        raise DataError("there are no weights as safetensors", where=str(folder), fix=fix)
    for path in weights:
        _require_whole(path)


def digest_of(folder: Path) -> str:
    """16 hex digits over the names and every byte of the files that make up a model."""
    digest = hashlib.sha256()
    for path in _files(folder):
        if path.name not in ABOUT:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()[:16]


def write_gate(folder: Path, facts: Mapping[str, Any]) -> None:
    """Keep what was checked."""
    replace_json(folder / GATE, facts)


def require_gate(folder: Path) -> dict[str, Any]:
    """What was checked of a folder, if it is still what it was then.

    Raises:
        MedftError: it was not checked, or has changed since.
    """
    fix = "check it again: medft push does before it sends"
    try:
        facts: dict[str, Any] = json.loads((folder / GATE).read_text(encoding="utf-8"))
        digest = facts["digest"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MedftError("the model was not checked", where=str(folder / GATE), fix=fix) from error
    if digest != digest_of(folder):
        raise MedftError("the model changed after it was checked", where=str(folder), fix=fix)
    return facts


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _looks_pickled(path: Path) -> bool:
    """Whether a file is a pickle or an archive of one, whatever it is called."""
    with path.open("rb") as file:
        start = file.read(4)
    return start == _ZIP or (start[:1] == _PICKLE and start[1:2] <= b"\x05" and len(start) > 1)


def _require_whole(path: Path) -> None:
    """Whether as many bytes follow the head as it announces."""
    try:
        head = json.loads(safetensors_head(path))
        ends = [entry["data_offsets"][1] for name, entry in head.items() if name != "__metadata__"]
        with path.open("rb") as file:
            length = 8 + int.from_bytes(file.read(8), "little") + max(ends, default=0)
        if length != path.stat().st_size:
            raise ValueError(f"{path.stat().st_size} bytes where {length} belong")
    except (ValueError, KeyError, TypeError, IndexError) as error:
        fix = "train or merge again; the disk may have been full"
        raise DataError(f"the weights are damaged: {error}", where=str(path), fix=fix) from error
