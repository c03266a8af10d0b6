"""Every sample of a mix, found unit by unit: no pixel is read that a header, a mask or a plan can answer."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from medft_bm.config.schema import Data, Part
from medft_bm.core.errors import DataError
from medft_bm.core.records import Record, Skip
from medft_bm.core.types import ImageRef
from medft_bm.prepare.engine import Engine
from medft_bm.prepare.entries import Entry, from_line, to_line
from medft_bm.prepare.shards import build_shards, shard_folder
from medft_bm.progress import progress
from medft_bm.sources import load_source
from medft_bm.sources.base import Planned, Source
from medft_bm.tasks import load_task
from medft_bm.tasks.base import Task

log = logging.getLogger(__name__)

UNITS_PER_SHARD = 1024
"""Raise ``LAYOUT`` in ``cache.py`` with it: shards that were left by a killed process would be cut otherwise."""
UNUSABLE = "a file that cannot be used"
"""Reason kept on disk; the log says what is wrong with which file, and file names often hold the patient's."""

Skipped: TypeAlias = Counter[tuple[str, str]]
"""How often something was left out, by part and reason."""


@dataclass(frozen=True)
class Asked:
    """One part of the mix with its plug-ins ready."""

    part: Part
    task: Task
    source: Source
    root: Path


class Found(NamedTuple):
    """What one unit holds.

    Attributes:
        lines: a sample each.
        left_out: (what, why).
        error: why the unit cannot be used.
    """

    lines: list[str]
    left_out: list[tuple[str, str]]
    error: DataError | None


Job: TypeAlias = tuple[Asked, str, str, Any]
"""A part, a unit of its source, the tag that groups are made by, and the unit's share of a :class:`Planned` source."""


def ask(data: Data) -> list[Asked]:
    """Load the plug-ins of every part.

    Raises:
        ConfigError: an unknown task, source or option.
        DataError: a part's folder does not exist.
    """
    asked = []
    for part in data.mix:
        source = load_source(part.source, part.source_options)
        root = data.root / part.root if part.root else data.root
        if not root.is_dir() and not source.makes_its_data:
            raise DataError(
                "the folder of raw data does not exist",
                where=f"{part.name}: {root}",
                fix="set data.root, or the part's root",
            )
        asked.append(Asked(part, load_task(part.task, part.task_options), source, root))
    return asked


class Watched(NamedTuple):
    """The files that a part reads: a digest over name, size and modification time of each, and their total size."""

    digest: str
    n_bytes: int


def watch(one: Asked) -> Watched:
    """What a part reads, without reading it.

    Raises:
        DataError: a file is gone.
    """
    digest, n_bytes = hashlib.sha256(), 0
    for path in one.source.files(one.root):
        try:
            facts = path.stat()
        except OSError as error:
            raise DataError(
                f"a file cannot be read: {error.strerror}",
                where=str(path),
                fix="fetch it again if it is a link to a file that is gone, or check its permissions",
            ) from error
        n_bytes += facts.st_size
        digest.update(f"{path.relative_to(one.root)}\x1f{facts.st_size}\x1f{facts.st_mtime_ns}\n".encode())
    return Watched(digest.hexdigest(), n_bytes)


def index(
    work: Path, asked: Sequence[Asked], data: Data, engine: Engine, *, large: bool
) -> tuple[list[Entry], Skipped]:
    """Every sample of every part, and what was left out.

    Args:
        work: folder of the shards, which other processes may be filling too.
        asked: the parts.
        data: for the rules on errors and groups.
        engine: does the work.
        large: whether the files are worth starting processes for.

    Raises:
        DataError: a file cannot be used, and ``data.on_error`` is not ``skip``.
    """
    shards = [
        (part, units[start : start + UNITS_PER_SHARD])
        for part, one in enumerate(asked)
        for units in [list(one.source.units(one.root))]
        for start in range(0, len(units), UNITS_PER_SHARD)
    ]

    def build(number: int, folder: Path) -> Iterator[None]:
        part, units = shards[number]
        jobs = _jobs(asked[part], units, data.split.by)
        return _shard(folder, jobs, engine, data, large)

    sizes = [len(units) for _, units in shards]
    for _ in progress(build_shards(work, sizes, build), "reading annotations", sum(sizes)):
        pass
    entries: list[Entry] = []
    skipped: Skipped = Counter()
    for number, (part, _) in enumerate(shards):
        _load(shard_folder(work, number), part, asked[part], entries, skipped)
    return entries, skipped


def _shard(folder: Path, jobs: Sequence[Job], engine: Engine, data: Data, large: bool) -> Iterator[None]:
    skipped: Counter[str] = Counter()
    name = jobs[0][0].part.name
    with (folder / "samples.txt").open("w", encoding="utf-8", newline="\n") as file:
        for (_, unit, *_), found in zip(jobs, engine.map(index_unit, jobs, large=large), strict=True):
            file.writelines(f"{line}\n" for line in found.lines)
            for what, why in found.left_out:
                skipped[why] += 1
                log.debug("%s: left out %s: %s", name, what, why)
            if found.error is not None:
                if data.on_error == "raise":
                    raise found.error
                log.warning("%s: skipped %s: %s", name, found.error.where or unit, found.error.what)
                skipped[UNUSABLE] += 1
            yield
    (folder / "skipped.json").write_text(json.dumps(skipped), encoding="utf-8")


def _jobs(one: Asked, units: Sequence[str], by: str) -> list[Job]:
    shares = one.source.shares(one.root, units) if isinstance(one.source, Planned) else [None] * len(units)
    return [(one, unit, by, share) for unit, share in zip(units, shares, strict=True)]


def _records(one: Asked, unit: str, share: Any, skip: Skip) -> Iterator[Record]:
    if isinstance(one.source, Planned):
        return one.source.records_from(share, one.root, unit, skip)
    return one.source.records_of(one.root, unit, skip)


def _load(folder: Path, part: int, one: Asked, entries: list[Entry], skipped: Skipped) -> None:
    images: dict[tuple[str, ...], ImageRef] = {}
    with (folder / "samples.txt").open(encoding="utf-8", newline="\n") as file:
        for line in file:
            entries.append(from_line(line[:-1], part, one.task.name, one.part.name, images))
    for why, times in json.loads((folder / "skipped.json").read_text(encoding="utf-8")).items():
        skipped[one.part.name, why] += times


def index_unit(job: Job) -> Found:
    """Every sample of one unit."""
    one, unit, by, share = job
    lines: list[str] = []
    left_out: list[tuple[str, str]] = []

    def skip(what: str, why: str) -> None:
        left_out.append((what, why))

    try:
        for record in _records(one, unit, share, skip):
            lines.extend(to_line(sample, by) for sample in one.task.samples(record, one.part.name, skip))
    except DataError as error:
        return Found([], left_out, error)
    return Found(lines, left_out, None)
