"""Folders named by the facts that made them: built once, under a lock, visible only when complete."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from medft_bm.core.errors import DataError

LAYOUT = 2
"""Raise when the layout of a cache entry or the rendering of an image changes; new entries are then built."""


def entry_folder(cache: Path, kind: str, facts: Mapping[str, Any]) -> Path:
    """Where the entry for these facts is, or will be.

    Args:
        cache: root of the cache.
        kind: sub-folder, such as ``samples``.
        facts: everything that can change a byte of the result; JSON data.
    """
    named = json.dumps({"layout": LAYOUT, **facts}, sort_keys=True)
    return cache / kind / hashlib.sha256(named.encode()).hexdigest()[:20]


def finished(folder: Path) -> bool:
    """Whether an entry is complete."""
    return (folder / "manifest.json").is_file()


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
    folder = entry_folder(cache, kind, facts)
    if finished(folder):
        return folder
    with storage_errors(cache, folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{folder.name}.lock"):
            if not finished(folder):
                _build(folder, {"layout": LAYOUT, **facts}, build)
    return folder


@contextmanager
def storage_errors(cache: Path, folder: Path) -> Iterator[None]:
    """Turn what the system says about files into one message.

    Args:
        cache: root of the cache.
        folder: what is written, where the system names no file.

    Raises:
        DataError: something cannot be read or written.
    """
    try:
        yield
    except OSError as error:
        where = Path(error.filename) if isinstance(error.filename, str) else folder
        if where.is_relative_to(cache) or cache.is_relative_to(where):
            what = "the cache cannot be written"
            fix = "free some space, or point data.cache at a folder that can be written"
        else:  # a build reads raw data, and phantoms write theirs
            what, fix = "a file cannot be read or written", "check that it is there, and its permissions"
        raise DataError(f"{what}: {error.strerror or error}", where=str(where), fix=fix) from error


def _build(folder: Path, facts: Mapping[str, Any], build: Callable[[Path], Mapping[str, Any]]) -> None:
    draft = folder.parent / f".{folder.name}.draft"
    # Only the holder of the lock gets here, so a draft that exists was left by a build that was killed.
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    try:
        manifest = {"facts": facts, **build(draft)}
        write_json(draft / "manifest.json", manifest)
        flush(draft)
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def flush(folder: Path) -> None:
    """Make sure that all of a folder is on disk: after a power failure its new name may be there before its content.

    Raises:
        OSError: some of it cannot be stored.
    """
    for path in (*folder.rglob("*"), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        except OSError:
            if not path.is_dir():  # some network file systems know this for files only
                raise
        finally:
            os.close(descriptor)


def write_json(path: Path, value: Any) -> None:
    """Write JSON and make sure it is on disk before the caller goes on."""
    with path.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)
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
