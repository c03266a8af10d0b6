"""A cache entry of samples on disk: ``samples.jsonl``, ``split.json`` and the images, without a name of anybody."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from medft_bm.core.types import SPLITS, Split, stable_uid
from medft_bm.prepare.cache import write_json
from medft_bm.prepare.codec import dump_sample
from medft_bm.prepare.entries import Entry
from medft_bm.prepare.findings import Finding
from medft_bm.prepare.index import Skipped
from medft_bm.prepare.split import hide

IMAGES = "images"
"""Folder of the image table in a cache entry."""

CARD = "README.md"
"""What is in the entry, in words and tables."""


class Kept(NamedTuple):
    """A sample that made it into the entry, and its row of the image table."""

    entry: Entry
    split: Split
    row: int


def write_samples(folder: Path, kept: Sequence[Kept], subjects: Mapping[str, Split], salt: str) -> dict[str, Any]:
    """Write the samples, in the order of the splits, and who is in which; returns what the manifest says of them."""
    names = {subject: hide(subject, salt) for subject in subjects}
    write_json(folder / "split.json", dict(sorted((names[subject], split) for subject, split in subjects.items())))
    ranges: dict[Split, list[int]] = {}
    end = 0
    with (folder / "samples.jsonl").open("wb") as lines:
        for entry, split, row in kept:  # in the order of SPLITS
            uid = stable_uid(salt, entry.uid) if salt else entry.uid
            text = dump_sample(entry, uid, names[entry.subject], split, row)
            start = end
            end += lines.write(f"{entry.part}\t{row}\t{text}\n".encode())
            ranges.setdefault(split, [start, end])[1] = end
    return {
        "samples": len(kept),
        "images": 1 + max(one.row for one in kept),
        "subjects": len({one.entry.subject for one in kept}),
        "ranges": ranges,
    }


def told(skipped: Skipped, findings: Sequence[Finding]) -> dict[str, Any]:
    """Counts only: a file or a subject is named in messages, never on disk."""
    return {
        "skipped": [{"part": part, "why": why, "times": times} for (part, why), times in sorted(skipped.items())],
        "findings": dict(sorted(Counter(finding.kind for finding in findings).items())),
    }


def link_all(files: Sequence[Path], folder: Path) -> None:
    """The same files in another folder, called ``00000.arrow`` and on."""
    folder.mkdir()
    for number, file in enumerate(files):
        link(file, folder / f"{number:05d}.arrow")


def link(source: Path, target: Path) -> None:
    """One copy on disk where the file system allows it, a second one where it does not."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def sample_ranges(folder: Path, ranges: Mapping[Split, Sequence[int]], size: int) -> Iterator[tuple[Split, int, int]]:
    """Pieces of ``samples.jsonl`` of about ``size`` bytes, whole lines each: split, first byte, byte after the last."""
    with (folder / "samples.jsonl").open("rb") as file:
        for split in SPLITS:
            start, end = ranges.get(split, (0, 0))
            while start < end:
                file.seek(min(start + size, end) - 1)
                file.readline()
                yield split, start, file.tell()
                start = file.tell()


def read_samples(folder: Path, start: int, end: int) -> Iterator[tuple[int, int, str]]:
    """(part, row of the image, sample as JSON) of the lines between two bytes of ``samples.jsonl``."""
    with (folder / "samples.jsonl").open("rb") as file:
        file.seek(start)
        for line in file.read(end - start).decode().split("\n")[:-1]:
            part, image, sample = line.split("\t", 2)
            yield int(part), int(image), sample
