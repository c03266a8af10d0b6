"""What a part looks like in numbers, with no name of a subject or a file in it: it may be published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from medft_bm.prepare.reading import Image, LabelCount, Reader, Reading

Facts = dict[str, Any]


def fingerprint(reader: Reader, readings: Sequence[Reading], labels: Mapping[str, LabelCount]) -> list[Facts]:
    """Statistics of every part of one reader, as JSON data.

    Args:
        reader: the parts.
        readings: of every unit.
        labels: of all readings together.
    """
    shared = _shared(readings, labels)
    return [
        {
            "part": part,
            "task": task.name,
            "source": reader.source.name,
            "samples": sum(reading.samples.get(part, 0) for reading in readings),
            "left_out": _left_out(part, readings),
            **shared,
        }
        for part, task in reader.tasks.items()
    ]


def _shared(readings: Sequence[Reading], labels: Mapping[str, LabelCount]) -> Facts:
    images = [image for reading in readings for image in reading.images]
    tags: Counter[tuple[str, str]] = Counter()
    for reading in readings:
        tags.update(reading.tags)
    return {
        "units": len(readings),
        "units_with_errors": sum(any(one.level == "error" for one in reading.findings) for reading in readings),
        "records": sum(reading.records for reading in readings),
        "subjects": len(frozenset[str]().union(*(count.subjects for count in labels.values()))),
        "tags": {name: {value: n for (key, value), n in sorted(tags.items()) if key == name} for name, _ in tags},
        "labels": {
            name: {"records": count.records, "pixels": count.pixels, "subjects": len(count.subjects)}
            for name, count in sorted(labels.items())
        },
        "volumes": _images([image for image in images if image.pixels.orientation], "right, anterior, superior"),
        "pictures": _images([image for image in images if not image.pixels.orientation], "y, x"),
    }


def _left_out(part: str, readings: Sequence[Reading]) -> list[Facts]:
    times: Counter[str] = Counter()
    for reading in readings:
        times.update({why: count for (name, why), count in reading.left_out.items() if name == part})
    return [{"why": why, "times": count} for why, count in sorted(times.items())]


def _images(images: Sequence[Image], axes: str) -> Facts | None:
    if not images:
        return None
    spacings = [mm for image in images if (mm := image.pixels.spacing_mm)]
    values = [asdict(found) for image in images if (found := image.pixels.intensity)]
    return {
        "files": len(images),
        "axes": axes,
        "shape": _spread([image.pixels.shape for image in images]),
        "spacing_mm": _spread(spacings) if spacings else None,
        "spacing_unknown": len(images) - len(spacings),
        "orientations": dict(Counter(image.pixels.orientation for image in images if image.pixels.orientation)),
        "types": dict(Counter(image.pixels.dtype for image in images)),
        "intensity": {name: _spread([(value[name],) for value in values]) for name in values[0]} if values else None,
    }


def _spread(values: Sequence[tuple[float, ...]]) -> Facts:
    """Smallest, median and largest along every axis."""
    columns = np.array(values, np.float64)
    found = {"min": columns.min(axis=0), "median": np.median(columns, axis=0), "max": columns.max(axis=0)}
    return {name: [round(float(value), 6) for value in row] for name, row in found.items()}
