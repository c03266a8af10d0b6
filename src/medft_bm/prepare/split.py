"""Which subjects are for training, validation and testing."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

from medft_bm.config.schema import SplitRule
from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.types import SPLITS, Split
from medft_bm.prepare.entries import Entry

log = logging.getLogger(__name__)

Strata: TypeAlias = Mapping[str, tuple[str, str]]
"""Part and label that stand for each unit."""

ROUNDING = 6
"""Digits after which two remainders are the same: shares such as 0.1 are not exact in binary."""


class Fact(NamedTuple):
    """What an entry says about its subject; millions of entries share a few of these."""

    part: int
    source: str
    subject: str
    split: Split | None
    group: str


def unit_hash(*facts: object) -> float:
    """A number in [0, 1) that depends on these facts alone; adding other data never changes it."""
    digest = hashlib.sha256("\x1f".join(map(str, facts)).encode()).hexdigest()
    return int(digest[:13], 16) / 16**13


def hide(subject: str, salt: str) -> str:
    """A name that says nothing about the patient, the same wherever the salt is the same."""
    return "s" + hashlib.sha256(f"{salt}\x1f{subject}".encode()).hexdigest()[:12]


def place(entries: Sequence[Entry], rule: SplitRule, salt: str = "") -> list[Split]:
    """The split of every entry, which is that of its subject.

    What is placed as a whole is a unit: a subject, or with ``rule.by`` everything that is connected through shared
    subjects and shared values of that tag. Official splits are kept; a source without an official validation split
    gives a share of its training units to it. All other units are placed by a hash of their name, so that a new unit
    moves no other, or with ``rule.stratify`` by exact quotas of every label. ``rule.file`` wins over all of this.

    Args:
        entries: with the names of their subjects as the sources state them; a name means one patient in all sources.
        rule: shares or folds, or a file that lists every subject, by its name or as a ``split.json`` hides it.
        salt: of the hidden names.

    Returns:
        One split per entry, in their order.

    Raises:
        DataError: official splits cut a unit, an entry lacks the tag ``rule.by``, or ``rule.file`` does not know a
            subject.
        ConfigError: ``rule.file`` is no split file, or there is nothing that folds could cut.
    """
    facts = list(dict.fromkeys(Fact(e.part, e.source, e.subject, e.split, e.group) for e in entries))
    if rule.file:
        assigned = _given(read_split(rule.file), facts, rule.file, salt)
    else:
        units = _units(facts, rule.by)
        placed = _placed(facts, units, rule, _strata(entries, units) if rule.stratify else None)
        assigned = {subject: placed[unit] for subject, unit in units.items()}
    return [assigned[entry.subject] for entry in entries]


def _units(facts: Sequence[Fact], by: str) -> dict[str, str]:
    """Subject to the name of its unit: itself, or the smallest tag value that it is connected with.

    The name is no subject's: a new patient at an old site must not rename the site.
    """
    if by == "subject":
        return {fact.subject: fact.subject for fact in facts}
    parent: dict[str, str] = {}

    def root(value: str) -> str:
        while parent.setdefault(value, value) != value:
            parent[value] = value = parent[parent[value]]
        return value

    first: dict[str, str] = {}
    for fact in facts:
        if not fact.group:
            raise DataError(
                f"subject {fact.subject} has no tag {by!r}, and data.split.by keeps its values apart",
                where=fact.source,
                fix="set the source's option that fills this tag, or split by subject",
            )
        one, two = root(first.setdefault(fact.subject, fact.group)), root(fact.group)
        parent[max(one, two)] = min(one, two)
    return {subject: root(group) for subject, group in first.items()}


def _strata(entries: Sequence[Entry], units: Mapping[str, str]) -> Strata:
    """The rarest label of every unit, part by part: the common ones spread by themselves, the rare ones run out."""
    labels: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for subject, *label in dict.fromkeys((entry.subject, entry.source, entry.label) for entry in entries):
        labels[units[subject]].add((label[0], label[1]))
    units_with = Counter(label for found in labels.values() for label in found)
    return {unit: min(found, key=lambda label: (units_with[label], label)) for unit, found in labels.items()}


def _placed(
    facts: Sequence[Fact], units: Mapping[str, str], rule: SplitRule, strata: Strata | None
) -> dict[str, Split]:
    official = _official(facts, units, rule.by)
    free = sorted(set(units.values()) - official.keys())
    made: dict[str, Split] = {**dict.fromkeys(free, "train"), **official}
    if rule.folds is None:
        made |= _draw(free, {"test": rule.test, "validation": rule.validation}, (rule.seed,), strata)
    else:
        tested = _fold(free, rule, rule.folds, strata, len(official))
        rest = [unit for unit in free if unit not in tested]
        share = rule.validation / (1 - 1 / rule.folds)
        made |= dict.fromkeys(tested, "test")
        made |= _draw(rest, {"validation": share}, (rule.seed, "validation"), strata)
    spare = _without_validation(facts, units, official)
    return made | _draw(spare, {"validation": rule.validation}, (rule.seed, "validation"), strata)


def _official(facts: Sequence[Fact], units: Mapping[str, str], by: str) -> dict[str, Split]:
    official: dict[str, Split] = {}
    for fact in facts:
        unit = units[fact.subject]
        if fact.split and official.setdefault(unit, fact.split) != fact.split:
            cut = "correct the official split; a patient must not straddle it"
            raise DataError(
                f"{by} {unit} is in {official[unit]} and in {fact.split}",
                where=fact.source,
                fix=cut if by == "subject" else f"drop data.split.by: the official split cuts this {by}",
            )
    return official


def _without_validation(facts: Sequence[Fact], units: Mapping[str, str], official: Mapping[str, Split]) -> list[str]:
    """Official training units of which no part says that it has a validation split of its own."""
    complete = {fact.part for fact in facts if fact.split == "validation"}
    kept = {units[fact.subject] for fact in facts if fact.split and fact.part in complete}
    return [unit for unit, split in official.items() if split == "train" and unit not in kept]


def _fold(units: Sequence[str], rule: SplitRule, folds: int, strata: Strata | None, official: int) -> set[str]:
    """The units that fold ``rule.fold`` tests."""
    if not units:
        raise ConfigError(
            "every subject has an official split, so that all folds would be the same",
            where="data.split.folds",
            fix="drop it, or turn the official split off in the options of the source",
        )
    if official:
        log.warning("folds leave %d of %d subjects in their official split", official, official + len(units))

    def hashed(unit: str) -> float:
        return unit_hash(rule.seed, unit)

    if strata is None:
        return {unit for unit in units if int(hashed(unit) * folds) == rule.fold}
    # One count over all strata: were it to start anew in each, fold 0 would get every odd one out.
    ranked = sorted(units, key=lambda unit: (strata[unit], hashed(unit), unit))
    return set(ranked[rule.fold :: folds])


def _draw(
    units: Collection[str], shares: Mapping[Split, float], salt: tuple[object, ...], strata: Strata | None
) -> dict[str, Split]:
    """The units that are held out; the others are not named.

    Args:
        units: names.
        shares: of every split that holds out, of all units.
        salt: facts that are hashed with the name.
        strata: exact quotas for each of these; ``None``: by hash alone, so that shares come out only nearly.
    """

    def hashed(unit: str) -> float:
        return unit_hash(*salt, unit)

    wanted = {split: share for split, share in shares.items() if share > 0}
    if strata is not None:
        return _by_quota(units, wanted, hashed, strata)
    made: dict[str, Split] = {}
    for unit in units:
        below, value = 0.0, hashed(unit)
        for split, share in wanted.items():
            below += share
            if value < below:
                made[unit] = split
                break
    return made


def _by_quota(
    units: Collection[str], shares: Mapping[Split, float], hashed: Callable[[str], float], strata: Strata
) -> dict[str, Split]:
    parts = [*shares.values(), 1 - sum(shares.values())]
    members: dict[tuple[str, str], list[str]] = defaultdict(list)
    for unit in sorted(units, key=lambda unit: (hashed(unit), unit)):
        members[strata[unit]].append(unit)
    large = {stratum: found for stratum, found in members.items() if apportion(len(found), parts)[0]}
    # Labels of one or two units each would all go to training: together they are enough to hold some out.
    small = [unit for stratum, found in sorted(members.items()) if stratum not in large for unit in found]
    made: dict[str, Split] = {}
    for found in [*large.values(), sorted(small, key=lambda unit: (hashed(unit), unit))]:
        start = 0
        for split, count in zip(shares, apportion(len(found), parts), strict=False):
            made |= dict.fromkeys(found[start : start + count], split)
            start += count
    return made


def apportion(total: int, shares: Sequence[float]) -> list[int]:
    """Whole numbers in these shares that add up to the total.

    Every share is rounded down or up; the largest remainders go up, the earlier of two equal ones first.

    Args:
        total: to be shared out.
        shares: that add up to 1.
    """
    exact = [total * share for share in shares]
    counts = [math.floor(value + 10**-ROUNDING) for value in exact]
    remainders = [round(value - count, ROUNDING) for value, count in zip(exact, counts, strict=True)]
    up = sorted(range(len(shares)), key=lambda number: (-remainders[number], number))
    for number in up[: total - sum(counts)]:
        counts[number] += 1
    return counts


def _given(given: Mapping[str, Split], facts: Sequence[Fact], path: Path, salt: str) -> dict[str, Split]:
    """Every subject's split as the file has it, under its own name or its hidden one."""
    assigned: dict[str, Split] = {}
    for subject in dict.fromkeys(fact.subject for fact in facts):
        name = subject if subject in given else hide(subject, salt)
        if name not in given:
            raise DataError(
                f"subject {subject} is not in the split file",
                where=str(path),
                fix=f"add it, by this name or as {name}, or drop data.split.file to split by hash",
            )
        assigned[subject] = given[name]
    return assigned


def _listed_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    twice = [name for name, times in Counter(name for name, _ in pairs).items() if times > 1]
    if twice:
        raise ValueError(f"subject {twice[0]} is listed twice")
    return dict(pairs)


def read_split(path: Path) -> dict[str, Split]:
    """Subject to split, from a JSON file.

    Raises:
        ConfigError: it cannot be read, or is something else.
    """
    fix = "give a split.json that an earlier run wrote, or drop data.split.file to split by hash"
    try:
        given = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_listed_once)
    except (OSError, ValueError) as error:
        raise ConfigError(f"the split file cannot be read: {error}", where=str(path), fix=fix) from error
    if not isinstance(given, dict):
        what = f"the split file must map subjects to splits, got a {type(given).__name__}"
        raise ConfigError(what, where=str(path), fix=fix)
    wrong = sorted({str(split) for split in given.values()} - set(SPLITS))
    if wrong:
        raise ConfigError(f"unknown split {wrong[0]!r}", where=str(path), fix=f"use {', '.join(SPLITS)}")
    return dict(given)
