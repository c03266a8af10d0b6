"""The records that travel through the library: all frozen, all plain data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias

from medft_bm.core.geometry import PixelMap, Size, Spacing
from medft_bm.core.volume import Frame

Split: TypeAlias = Literal["train", "validation", "test"]
SPLITS: tuple[Split, Split, Split] = ("train", "validation", "test")

Coordinates: TypeAlias = Literal["fraction", "pixel", "thousandth"]
"""How boxes are written in text: fractions of the image's sides, whole pixels of the image the model sees, or whole
thousandths of its sides."""


@dataclass(frozen=True)
class ImageRef:
    """One 2-D image: a picture file, or a slice of a volume.

    Attributes:
        path: POSIX path relative to the source's root.
        axis: voxel array axis the slice is perpendicular to; ``None`` for a picture.
        index: slice index along ``axis``; ``None`` for a picture.
        frame: how the slice is laid out (see :data:`medft_bm.core.volume.Frame`).
        window: name of the intensity window it is rendered with (see ``imaging/windows.py``).
    """

    path: str
    axis: int | None = None
    index: int | None = None
    frame: Frame = "display"
    window: str = "as_is"


@dataclass(frozen=True)
class Sample:
    """One question's worth: one image, one truth.

    Attributes:
        uid: stable across runs and machines (see :func:`stable_uid`).
        task: registered name of the task that made it.
        source: name of the source it came from.
        subject: patient, or whatever must not straddle a split.
        split: set when the source has official splits, else ``None``.
        image: the image as laid out for display; every coordinate below is in its continuous pixels.
        size: of that image.
        spacing: of that image; ``None`` is unknown.
        truth: numbers in continuous slice pixels or a class id, plus the names that the question needs; JSON data.
        tags: modality, anatomy, plane, label and the like; for prompts, grouping and filters.
    """

    uid: str
    task: str
    source: str
    subject: str
    image: ImageRef
    size: Size
    spacing: Spacing | None
    truth: Mapping[str, Any]
    tags: Mapping[str, str] = field(default_factory=dict)
    split: Split | None = None


@dataclass(frozen=True)
class View:
    """What one model sees of one image.

    Attributes:
        size: of the image after the model's processor.
        spacing: mm per pixel there; ``None`` is unknown.
        from_slice: map from the sample's image to this one.
        image_tokens: how many tokens the image costs.
        coordinates: how this model family writes boxes.
    """

    size: Size
    spacing: Spacing | None
    from_slice: PixelMap
    image_tokens: int
    coordinates: Coordinates = "fraction"

    @cached_property
    def slice_from_fractions(self) -> PixelMap:
        """From fractions of the sides of this image, from its top-left corner, to pixels of the sample's image."""
        return PixelMap.stretch(Size(1, 1), self.size).then(self.from_slice.inverse)


@dataclass(frozen=True)
class Score:
    """What one reply is worth.

    Attributes:
        values: metric name to value in the metric's unit; ``None`` when no answer was found in the reply.
        predicted: the answer that was read, in continuous slice pixels, mm, degrees or a class id; for pictures.
        why: why there is no answer; empty otherwise.
    """

    values: Mapping[str, float] | None
    predicted: Any = None
    why: str = ""


@dataclass(frozen=True)
class Metric:
    """A number that a task reports.

    Attributes:
        name: key in ``Score.values``.
        unit: mm, degree, or empty for a ratio.
        higher_is_better: direction; ``None`` where the value nearest to 0 is best, as for a bias.
        unscored: the value that an unreadable reply contributes; ``None`` leaves it out of the mean (an error in mm
            has no honest stand-in), in which case the parse rate must be read beside it.
    """

    name: str
    unit: str = ""
    higher_is_better: bool | None = True
    unscored: float | None = 0.0


def stable_uid(*facts: object) -> str:
    """16 hex digits from the facts that identify a sample; the same on every machine and in every process."""
    text = "\x1f".join(map(str, facts))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
