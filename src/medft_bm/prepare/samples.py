"""First stage, the same for every model: what is asked about which image, and every distinct image rendered once."""

from __future__ import annotations

import hashlib
import io
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal, TypeAlias

from PIL import Image

from medft_bm.config.schema import Data, Part
from medft_bm.core.errors import DataError
from medft_bm.core.types import SPLITS, ImageRef, Sample
from medft_bm.imaging.slices import render
from medft_bm.prepare.arrow import image_writer
from medft_bm.prepare.cache import cached, write_json
from medft_bm.prepare.codec import dump
from medft_bm.prepare.mix import select
from medft_bm.prepare.split import split_samples
from medft_bm.progress import progress
from medft_bm.sources import load_source
from medft_bm.sources.base import Source
from medft_bm.tasks import load_task
from medft_bm.tasks.base import Task

log = logging.getLogger(__name__)

OnError: TypeAlias = Literal["raise", "skip"]


@dataclass(frozen=True)
class Asked:
    """One part of the mix with its plug-ins ready."""

    part: Part
    task: Task
    source: Source
    root: Path


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


def prepare_samples(data: Data) -> Path:
    """The cache entry with ``samples.jsonl``, ``images.arrow``, ``split.json`` and ``skipped.json``."""
    asked = ask(data)
    return cached(data.cache, "samples", _facts(data, asked), lambda folder: _build(folder, data, asked))


def _facts(data: Data, asked: Sequence[Asked]) -> dict[str, Any]:
    listed = data.split.file
    return {
        "parts": [
            {
                "name": one.part.name,
                "task": [one.task.name, one.task.version, asdict(one.task)],  # type: ignore[call-overload]
                "source": [one.source.name, one.source.revision, asdict(one.source)],  # type: ignore[call-overload]
                "files": _files_digest(one),
            }
            for one in asked
        ],
        "split": [data.split.validation, data.split.test, data.split.seed],
        "split_file": hashlib.sha256(listed.read_bytes()).hexdigest() if listed and listed.is_file() else None,
        "limits": [data.limit.model_dump(), data.limit_per_task.model_dump()],
        "seed": data.seed,
        "salt": data.salt,
        "on_error": data.on_error,
    }


def _files_digest(one: Asked) -> str:
    """Digest over name, size and modification time of every file that the source reads."""
    digest = hashlib.sha256()
    for path in one.source.files(one.root):
        facts = path.stat()
        digest.update(f"{path.relative_to(one.root)}\x1f{facts.st_size}\x1f{facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _build(folder: Path, data: Data, asked: Sequence[Asked]) -> dict[str, Any]:
    skipped: Counter[tuple[str, str]] = Counter()
    found = [sample for one in asked for sample in _index(one, data.on_error, skipped)]
    if not found:
        raise DataError(
            "no sample was found" + "".join(f"; {why} ({n} times)" for (_, why), n in skipped.most_common(3)),
            where=", ".join(one.part.name for one in asked),
            fix="check data.root and the options of the source; `medft sources` lists them",
        )
    _refuse_twins(found)
    chosen = select(split_samples(found, data.split), data)
    _warn_of_empty_splits(chosen)
    roots = {one.part.name: one.root for one in asked}
    keys = [(roots[sample.source], sample.image) for sample in chosen]
    images = _render_all(folder / "images.arrow", list(dict.fromkeys(keys)), data.workers)
    private = [_hide(sample, images[key], data.salt) for sample, key in zip(chosen, keys, strict=True)]
    numbers = {one.part.name: number for number, one in enumerate(asked)}
    with (folder / "samples.jsonl").open("w", encoding="utf-8") as file:
        for sample, key in zip(private, keys, strict=True):
            file.write(f"{numbers[sample.source]}\t{images[key]}\t{dump(sample)}\n")
    splits = {sample.subject: sample.split for sample in private}
    write_json(folder / "split.json", splits)
    return {
        "samples": len(private),
        "images": len(images),
        "subjects": len(splits),
        "skipped": [{"part": part, "why": why, "times": times} for (part, why), times in sorted(skipped.items())],
    }


def _hide(sample: Sample, row: int, salt: str) -> Sample:
    """The sample without its subject's name and without its path, which often holds it."""
    return replace(sample, subject=hide(sample.subject, salt), image=replace(sample.image, path=f"image-{row}"))


def hide(subject: str, salt: str) -> str:
    """A name that says nothing about the patient, the same wherever the salt is the same."""
    return "s" + hashlib.sha256(f"{salt}\x1f{subject}".encode()).hexdigest()[:12]


def _index(one: Asked, on_error: OnError, skipped: Counter[tuple[str, str]]) -> Iterator[Sample]:
    """Every sample of one part; what is left out is counted by reason."""

    def skip(what: str, why: str) -> None:
        skipped[one.part.name, why] += 1
        log.debug("%s: left out %s: %s", one.part.name, what, why)

    units = one.source.units(one.root)
    for unit in progress(units, f"reading {one.part.name}", len(units)):
        try:
            for record in one.source.records_of(one.root, unit, skip):
                yield from one.task.samples(record, one.part.name, skip)
        except DataError as error:
            if on_error == "raise":
                raise
            log.warning("%s: skipped %s: %s", one.part.name, unit, error.what)
            skip(unit, error.what)


def _refuse_twins(samples: Sequence[Sample]) -> None:
    twins = [uid for uid, count in Counter(sample.uid for sample in samples).items() if count > 1]
    if twins:
        twin = next(sample for sample in samples if sample.uid == twins[0])
        raise DataError(
            f"{len(twins)} questions are asked twice, such as {twin.task} about {twin.tags.get('label')}",
            where=f"{twin.source}: {twin.image.path}",
            fix="give parts different names, or merge the regions that share a label",
        )


def _warn_of_empty_splits(samples: Sequence[Sample]) -> None:
    for name in dict.fromkeys(sample.source for sample in samples):
        have = {sample.split for sample in samples if sample.source == name}
        missing = [split for split in SPLITS if split not in have]
        if missing:
            log.warning("%s has no samples for %s; with few subjects try another data.split.seed", name, missing)


def _render_all(
    path: Path, distinct: Sequence[tuple[Path, ImageRef]], workers: int
) -> dict[tuple[Path, ImageRef], int]:
    """Render every distinct image into one Arrow file, volume by volume; returns the row of each."""
    by_file: dict[tuple[Path, str], list[ImageRef]] = {}
    for root, ref in distinct:
        by_file.setdefault((root, ref.path), []).append(ref)
    jobs = [(root, refs) for (root, _), refs in by_file.items()]
    rows: dict[tuple[Path, ImageRef], int] = {}
    with image_writer(path) as write:
        pictures = _run(jobs, workers)
        for (root, refs), encoded in zip(jobs, progress(pictures, "rendering", len(jobs)), strict=True):
            for ref, png in zip(refs, encoded, strict=True):
                rows[root, ref] = len(rows)
                write(png)
    return rows


def _run(jobs: Sequence[tuple[Path, list[ImageRef]]], workers: int) -> Iterator[list[bytes]]:
    if workers <= 1 or len(jobs) < 2:
        yield from map(render_pngs, jobs)
        return
    # Spawned, not forked: a fork in a process with threads (SimpleITK, torch) can deadlock.
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=get_context("spawn")) as pool:
        yield from pool.map(render_pngs, jobs, chunksize=4)


def render_pngs(job: tuple[Path, list[ImageRef]]) -> list[bytes]:
    """PNG bytes of every wanted image of one file; the file is read once."""
    root, refs = job
    encoded = []
    for array in render(root, refs):
        buffer = io.BytesIO()
        Image.fromarray(array).save(buffer, format="PNG", compress_level=1)
        encoded.append(buffer.getvalue())
    return encoded


def read_samples(folder: Path) -> Iterator[tuple[int, int, str]]:
    """(part, row of the image, sample as JSON) of a finished cache entry, in order."""
    with (folder / "samples.jsonl").open(encoding="utf-8") as file:
        for line in file:
            part, image, sample = line.rstrip("\n").split("\t", 2)
            yield int(part), int(image), sample
