"""First stage, the same for every model: what is asked about which image, and every distinct image rendered once."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from medft_bm.config.schema import Data, Part
from medft_bm.core.errors import DataError
from medft_bm.core.types import SPLITS, Sample
from medft_bm.prepare.arrow import hf_datasets
from medft_bm.prepare.cache import cached, write_json
from medft_bm.prepare.codec import dump
from medft_bm.prepare.images import render_all
from medft_bm.prepare.mix import select
from medft_bm.prepare.split import hide, read_split, split_samples
from medft_bm.progress import progress
from medft_bm.sources import load_source
from medft_bm.sources.base import Source
from medft_bm.tasks import load_task
from medft_bm.tasks.base import Task

log = logging.getLogger(__name__)

OnError: TypeAlias = Literal["raise", "skip"]
Skipped: TypeAlias = Counter[tuple[str, str]]
"""How often something was left out, by part and reason."""

UNUSABLE = "a file that cannot be used"
"""Reason kept on disk; the log says what is wrong with which file, and file names often hold the patient's."""


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
    """The cache entry with ``samples.jsonl``, ``images.arrow``, ``split.json`` and ``manifest.json``."""
    hf_datasets()  # a missing package should not be found out after an hour of reading
    asked = ask(data)
    return cached(data.cache, "samples", _facts(data, asked), lambda folder: _build(folder, data, asked))


def _facts(data: Data, asked: Sequence[Asked]) -> dict[str, Any]:
    given = read_split(data.split.file) if data.split.file else None
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
        "split_file": None if given is None else _digest(json.dumps(given, sort_keys=True)),
        "limits": [data.limit.model_dump(), data.limit_per_task.model_dump()],
        "seed": data.seed,
        "salt": _digest(data.salt),  # a secret, and the facts are written down
        "on_error": data.on_error,
    }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _files_digest(one: Asked) -> str:
    """Digest over name, size and modification time of every file that the source reads."""
    digest = hashlib.sha256()
    for path in one.source.files(one.root):
        try:
            facts = path.stat()
        except OSError as error:
            raise DataError(
                f"a file cannot be read: {error.strerror}",
                where=str(path),
                fix="fetch it again if it is a link to a file that is gone, or check its permissions",
            ) from error
        digest.update(f"{path.relative_to(one.root)}\x1f{facts.st_size}\x1f{facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _build(folder: Path, data: Data, asked: Sequence[Asked]) -> dict[str, Any]:
    skipped: Skipped = Counter()
    found = [sample for one in asked for sample in _index(one, data.on_error, skipped)]
    if not found:
        raise _nothing_found(asked, skipped)
    roots = {one.part.name: one.root for one in asked}
    _refuse_twins(found)
    _refuse_shared_images(found, roots)
    placed = split_samples(found, data.split, data.salt)
    chosen = select(placed, data)
    _warn_of_empty_splits(chosen)
    keys = [(roots[sample.source], sample.image) for sample in chosen]
    images = render_all(folder / "images.arrow", list(dict.fromkeys(keys)), data)
    kept = [(sample, images[key]) for sample, key in zip(chosen, keys, strict=True) if key in images]
    skipped.update((sample.source, UNUSABLE) for sample, key in zip(chosen, keys, strict=True) if key not in images)
    if not kept:
        raise _nothing_found(asked, skipped)
    _say(skipped)
    numbers = {one.part.name: number for number, one in enumerate(asked)}
    with (folder / "samples.jsonl").open("w", encoding="utf-8") as file:
        for sample, row in kept:
            file.write(f"{numbers[sample.source]}\t{row}\t{dump(_hide(sample, row, data.salt))}\n")
    write_json(folder / "split.json", {hide(sample.subject, data.salt): sample.split for sample in placed})
    return {
        "samples": len(kept),
        "images": len(images),
        "subjects": len({sample.subject for sample, _ in kept}),
        "skipped": [{"part": part, "why": why, "times": times} for (part, why), times in sorted(skipped.items())],
    }


def _nothing_found(asked: Sequence[Asked], skipped: Skipped) -> DataError:
    return DataError(
        "no sample was found" + "".join(f"; {why} ({times} times)" for (_, why), times in skipped.most_common(3)),
        where=", ".join(f"{one.part.name}: {one.root}" for one in asked),
        fix="check data.root and the options of the source; `medft sources` lists them",
    )


def _say(skipped: Skipped) -> None:
    for (part, why), times in sorted(skipped.items()):
        log.info("%s: left out %d: %s", part, times, why)


def _hide(sample: Sample, row: int, salt: str) -> Sample:
    """The sample without its subject's name and without its path, which often holds it."""
    return replace(sample, subject=hide(sample.subject, salt), image=replace(sample.image, path=f"image-{row}"))


def _index(one: Asked, on_error: OnError, skipped: Skipped) -> Iterator[Sample]:
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
            log.warning("%s: skipped %s: %s", one.part.name, error.where or unit, error.what)
            skip(unit, UNUSABLE)


def _refuse_twins(samples: Sequence[Sample]) -> None:
    twins = [uid for uid, count in Counter(sample.uid for sample in samples).items() if count > 1]
    if twins:
        twin = next(sample for sample in samples if sample.uid == twins[0])
        raise DataError(
            f"{len(twins)} questions are asked twice, such as {twin.task} about {twin.tags.get('label')}",
            where=f"{twin.source}: {twin.image.path}",
            fix="give parts different names, or merge the regions that share a label",
        )


def _refuse_shared_images(samples: Sequence[Sample], roots: Mapping[str, Path]) -> None:
    """One file under two subjects could be trained on under one name and tested on under the other."""
    owners: dict[Path, dict[str, str]] = {}
    for root, path, subject, source in dict.fromkeys(
        (roots[sample.source], sample.image.path, sample.subject, sample.source) for sample in samples
    ):
        owners.setdefault((root / path).resolve(), {}).setdefault(subject, source)
    for file, subjects in owners.items():
        if len(subjects) > 1:
            named = ", ".join(f"{subject!r} in {source}" for subject, source in subjects.items())
            raise DataError(
                f"one image belongs to {len(subjects)} subjects: {named}",
                where=str(file),
                fix="set the sources' option `subject` so that all parts call one patient the same",
            )


def _warn_of_empty_splits(samples: Sequence[Sample]) -> None:
    for name in dict.fromkeys(sample.source for sample in samples):
        have = {sample.split for sample in samples if sample.source == name}
        missing = [split for split in SPLITS if split not in have]
        if missing:
            log.warning("%s has no samples for %s; with few subjects try another data.split.seed", name, missing)


def read_samples(folder: Path) -> Iterator[tuple[int, int, str]]:
    """(part, row of the image, sample as JSON) of a finished cache entry, in order."""
    with (folder / "samples.jsonl").open(encoding="utf-8") as file:
        for line in file:
            part, image, sample = line.rstrip("\n").split("\t", 2)
            yield int(part), int(image), sample
