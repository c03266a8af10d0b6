"""Which files a model consists of, what is known of them by name, and the record of what was checked."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from medft_bm.core.errors import DataError, MedftError
from medft_bm.hub.guard_texts import safetensors_head
from medft_bm.models.content import digest_of
from medft_bm.train.folders import replace_json

GATE = "gate.json"
"""Beside the weights: what was checked, and of which files."""
FORBIDDEN = frozenset(
    (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".h5", ".msgpack", ".npy", ".npz", ".joblib", ".py", ".so")
)
"""Ends of names of files that can run code where they are loaded, or hold weights in another form."""
WHOLE = ("adapter_model.safetensors", "model.safetensors")
"""Names of weights in one file; several files have an index."""
INDEX = "model.safetensors.index.json"
_PICKLE, _ZIP = b"\x80", b"PK\x03\x04"
_DTYPES = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}


def require_files(folder: Path) -> None:
    """Whether a folder holds weights as whole safetensors, all of one model, and nothing that could run code.

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
        if path.suffix == ".json":
            _require_plain(path)
    weights = [path for path in _files(folder) if path.suffix == ".safetensors"]
    if not weights:
        fix = "`medft train` or `medft merge` makes them"
        raise DataError("there are no weights as safetensors", where=str(folder), fix=fix)
    for path in weights:
        _require_whole(path)
    _require_complete(folder, [path.relative_to(folder).as_posix() for path in weights])


def stored_dtype(folder: Path) -> str:
    """What most of the numbers in a folder's weights are, such as ``bfloat16``."""
    numbers: Counter[str] = Counter()
    for path in folder.glob("*.safetensors"):
        for name, entry in json.loads(safetensors_head(path)).items():
            if name != "__metadata__":
                numbers[entry["dtype"]] += math.prod(entry["shape"])
    ((most, _),) = numbers.most_common(1)
    return _DTYPES.get(most, most)


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


def _require_complete(folder: Path, names: Sequence[str]) -> None:
    """Whether the files with weights are those of one model: one, or all that the index lists."""
    index = folder / INDEX
    try:
        listed = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()) if index.is_file() else None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"the index of the weights is damaged: {error}", where=str(index), fix="merge again") from error
    if listed is None:
        listed = {next((name for name in WHOLE if name in names), names[0])}
    if missing := sorted(listed.difference(names)):
        raise DataError(f"{missing[0]} is in the index and not here", where=str(index), fix="merge again")
    if foreign := sorted(set(names).difference(listed)):
        fix = "remove it: it is from another model, or from an earlier merge"
        raise DataError(f"{foreign[0]} is no part of the model", where=str(folder), fix=fix)


def _require_plain(path: Path) -> None:
    """Whether a JSON file can be read, and names no code."""
    try:
        named = "auto_map" in json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        fix = "train or merge again; the disk may have been full"
        raise DataError(f"{path.name} is no JSON: {error}", where=str(path), fix=fix) from error
    if named:
        what = f"{path.name} names code of a repository to load the model with (auto_map)"
        raise DataError(what, where=str(path), fix="remove auto_map; plain transformers must do")
