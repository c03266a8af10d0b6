"""Read all raw data of a mix to the last byte and say what is wrong with it, before anything is built from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from medft_bm.config.schema import Data, Prepare
from medft_bm.core.errors import DataError
from medft_bm.prepare.engine import engine
from medft_bm.prepare.findings import LEVELS, Finding, in_order, of_error
from medft_bm.prepare.fingerprint import fingerprint
from medft_bm.prepare.index import ask
from medft_bm.prepare.outliers import duplicates, part_findings
from medft_bm.prepare.reading import LabelCount, Reader, Reading, read_unit
from medft_bm.progress import progress


@dataclass(frozen=True)
class Report:
    """What was found in the raw data of a mix.

    Attributes:
        findings: the worst first. They name files and subjects and are for the eyes of the data's owner.
        parts: the fingerprint, one entry per part, which names neither.
        units: how many units were read.
    """

    findings: tuple[Finding, ...]
    parts: tuple[dict[str, Any], ...]
    units: int

    @property
    def counts(self) -> dict[str, int]:
        """Findings per level."""
        found = Counter(finding.level for finding in self.findings)
        return {level: found[level] for level in LEVELS}

    @property
    def ok(self) -> bool:
        """Whether there is no error among the findings."""
        return not self.counts["error"]

    def as_json(self) -> dict[str, Any]:
        """The whole report as JSON data."""
        return {
            "ok": self.ok,
            "units": self.units,
            "counts": self.counts,
            "findings": [asdict(finding) for finding in self.findings],
            "fingerprint": {"parts": list(self.parts)},
        }


def verify(data: Data, prepare: Prepare) -> Report:
    """Read every unit of every part whole; nothing is written to the cache.

    Args:
        data: the mix; its limits and its split do not matter here.
        prepare: how many processes read.

    Raises:
        ConfigError: an unknown task, source or option, or options that do not fit the files.
        MedftError: a worker process was killed.
    """
    readers, findings = _readers(data)
    jobs = [(reader, unit) for reader in readers for unit in _units(reader, findings)]
    with engine(prepare) as workers:
        readings = list(progress(workers.map(read_unit, jobs, large=True), "verifying", len(jobs)))
    read = [(reader, reading) for (reader, _), reading in zip(jobs, readings, strict=True)]
    parts: list[dict[str, Any]] = []
    for reader in readers:
        mine = [reading for other, reading in read if other is reader]
        labels = _labels(mine)
        findings += part_findings(reader, mine, labels)
        parts += fingerprint(reader, mine, labels)
    findings += [finding for reading in readings for finding in reading.findings]
    findings += duplicates(read)
    order = [part.name for part in data.mix]
    return Report(in_order(findings), tuple(sorted(parts, key=lambda facts: order.index(facts["part"]))), len(jobs))


def _units(reader: Reader, findings: list[Finding]) -> Sequence[str]:
    try:
        return reader.source.units(reader.root)
    except DataError as error:
        findings.append(of_error(error, reader.part, reader.root, str(reader.root)))
        return []


def _readers(data: Data) -> tuple[list[Reader], list[Finding]]:
    """Parts that read the same files the same way, together; and the parts whose folder is not there."""
    readers: list[Reader] = []
    findings = []
    for part in data.mix:
        try:
            (one,) = ask(data.model_copy(update={"mix": [part]}))
        except DataError as error:
            findings.append(of_error(error, part.name, data.root, ""))
            continue
        for index, reader in enumerate(readers):
            if (reader.source, reader.root) == (one.source, one.root):
                readers[index] = Reader({**reader.tasks, part.name: one.task}, one.source, one.root)
                break
        else:
            readers.append(Reader({part.name: one.task}, one.source, one.root))
    return readers, findings


def _labels(readings: Sequence[Reading]) -> dict[str, LabelCount]:
    labels: dict[str, LabelCount] = {}
    for reading in readings:
        for name, count in reading.labels.items():
            labels[name] = labels.get(name, LabelCount()).plus(count)
    return labels
