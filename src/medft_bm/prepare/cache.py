"""Folders named by the facts that made them: built once, under a lock, visible only when complete."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

from medft_bm.core.errors import DataError

LAYOUT = 1
"""Raise when the layout of a cache entry or the rendering of an image changes; new entries are then built."""


def cached(cache: Path, kind: str, facts: Mapping[str, Any], build: Callable[[Path], Mapping[str, Any]]) -> Path:
    """The folder for these facts, built now unless it exists.

    The build happens in a hidden sibling folder that is renamed into place after its ``manifest.json`` is written, so
    a reader sees either nothing or all of it, whatever is killed when. Processes that want the same entry wait.

    Args:
        cache: root of the cache.
        kind: sub-folder, such as ``samples``.
        facts: everything that can change a byte of the result; JSON data.
        build: fills the empty folder it is given and returns what else the manifest should say.

    Raises:
        DataError: the cache cannot be written.
    """
    facts = {"layout": LAYOUT, **facts}
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:20]
    folder = cache / kind / key
    if (folder / "manifest.json").is_file():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{key}.lock"):
            if not (folder / "manifest.json").is_file():
                _build(folder, facts, build)
    except OSError as error:
        raise _unwritable(error, cache, folder) from error
    return folder


def _unwritable(error: OSError, cache: Path, folder: Path) -> DataError:
    where = Path(error.filename) if isinstance(error.filename, str) else folder
    if where.is_relative_to(cache) or cache.is_relative_to(where):
        what = "the cache cannot be written"
        fix = "free some space, or point data.cache at a folder that can be written"
    else:  # a build reads raw data, and phantoms write theirs
        what, fix = "a file cannot be read or written", "check that it is there, and its permissions"
    return DataError(f"{what}: {error.strerror or error}", where=str(where), fix=fix)


def _build(folder: Path, facts: Mapping[str, Any], build: Callable[[Path], Mapping[str, Any]]) -> None:
    draft = folder.parent / f".{folder.name}.draft"
    # Only the holder of the lock gets here, so a draft that exists was left by a build that was killed.
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    try:
        manifest = {"facts": facts, **build(draft)}
        write_json(draft / "manifest.json", manifest)
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def write_json(path: Path, value: Any) -> None:
    """Write JSON and make sure it is on disk before the caller goes on."""
    with path.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=1, sort_keys=True)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a finished entry.

    Raises:
        DataError: there is none, or it cannot be read.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            "this is not a finished prepared dataset",
            where=str(folder),
            fix="run `medft prepare` and use the folder that it prints",
        ) from error
    return manifest
