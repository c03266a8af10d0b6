"""What a source says of one image: the annotated record that tasks turn into samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from medft_bm.core.geometry import Size, Spacing
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
class Landmarks:
    """Named points and what to measure between them.

    Attributes:
        points: name to (y, x), continuous pixels of the image.
        distances: pairs of names.
        angles: two pairs of names each, the two lines.
    """

    points: Mapping[str, tuple[float, float]]
    distances: tuple[tuple[str, str], ...] = ()
    angles: tuple[tuple[tuple[str, str], tuple[str, str]], ...] = ()


Annotation: TypeAlias = ClassLabel | Region | Landmarks


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
