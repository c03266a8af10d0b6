"""Which subjects are for training, validation and testing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from medft_bm.config.schema import SplitRule
from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.types import SPLITS, Sample, Split


def unit_hash(*facts: object) -> float:
    """A number in [0, 1) that depends on these facts alone; adding other data never changes it."""
    digest = hashlib.sha256("\x1f".join(map(str, facts)).encode()).hexdigest()
    return int(digest[:13], 16) / 16**13


def hide(subject: str, salt: str) -> str:
    """A name that says nothing about the patient, the same wherever the salt is the same."""
    return "s" + hashlib.sha256(f"{salt}\x1f{subject}".encode()).hexdigest()[:12]


def split_samples(samples: Sequence[Sample], rule: SplitRule, salt: str = "") -> list[Sample]:
    """Give every sample the split of its subject.

    A split that the source states is kept. All other subjects are placed by a hash of their name, so all images of one
    patient, from any source, are in one split, and a new patient moves no other.

    Args:
        samples: with the names of their subjects as the sources state them.
        rule: shares, or a file that lists every subject, by its name or as a ``split.json`` hides it.
        salt: of the hidden names.

    Raises:
        DataError: a source states two splits for one subject, or ``rule.file`` does not know a subject.
        ConfigError: ``rule.file`` is no split file.
    """
    assigned: dict[str, Split] = {}
    for sample in samples:
        if sample.split and assigned.setdefault(sample.subject, sample.split) != sample.split:
            raise DataError(
                f"subject {sample.subject} is in {assigned[sample.subject]} and in {sample.split}",
                where=sample.source,
                fix="correct the official split; a patient must not straddle it",
            )
    given = read_split(rule.file) if rule.file else None
    for sample in samples:
        if sample.subject not in assigned:
            assigned[sample.subject] = _hashed(sample, rule) if given is None else _given(given, sample, rule, salt)
    return [replace(sample, split=assigned[sample.subject]) for sample in samples]


def _hashed(sample: Sample, rule: SplitRule) -> Split:
    place = unit_hash(rule.seed, sample.subject)
    if place < rule.test:
        return "test"
    return "validation" if place < rule.test + rule.validation else "train"


def _given(given: Mapping[str, Split], sample: Sample, rule: SplitRule, salt: str) -> Split:
    for name in (sample.subject, hide(sample.subject, salt)):
        if name in given:
            return given[name]
    raise DataError(
        f"subject {sample.subject} is not in the split file",
        where=str(rule.file),
        fix=f"add it, by this name or as {hide(sample.subject, salt)}, or drop data.split.file to split by hash",
    )


def read_split(path: Path) -> dict[str, Split]:
    """Subject to split, from a JSON file.

    Raises:
        ConfigError: it cannot be read, or is something else.
    """
    fix = "give a split.json that an earlier run wrote, or drop data.split.file to split by hash"
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"the split file cannot be read: {error}", where=str(path), fix=fix) from error
    if not isinstance(given, dict):
        what = f"the split file must map subjects to splits, got a {type(given).__name__}"
        raise ConfigError(what, where=str(path), fix=fix)
    wrong = sorted({str(split) for split in given.values()} - set(SPLITS))
    if wrong:
        raise ConfigError(f"unknown split {wrong[0]!r}", where=str(path), fix=f"use {', '.join(SPLITS)}")
    return dict(given)
