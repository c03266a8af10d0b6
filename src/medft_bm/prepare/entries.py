"""What splitting and choosing need to know of a sample: light enough for millions, quick to send between processes."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import NamedTuple, cast

from medft_bm.core.errors import DataError
from medft_bm.core.types import ImageRef, Sample, Split
from medft_bm.core.volume import Frame

_SEPARATOR = "\x1f"
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Entry(NamedTuple):
    """One sample before it has a place.

    Attributes:
        uid: of the sample.
        part: number of the part in ``data.mix``.
        task: registered name of the task.
        source: name of the part.
        subject: as the source states it.
        split: the official split of the source, if it has one.
        label: what is asked about: the class for classification.
        group: value of the tag named by ``data.split.by``; empty for ``subject``.
        image: where the pixels are.
        text: everything else about the sample, as JSON (see ``codec.py``).
    """

    uid: str
    part: int
    task: str
    source: str
    subject: str
    split: Split | None
    label: str
    group: str
    image: ImageRef
    text: str


def to_line(sample: Sample, by: str) -> str:
    """A sample as one line of text; :func:`from_line` reads it.

    Raises:
        DataError: a name holds a control character that no name should.
    """
    image, size, spacing = sample.image, sample.size, sample.spacing
    mm = (None, None) if spacing is None else (spacing.y, spacing.x)
    before = _before_truth(sample.task, sample.source, size.h, size.w, *mm)
    fields = (
        sample.uid,
        sample.subject,
        sample.split or "",
        sample.tags.get("label", ""),
        "" if by == "subject" else sample.tags.get(by, ""),
        image.path,
        "" if image.axis is None else str(image.axis),
        "" if image.index is None else str(image.index),
        image.frame,
        image.window,
        f"{before}{_encode(sample.truth)}{_after_truth(*sample.tags.items())}",
    )
    line = _SEPARATOR.join(fields)
    if line.count(_SEPARATOR) != len(fields) - 1 or "\n" in line or "\r" in line:
        raise DataError(
            f"a control character in a name: subject {sample.subject!r}, label {fields[3]!r}",
            where=f"{sample.source}: {image.path!r}",
            fix="rename it",
        )
    return line


@lru_cache(maxsize=4096, typed=True)
def _before_truth(task: str, source: str, h: int, w: int, y: float | None, x: float | None) -> str:
    """Millions of samples share the text on both sides of the truth, and writing it takes longer than looking it up."""
    spacing = None if y is None else {"y": y, "x": x}
    text = _encode({"task": task, "source": source, "size": {"h": h, "w": w}, "spacing": spacing})
    return f'{text[:-1]},"truth":'


@lru_cache(maxsize=4096)
def _after_truth(*tags: tuple[str, str]) -> str:
    return f',"tags":{_encode(dict(tags))}}}'


def from_line(line: str, part: int, task: str, source: str, images: dict[tuple[str, ...], ImageRef]) -> Entry:
    """The entry of a line.

    Args:
        line: that :func:`to_line` wrote.
        part: number of the part in the mix.
        task: registered name of the task.
        source: name of the part.
        images: references seen so far, so that samples of one image share one object.
    """
    uid, subject, split, label, group, *place, text = line.split(_SEPARATOR)
    key = tuple(place)
    image = images.get(key)
    if image is None:
        path, axis, index, frame, window = place
        image = images[key] = ImageRef(
            path, int(axis) if axis else None, int(index) if index else None, cast(Frame, frame), window
        )
    return Entry(uid, part, task, source, subject, cast(Split, split) or None, label, group, image, text)
