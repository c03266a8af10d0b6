"""Folders: is there room, may they be written, is the data there?"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from medft_bm.doctor.finding import Finding, shown

if TYPE_CHECKING:
    from medft_bm.config.schema import Config

GIB = 2**30
NO_ROOM = GIB // 2
ROOM = {"cache": 5 * GIB, "run folder": 20 * GIB, "models of the Hub": 20 * GIB, "temporary files": GIB}
"""With less a warning; a run of a model of 4 billion weights holds checkpoints and a merged model of 9 GB."""
KEY = {
    "cache": "data.cache",
    "run folder": "run.folder",
    "models of the Hub": "HF_HOME",
    "temporary files": "TMPDIR",
}


def place_findings(config: Config | None, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Every folder that is written, and every folder of raw data.

    Args:
        config: whose folders they are; without one those that any config would use.
        environ: variables of this process.
    """
    places = {"models of the Hub": hub_cache(environ), "temporary files": Path(tempfile.gettempdir())}
    if config is not None:
        places = {"cache": config.data.cache, "run folder": config.run.folder, **places}
    yield from (writable(name, path) for name, path in places.items())
    if config is not None:
        yield from _data(config)


def hub_cache(environ: Mapping[str, str]) -> Path:
    """Where huggingface_hub keeps models, by its own rules.

    Args:
        environ: variables of this process.
    """
    if own := environ.get("HF_HUB_CACHE") or environ.get("HUGGINGFACE_HUB_CACHE"):
        return Path(own).expanduser()
    home = environ.get("HF_HOME") or f"{environ.get('XDG_CACHE_HOME') or '~/.cache'}/huggingface"
    return Path(home).expanduser() / "hub"


def writable(name: str, path: Path) -> Finding:
    """Whether files can be made there, and how many.

    Args:
        name: one of :data:`ROOM`.
        path: folder, which need not exist yet.
    """
    fix = f"set {KEY[name]} to a folder that can be written and has room"
    there = path
    while not there.exists() and there != there.parent:
        there = there.parent
    try:
        # Nothing else tells of read-only mounts, of quotas and of folders of others; the file never gets a name.
        with tempfile.TemporaryFile(dir=there):
            free = shutil.disk_usage(there).free
    except OSError as error:
        return Finding(name, "problem", f"{shown(path)} cannot be written: {error.strerror}", fix)
    found = f"{shown(path)}, {free / GIB:.1f} GiB free"
    if free < NO_ROOM:
        return Finding(name, "problem", found, f"free some space, or {fix}")
    few = free < ROOM[name]
    return Finding(name, "warning" if few else "ok", found, f"{ROOM[name] // GIB} GiB are safe: {fix}" if few else "")


def _data(config: Config) -> Iterator[Finding]:
    from medft_bm.sources import SOURCES

    for part in config.data.mix:
        if SOURCES.get(part.source).makes_its_data:
            continue
        root = config.data.root / (part.root or "")
        check, key = f"data of {part.name}", "data.root" if part.root is None else "data.root and the part's root"
        try:
            empty = next(root.iterdir(), None) is None
        except OSError as error:
            what = f"{shown(root)} cannot be read: {error.strerror}"
            yield Finding(check, "problem", what, f"mount it, or set {key} to the folder of raw data")
            continue
        found = f"{shown(root)}{' is empty' if empty else ''}"
        yield Finding(check, "problem" if empty else "ok", found, f"mount it, or set {key}" if empty else "")
