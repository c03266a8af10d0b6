"""Folders and files that appear whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medft_bm.prepare.cache import write_json


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """An empty sibling to fill; renamed to ``folder`` at the end, removed when anything fails.

    What was at ``folder`` before stays until the new one is complete.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    # mkdtemp makes it private to the user; a model folder should be as readable as its neighbours.
    draft.chmod(folder.parent.stat().st_mode & 0o777)
    try:
        yield draft
        publish(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def publish(draft: Path, folder: Path) -> None:
    """Rename a finished sibling to its final name; an older folder of that name gives way."""
    old = draft.with_name(f"{draft.name}-old")
    shutil.rmtree(old, ignore_errors=True)  # of a process that was killed right here
    if folder.exists():
        folder.rename(old)
    draft.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def replace_json(path: Path, value: Any) -> None:
    """Replace a file by JSON; a reader sees the old or the new, never a part."""
    draft = path.with_name(f".{path.name}-writing")
    write_json(draft, value)
    draft.replace(path)
