"""What a source says of one image: the annotated record that tasks turn into samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from medft_bm.core.ellipse import LesionAxes
from medft_bm.core.errors import GeometryError
from medft_bm.core.geometry import Box, Size, Spacing
from medft_bm.core.types import ImageRef, Split


@dataclass(frozen=True)
class ClassLabel:
    """The image shows one of ``classes``."""

    class_id: int
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Region:
    """One labelled structure on the image, as a 2-D mask in the image's own layout.

    Attributes:
        label: name that the question uses.
        mask: ``(h, w)`` bool; may hold several connected components.
    """

    label: str
    mask: NDArray[np.bool_]


@dataclass(frozen=True)
class BoxLabel:
    """The box around one piece of a structure, stated without a mask.

    Attributes:
        label: name that the question uses; several boxes of one label are several pieces.
        box: continuous pixels of the image.
    """

    label: str
    box: Box


@dataclass(frozen=True)
class AxesLabel:
    """The axes of one piece of a lesion, stated without a mask.

    Attributes:
        label: name that the question uses; several of one label are several pieces.
        major_mm: stated length of the major axis.
        minor_mm: stated length of the minor axis.
        axes: end points in continuous pixels of the image, where they are known; they then decide the lengths.

    Raises:
        GeometryError: a stated length is not a positive number.
    """

    label: str
    major_mm: float
    minor_mm: float
    axes: LesionAxes | None = None

    def __post_init__(self) -> None:
        for name, value in (("major", self.major_mm), ("minor", self.minor_mm)):
            if not (math.isfinite(value) and value > 0):
                raise GeometryError(f"the {name} axis of {self.label!r} must be longer than 0 mm, got {value}")


Lines: TypeAlias = tuple[tuple[str, str], ...]
"""What one measurement is made on: one pair of names for a distance, two for an angle."""


@dataclass(frozen=True)
class Stated:
    """A measurement as the source states it.

    Attributes:
        value: mm or degrees.
        name: what it is called, where it has a name.
        key: what the source tells it from the others by, where its tables are grouped so.
    """

    value: float
    name: str = ""
    key: str = ""


@dataclass(frozen=True)
class Landmarks:
    """Named points and what to measure between them.

    Attributes:
        points: name to (y, x), continuous pixels of the image.
        distances: pairs of names.
        angles: two pairs of names each, the two lines.
        stated: values that count instead of what the points give.
    """

    points: Mapping[str, tuple[float, float]]
    distances: tuple[tuple[str, str], ...] = ()
    angles: tuple[tuple[tuple[str, str], tuple[str, str]], ...] = ()
    stated: Mapping[Lines, Stated] = field(default_factory=dict)


Annotation: TypeAlias = ClassLabel | Region | BoxLabel | AxesLabel | Landmarks


@dataclass(frozen=True)
class Record:
    """One 2-D image with everything its source says about it.

    Attributes:
        subject: patient, or whatever must not straddle a split.
        image: where the pixels are.
        size: of the image as laid out.
        spacing: of the image as laid out; ``None`` is unknown.
        annotations: what is known of it.
        tags: modality, anatomy, plane and the like.
        split: set when the source has official splits.
    """

    subject: str
    image: ImageRef
    size: Size
    spacing: Spacing | None
    annotations: tuple[Annotation, ...]
    tags: Mapping[str, str] = field(default_factory=dict)
    split: Split | None = None


Skip: TypeAlias = Callable[[str, str], None]
"""Called with (what, why) for everything a source or a task leaves out on purpose."""
