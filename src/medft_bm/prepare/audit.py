"""What to look at before a training is believed: subjects in two splits, classes and parts that are missing."""

from __future__ import annotations

import logging
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from medft_bm.core.errors import DataError
from medft_bm.core.types import SPLITS, Split
from medft_bm.prepare.copies import ImageFacts, audit_images
from medft_bm.prepare.entries import Entry
from medft_bm.prepare.findings import Finding

__all__ = ["Finding", "ImageFacts", "audit_entries", "audit_images", "raise_or_warn"]

log = logging.getLogger(__name__)

MOST_LINES = 10
"""Findings of one kind that are told one by one."""

MOST_UNEVEN = 10
"""Times that the most frequent label may outnumber the rarest one."""

FEW_SUBJECTS = 5
"""Held-out subjects below which an interval over patients says little."""


def audit_entries(
    entries: Sequence[Entry], splits: Sequence[Split], chosen: Sequence[int], roots: Sequence[Path]
) -> list[Finding]:
    """What can be seen before any pixel is read.

    Args:
        entries: all that were found.
        splits: of every entry.
        chosen: indices of those that are used, with repetitions.
        roots: folder of every part, by its number.
    """
    counts = Counter((entries[index].source, splits[index], entries[index].label) for index in chosen)
    return [
        *_straddling(entries, splits),
        *_shared_files(entries, roots),
        *_empty_splits(entries, splits, counts),
        *_labels(entries, counts),
        *_few_subjects(entries, splits, chosen),
    ]


def _straddling(entries: Sequence[Entry], splits: Sequence[Split]) -> Iterator[Finding]:
    subjects: dict[str, dict[Split, str]] = defaultdict(dict)
    groups: dict[str, dict[Split, str]] = defaultdict(dict)
    for subject, group, source, split in dict.fromkeys(
        (entry.subject, entry.group, entry.source, split) for entry, split in zip(entries, splits, strict=True)
    ):
        subjects[subject].setdefault(split, source)
        if group:
            groups[group].setdefault(split, source)
    fix = "give it one split in data.split.file or in the official split"
    for word, found in (("subject", subjects), ("group", groups)):
        hint = fix if word == "subject" else f"{fix}, or drop data.split.by"
        for name, seen in found.items():
            if len(seen) > 1:
                part = ", ".join(dict.fromkeys(seen.values()))
                yield Finding("error", f"{word}-in-two-splits", part, "", f"{word} {name} is in {_and(seen)}", hint)


def _and(splits: Iterable[Split]) -> str:
    return " and in ".join(sorted(splits, key=SPLITS.index))


def _shared_files(entries: Sequence[Entry], roots: Sequence[Path]) -> Iterator[Finding]:
    """One file under two subjects could be trained on under one name and tested on under the other."""
    owners: dict[tuple[str, int | None], dict[str, str]] = defaultdict(dict)
    folders: dict[str, str] = {}
    # A volume belongs to one subject with all its slices; what has a number but no axis is one image of many in a file.
    for part, path, row, subject, source in dict.fromkeys(
        (e.part, e.image.path, e.image.index if e.image.axis is None else None, e.subject, e.source) for e in entries
    ):
        owners[_real(str(roots[part] / path), folders), row].setdefault(subject, source)
    for (file, _), subjects in owners.items():
        if len(subjects) > 1:
            named = ", ".join(f"{subject!r} in {source}" for subject, source in subjects.items())
            yield Finding(
                "error",
                "file-of-two-subjects",
                ", ".join(dict.fromkeys(subjects.values())),
                file,
                f"one image belongs to {len(subjects)} subjects: {named}",
                "set the sources' option `subject` so that all parts call one patient the same",
            )


def _real(path: str, folders: dict[str, str]) -> str:
    """The path without symbolic links; each folder is looked up once."""
    folder, name = os.path.split(path)
    if folder not in folders:
        folders[folder] = os.path.realpath(folder)
    found = Path(folders[folder], name)
    return str(found.resolve() if found.is_symlink() else found)


def _empty_splits(
    entries: Sequence[Entry], splits: Sequence[Split], counts: Mapping[tuple[str, Split, str], int]
) -> Iterator[Finding]:
    placed = dict.fromkeys((entry.source, split) for entry, split in zip(entries, splits, strict=True))
    used = {(source, split) for source, split, _ in counts}
    if {split for _, split in placed} == {"test"}:
        return  # a benchmark, which nobody trains on
    for source in dict.fromkeys(source for source, _ in placed):
        for split in SPLITS:
            if (source, split) in used:
                continue
            if (source, split) in placed:
                fix = "the limits left none: raise them, unless that is meant"
            else:
                fix = "with few subjects try another data.split.seed, other shares, or data.split.stratify"
            yield Finding("warning", "empty-split", source, "", f"there are no samples for {split}", fix)


def _labels(entries: Sequence[Entry], counts: Mapping[tuple[str, Split, str], int]) -> Iterator[Finding]:
    known: dict[str, list[str]] = defaultdict(list)
    for source, label in dict.fromkeys((entry.source, entry.label) for entry in entries):
        known[source].append(label)
    for source, labels in known.items():
        for split in SPLITS:
            of_label = {label: counts[source, split, label] for label in labels if (source, split, label) in counts}
            if not of_label:
                continue
            missing = [label for label in labels if label not in of_label]
            if missing:
                what = f"there are no {split} samples of {_some(missing)}"
                fix = "set data.split.stratify or raise the limits; these scores cannot be read otherwise"
                yield Finding("warning", "empty-class", source, "", what, fix)
            few, many = (pick(of_label, key=of_label.__getitem__) for pick in (min, max))
            if split == "train" and of_label[many] > MOST_UNEVEN * of_label[few]:
                what = f"training has {of_label[many]} samples of {many} and {of_label[few]} of {few}"
                fix = "set `balance: true` on the part, or read the scores label by label"
                yield Finding("warning", "uneven-classes", source, "", what, fix)


def _some(names: Sequence[str]) -> str:
    more = len(names) - MOST_LINES
    return ", ".join(names[:MOST_LINES]) + (f" and {more} more" if more > 0 else "")


def _few_subjects(entries: Sequence[Entry], splits: Sequence[Split], chosen: Sequence[int]) -> Iterator[Finding]:
    subjects: dict[tuple[str, Split], set[str]] = defaultdict(set)
    for index in chosen:
        subjects[entries[index].source, splits[index]].add(entries[index].subject)
    for (source, split), found in subjects.items():
        if split != "train" and len(found) < FEW_SUBJECTS:
            what = f"{split} has {len(found)} subject{'s' * (len(found) > 1)}"
            fix = "hold out more: an interval over so few patients says little"
            yield Finding("warning", "few-subjects", source, "", what, fix)


def raise_or_warn(findings: Sequence[Finding]) -> None:
    """Log the warnings, at most ten lines of each kind, then stop at the errors.

    Raises:
        DataError: there are errors; it names the first of them.
    """
    kinds: Counter[str] = Counter()
    for finding in findings:
        kinds[finding.kind] += finding.level == "warning"
        if finding.level == "warning" and kinds[finding.kind] <= MOST_LINES:
            where = ": ".join(filter(None, (finding.part, finding.file)))
            log.warning("%s: %s; %s", where, finding.what, finding.fix)
    for kind, count in kinds.items():
        if count > MOST_LINES:
            log.warning("%d more warnings of the kind %s", count - MOST_LINES, kind)
    errors = [finding for finding in findings if finding.level == "error"]
    if errors:
        told = errors[:MOST_LINES]
        more = [f"and {len(errors) - len(told)} more"] * (len(errors) > len(told))
        raise DataError(
            "; ".join([*(error.what for error in told), *more]),
            where=", ".join(dict.fromkeys(error.file or error.part for error in told)),
            fix="; ".join(dict.fromkeys(error.fix for error in told)),
        )
