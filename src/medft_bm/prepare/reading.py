"""What one unit of raw data holds when all of it is read: counts, statistics of its pixels, and what is wrong."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medft_bm.core.errors import DataError
from medft_bm.core.records import AxesLabel, BoxLabel, ClassLabel, Landmarks, Record, Region
from medft_bm.prepare.findings import Finding, of_error
from medft_bm.prepare.pixels import Pixels, check_image
from medft_bm.sources.base import Source
from medft_bm.tasks.base import Task

TAGS = ("modality", "anatomy", "plane")
"""Tags that are counted; others may say who the patient is."""


@dataclass(frozen=True)
class Reader:
    """Parts of a mix that ask about one source: its files are read once for all of them.

    Attributes:
        tasks: by name of the part.
        source: that reads.
        root: folder of the raw data.
    """

    tasks: Mapping[str, Task]
    source: Source
    root: Path

    @property
    def part(self) -> str:
        """The names of all parts."""
        return " + ".join(self.tasks)


@dataclass(frozen=True, slots=True)
class LabelCount:
    """How often one label is seen.

    Attributes:
        records: 2-D images that show it.
        pixels: of all its masks; 0 for classes and points.
        subjects: who has it.
    """

    records: int = 0
    pixels: int = 0
    subjects: frozenset[str] = frozenset()

    def plus(self, other: LabelCount) -> LabelCount:
        """Both together."""
        return LabelCount(self.records + other.records, self.pixels + other.pixels, self.subjects | other.subjects)


@dataclass(frozen=True, slots=True)
class Image:
    """One file whose pixels records refer to.

    Attributes:
        path: relative to the root.
        subjects: whose it is.
        window: that it is shown in.
        pixels: statistics of all of it.
    """

    path: str
    subjects: tuple[str, ...]
    window: str
    pixels: Pixels


@dataclass(frozen=True)
class Reading:
    """Everything one unit says.

    Attributes:
        findings: about this unit alone.
        records: how many 2-D images are annotated.
        labels: by name.
        samples: questions by part.
        left_out: times by part and reason.
        tags: images by name and value of the tag.
        images: the files that were read.
    """

    findings: tuple[Finding, ...]
    records: int
    labels: Mapping[str, LabelCount]
    samples: Mapping[str, int]
    left_out: Mapping[tuple[str, str], int]
    tags: Mapping[tuple[str, str], int]
    images: tuple[Image, ...]


@dataclass
class _Tally:
    """Grows record by record: the masks of all slices together can be larger than memory."""

    records: int = 0
    labels: dict[str, LabelCount] = field(default_factory=dict)
    samples: Counter[str] = field(default_factory=Counter)
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    tags: Counter[tuple[str, str]] = field(default_factory=Counter)
    seen: dict[str, list[Record]] = field(default_factory=lambda: defaultdict(list))

    def add(self, record: Record) -> None:
        self.records += 1
        for label, pixels in _labels(record).items():
            count = LabelCount(1, pixels, frozenset((record.subject,)))
            self.labels[label] = self.labels.get(label, LabelCount()).plus(count)
        self.tags.update((name, record.tags[name]) for name in TAGS if name in record.tags)
        bare = Record(record.subject, record.image, record.size, record.spacing, ())
        self.seen[record.image.path].append(bare)


def read_unit(job: tuple[Reader, str]) -> Reading:
    """Read one unit to its last byte; whatever is wrong becomes a finding and the reading goes on."""
    reader, unit = job
    tally, findings = _Tally(), list[Finding]()

    def skip(what: str, why: str) -> None:
        fix = "nothing, if this is meant; else correct the file or the options of the source"
        findings.append(Finding("warning", "left-out", reader.part, what, why, fix))
        tally.left_out.update((name, why) for name in reader.tasks)

    try:
        for record in reader.source.records_of(reader.root, unit, skip):
            tally.add(record)
            findings += _ask(reader, record, tally)
    except DataError as error:
        findings.append(of_error(error, reader.part, reader.root, unit))
    images = []
    for records in tally.seen.values():
        image, odd = _image(reader, records)
        images += [] if image is None else [image]
        findings += odd
    return Reading(
        tuple(dict.fromkeys(findings)),
        tally.records,
        tally.labels,
        tally.samples,
        tally.left_out,
        tally.tags,
        tuple(images),
    )


def _ask(reader: Reader, record: Record, tally: _Tally) -> Iterator[Finding]:
    """Count the questions of every part that reads this record."""
    for name, task in reader.tasks.items():

        def skip(what: str, why: str, name: str = name) -> None:
            tally.left_out[name, why] += 1

        try:
            tally.samples[name] += sum(1 for _ in task.samples(record, name, skip))
        except DataError as error:
            yield of_error(error, name, reader.root, record.image.path)


def _image(reader: Reader, records: Sequence[Record]) -> tuple[Image | None, list[Finding]]:
    """One file, read whole, from all records that refer to it."""
    path, window = records[0].image.path, records[0].image.window
    try:
        pixels, odd = check_image(reader.root, [record.image for record in records], records[0].spacing)
    except DataError as error:
        return None, [of_error(error, reader.part, reader.root, path)]
    subjects = tuple(sorted({record.subject for record in records}))
    found = [Finding(level, kind, reader.part, path, what, fix) for level, kind, what, fix in odd]
    return Image(path, subjects, window, pixels), found


def _labels(record: Record) -> Counter[str]:
    """Every label of a record with the number of its pixels."""
    found: Counter[str] = Counter()
    for annotation in record.annotations:
        match annotation:
            case Region(label, mask):
                found[label] += int(mask.sum())
            case BoxLabel(label) | AxesLabel(label):
                found[label] += 0
            case ClassLabel(number, classes):
                known = 0 <= number < len(classes)  # if not, the task says so
                found[classes[number] if known else f"class {number}"] += 0
            case Landmarks(points):
                found.update(dict.fromkeys(points, 0))
    return found
