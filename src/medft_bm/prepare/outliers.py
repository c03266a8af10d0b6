"""What is odd about a part as a whole: files that do not fit the others, and files that are there twice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from medft_bm.prepare.findings import Finding
from medft_bm.prepare.reading import Image, LabelCount, Reader, Reading

FACTOR = 3.0
"""A voxel size or a number of voxels is an outlier when it is so many times the median of its part, or so many times
less, along any axis. Medians are those of logarithms."""
FEWEST = 3
"""Fewer files have no median to speak of."""


def part_findings(reader: Reader, readings: Sequence[Reading], labels: Mapping[str, LabelCount]) -> Iterator[Finding]:
    """Findings about all units of one reader together."""
    images = [image for reading in readings for image in reading.images]
    yield from _outliers(reader.part, images)
    yield from _orientations(reader.part, images)
    yield from _hounsfield(reader.part, images)
    for name, count in labels.items():
        if len(count.subjects) == 1:
            what = f"the label {name!r} is seen in one subject only"
            fix = "it can be trained on or tested, not both: add subjects, or leave the label out"
            yield Finding("warning", "single-subject", reader.part, "", what, fix)


def _outliers(part: str, images: Sequence[Image]) -> Iterator[Finding]:
    volumes = [image for image in images if image.pixels.orientation]
    pictures = [image for image in images if not image.pixels.orientation]
    fixes = {
        "spacing": "compare it with the scanner's export: every length in mm hangs on it",
        "shape": "check that this is the same kind of image as the others",
    }
    for group, axes in ((volumes, "right, anterior, superior"), (pictures, "y, x")):
        spacings = [(image, mm) for image in group if (mm := image.pixels.spacing_mm)]
        shapes = [(image, tuple(map(float, image.pixels.shape))) for image in group]
        for kind, named, unit, values in (
            ("spacing", "voxel size" if group is volumes else "pixel size", " mm", spacings),
            ("shape", "size", "", shapes),
        ):
            for image, mine, median in _far(values):
                what = f"the {named} is {_by(mine)}{unit} ({axes}), the median of the part {_by(median)}{unit}"
                yield Finding("warning", kind, part, image.path, what, fixes[kind])


def _far(
    values: Sequence[tuple[Image, tuple[float, ...]]],
) -> Iterator[tuple[Image, tuple[float, ...], tuple[float, ...]]]:
    """Each image more than :data:`FACTOR` away from the median on some axis, with its value and the median."""
    if len(values) < FEWEST:
        return
    logs = np.log([value for _, value in values])
    median = np.median(logs, axis=0)
    far = (np.abs(logs - median) > np.log(FACTOR)).any(axis=1)
    for index in np.flatnonzero(far).tolist():
        image, mine = values[index]
        yield image, mine, tuple(np.exp(median).tolist())


def _by(values: Sequence[float]) -> str:
    return " x ".join(f"{value:.4g}" for value in values)


def _orientations(part: str, images: Sequence[Image]) -> Iterator[Finding]:
    codes = Counter(image.pixels.orientation for image in images if image.pixels.orientation)
    if len(codes) > 1:
        listed = ", ".join(f"{code} ({count})" for code, count in codes.most_common())
        fix = "nothing: each slice is shown the right way up from its own header"
        yield Finding(
            "note", "orientation", part, "", f"the volumes are stored in {len(codes)} orientations: {listed}", fix
        )


def _hounsfield(part: str, images: Sequence[Image]) -> Iterator[Finding]:
    """Air is -1000 HU and surrounds every patient: a part without any negative value is no CT in HU."""
    shown = [image for image in images if image.window.startswith("ct_") and image.pixels.intensity]
    smallest = [image.pixels.intensity.minimum for image in shown if image.pixels.intensity]
    if smallest and min(smallest) >= 0:
        what = f"the window {shown[0].window!r} is for Hounsfield units, and no value of {len(shown)} files is below 0"
        fix = "check the rescale slope and intercept of the files, or choose the window 'percentile'"
        yield Finding("warning", "window", part, "", what, fix)


def duplicates(read: Sequence[tuple[Reader, Reading]]) -> Iterator[Finding]:
    """The same pixels under two names, or under two subjects who could then be on both sides of a split."""
    same: dict[str, list[tuple[Reader, Image]]] = defaultdict(list)
    for reader, reading in read:
        for image in reading.images:
            if not image.pixels.constant:
                same[image.pixels.digest].append((reader, image))
    for found in same.values():
        if len(found) > 1:
            yield from _duplicate(found)


def _duplicate(found: Sequence[tuple[Reader, Image]]) -> Iterator[Finding]:
    files: dict[Path, str] = {}
    for reader, image in found:
        files.setdefault((reader.root / image.path).resolve(), image.path)
    subjects = sorted({subject for _, image in found for subject in image.subjects})
    reader, first = found[0]
    others = [path for path in files.values() if path != first.path] or [first.path]
    shown = f"{', '.join(others[:3])}{' and others' if len(others) > 3 else ''}"
    if len(subjects) > 1:
        named = ", ".join(map(repr, subjects[:3]))
        what = f"the same pixels belong to {len(subjects)} subjects, {named}: see {shown}"
        fix = "keep one of them, or set `subject` so that one patient has one name: training must not see the test"
        yield Finding("error", "duplicate", reader.part, first.path, what, fix)
    elif len(files) > 1:
        what = f"the same pixels are in {len(files)} files of subject {subjects[0]!r}: see {shown}"
        yield Finding("warning", "duplicate", reader.part, first.path, what, "keep one of them")
