"""Which weights a folder holds, by the bytes in it, wherever the folder is."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

MERGE_REPORT = "merge_report.json"
"""Beside a merged model: how well the merge went, and what of."""
ABOUT = frozenset(("gate.json", "README.md", MERGE_REPORT))
"""Files that say something of a model and are no part of it."""


def digest_of(folder: Path) -> str:
    """16 hex digits over the names and every byte of the files that make up a model."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in ABOUT):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()[:16]


def weights_in(folder: Path, digest: str = "") -> list[str]:
    """Digests of all weights that an evaluation of this folder speaks for.

    They are the folder itself and, where it was merged and nothing in it has changed since, the adapter that it was
    made of: the merge has shown that both say the same.

    Args:
        folder: of an adapter or a model.
        digest: of the folder, where it is known already.
    """
    own = digest or digest_of(folder)
    try:
        made = json.loads((folder / MERGE_REPORT).read_text(encoding="utf-8"))
        return [own, made["adapter"]] if made["model"] == own else [own]
    except (OSError, ValueError, KeyError, TypeError):
        return [own]
