"""First stage, the same for every model: what is asked about which image, and every distinct image rendered once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medft_bm.config.schema import Data
from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.types import Split
from medft_bm.prepare.arrow import hf_datasets
from medft_bm.prepare.audit import audit_entries, raise_or_warn
from medft_bm.prepare.cache import cached, entry_folder, finished, storage_errors
from medft_bm.prepare.card import card
from medft_bm.prepare.copies import ImageFacts, audit_images
from medft_bm.prepare.counts import Counts, count, summary
from medft_bm.prepare.engine import Engine
from medft_bm.prepare.entries import Entry
from medft_bm.prepare.findings import Finding
from medft_bm.prepare.images import Gallery, render_all
from medft_bm.prepare.index import UNUSABLE, Asked, Skipped, Watched, ask, index, watch
from medft_bm.prepare.mix import select
from medft_bm.prepare.shards import discard, presence
from medft_bm.prepare.split import place, read_split
from medft_bm.prepare.stored import CARD, IMAGES, Kept, link_all, told, write_samples

WORTH_PROCESSES = 32 << 20
"""Bytes of raw files from which on starting worker processes is repaid."""


def prepare_samples(data: Data, engine: Engine) -> Path:
    """The cache entry with ``samples.jsonl``, ``images/``, ``split.json`` and ``manifest.json``.

    Several processes, on one machine or many, may prepare the same thing at the same time: they share the work.
    """
    asked = ask(data)
    watched = [watch(one) for one in asked]
    facts = samples_facts(data, asked, watched)
    folder = entry_folder(data.cache, "samples", facts)
    work = data.cache / "shards" / folder.name
    if not finished(folder):
        hf_datasets()  # a missing package should not be found out after an hour of reading
        try:
            with storage_errors(data.cache, work):
                large = sum(files.n_bytes for files in watched) > WORTH_PROCESSES
                _prepare(work, facts, data, asked, engine, large)
        except DataError:
            if not finished(folder):  # by another process, which then took the work away
                raise
    discard(work)
    return folder


def samples_facts(data: Data, asked: Sequence[Asked], watched: Sequence[Watched]) -> dict[str, Any]:
    """Everything that can change a byte of what :func:`prepare_samples` makes."""
    given = read_split(data.split.file) if data.split.file else None
    return {
        "parts": [
            {
                "name": one.part.name,
                "task": [one.task.name, one.task.version, asdict(one.task)],  # type: ignore[call-overload]
                "source": [one.source.name, one.source.revision, asdict(one.source)],  # type: ignore[call-overload]
                "files": files.digest,
                "limit": one.part.limit.model_dump(),
                "balance": one.part.balance,
            }
            for one, files in zip(asked, watched, strict=True)
        ],
        "split": data.split.model_dump(exclude={"file"}),
        "split_file": None if given is None else _digest(json.dumps(given, sort_keys=True)),
        "limits": [limits.model_dump() for limits in (data.limit, data.limit_per_task, data.limit_per_source)],
        "mixing": data.mixing.model_dump(),
        "seed": data.seed,
        "salt": _digest(data.salt),  # a secret, and the facts are written down
        "on_error": data.on_error,
    }


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _prepare(
    work: Path,
    facts: Mapping[str, Any],
    data: Data,
    asked: Sequence[Asked],
    engine: Engine,
    large: bool,
) -> None:
    try:
        with presence(work):
            if finished(entry_folder(data.cache, "samples", facts)):  # by another process, a moment ago
                return
            write = _made(work, data, asked, engine, large)
    except (ConfigError, DataError):
        discard(work)  # another config or state of the files will have another name; others here meet the same file
        raise
    cached(data.cache, "samples", facts, write)


def _made(
    work: Path, data: Data, asked: Sequence[Asked], engine: Engine, large: bool
) -> Callable[[Path], dict[str, Any]]:
    """Do all the work; what comes back writes the entry."""
    found, skipped = index(work / "index", asked, data, engine, large=large)
    if not found:
        raise _nothing_found(asked, skipped)
    splits, chosen, findings = _choose(found, data, asked)
    keys = [(asked[found[i].part].root, found[i].image) for i in chosen]
    distinct = list(dict.fromkeys(keys))
    gallery = render_all(work / IMAGES, distinct, engine, skip_bad=data.on_error == "skip", large=large)
    kept = []
    for i, key in zip(chosen, keys, strict=True):
        if key in gallery.rows:
            kept.append(Kept(found[i], splits[i], gallery.rows[key]))
        else:
            skipped[found[i].source, UNUSABLE] += 1
    if not kept:
        raise _nothing_found(asked, skipped)
    seen = audit_images(gallery.thumbnails, _image_facts(kept, asked, gallery))
    raise_or_warn(seen)

    def write(draft: Path) -> dict[str, Any]:
        link_all(gallery.files, draft / IMAGES)
        subjects = dict(zip((entry.subject for entry in found), splits, strict=True))
        about = {**write_samples(draft, kept, subjects, data.salt), **told(skipped, [*findings, *seen])}
        counts = count(len(asked), kept)
        about |= {"parts": _parts(data, counts), "summary": summary(data.mix, counts)}
        (draft / CARD).write_text(card(about, counts), encoding="utf-8")
        return about

    return write


def _parts(data: Data, counts: Sequence[Counts]) -> list[dict[str, Any]]:
    return [
        {
            "name": part.name,
            "task": part.task,
            "task_options": part.task_options,
            "source": part.source,
            "labels": sorted(here.labels),
            "datasets": sorted(here.datasets),
        }
        for part, here in zip(data.mix, counts, strict=True)
    ]


def _choose(found: Sequence[Entry], data: Data, asked: Sequence[Asked]) -> tuple[list[Split], list[int], list[Finding]]:
    """The split of every entry, the indices of those that are used, and what is odd about the choice."""
    _refuse_twins(found)
    splits = place(found, data.split, data.salt)
    chosen = select(found, splits, data)
    findings = audit_entries(found, splits, chosen, [one.root for one in asked])
    raise_or_warn(findings)
    return splits, chosen, findings


def _image_facts(kept: Sequence[Kept], asked: Sequence[Asked], gallery: Gallery) -> list[ImageFacts]:
    by_row = {one.row: one for one in kept}
    facts = []
    for row, digest in enumerate(gallery.digests):
        entry, split, _ = by_row[row]
        path = f"{asked[entry.part].root}/{entry.image.path}"
        facts.append(ImageFacts(entry.subject, split, path, digest.tobytes()))
    return facts


def _nothing_found(asked: Sequence[Asked], skipped: Skipped) -> DataError:
    return DataError(
        "no sample was found" + "".join(f"; {why} ({times} times)" for (_, why), times in skipped.most_common(3)),
        where=", ".join(f"{one.part.name}: {one.root}" for one in asked),
        fix="check data.root and the options of the source; `medft sources` lists them",
    )


def _refuse_twins(entries: Sequence[Entry]) -> None:
    seen: set[str] = set()
    for entry in entries:
        if entry.uid in seen:
            raise DataError(
                f"a question is asked twice: {entry.task} about {entry.label}",
                where=f"{entry.source}: {entry.image.path}",
                fix="give parts different names, or merge the regions that share a label",
            )
        seen.add(entry.uid)
