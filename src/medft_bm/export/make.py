"""One export from beginning to end: a folder that appears whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.export.base import Export, Facts, Format
from medft_bm.export.draft import Draft
from medft_bm.prepare.cache import write_json
from medft_bm.train.folders import staged

MARK = "medft_export.json"
"""What the folder holds; by it we know a folder of ours again."""
LEFT_BEHIND = {"__pycache__"}
"""What readers of an export leave in it, and nobody misses."""


def make_export(export: Export, how: Format, out: Path) -> Facts:
    """Write an export; an older one of the same format gives way to it.

    Args:
        export: what is exported.
        how: the format.
        out: folder of the export.

    Returns:
        What :data:`MARK` says.

    Raises:
        ConfigError: the folder holds something else, or the format does not fit the model.
        DataError: nothing to export, a text that the format cannot hold, or the folder cannot be written.
    """
    how.require(export)
    require_ours(out, how.name)
    try:
        with staged(out) as folder:
            draft = Draft.of(folder, out.resolve().name, export, how)
            how.write(draft)
            about = _about(draft)
            write_json(folder / MARK, about)
            require_ours(out, how.name)  # somebody may have used it meanwhile
    except OSError as error:
        raise DataError(
            f"the export cannot be written: {error.strerror or error}",
            where=str(error.filename or out),
            fix="free some space, or give a folder that can be written as --out",
        ) from error
    return about


def require_ours(out: Path, name: str) -> None:
    """Whether a folder may be replaced: it is not there, empty, or an export of this format and nothing else.

    Raises:
        ConfigError: it holds something else.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise _occupied(out, "this is a file, not a folder")
    there = {path.name for path in out.iterdir()} - LEFT_BEHIND
    if not there:
        return
    try:
        about = json.loads((out / MARK).read_text(encoding="utf-8"))
        ours, known = about["format"] == name, set(about["files"])
    except (OSError, ValueError, KeyError, TypeError):
        raise _occupied(out, "the folder holds something else than an export") from None
    if not ours:
        raise _occupied(out, f"the folder holds an export for {about['format']}")
    if others := sorted(there - known):
        raise _occupied(out, f"{others[0]!r} in the folder is not part of the export that is there")


def _occupied(out: Path, what: str) -> ConfigError:
    return ConfigError(
        f"{what}, and would be lost", where=str(out), fix="give another folder as --out, or move it away"
    )


def _about(draft: Draft) -> Facts:
    prepared = draft.export.prepared
    return {
        "format": draft.format.name,
        "data": prepared.folder.name,
        "model": draft.export.config.model.name,
        "family": draft.export.family.name,
        "demo": draft.export.config.demo,
        "rows": dict(draft.rows),
        "images": int(draft.pictures.written.sum()),
        "parts": [
            {name: part[name] for name in ("name", "task", "task_options", "source")}
            for part in prepared.manifest["parts"]
        ],
        "files": sorted([MARK, *(path.name for path in draft.folder.iterdir())]),
    }
