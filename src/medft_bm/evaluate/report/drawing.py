"""A case as lines over its slice: truth and replies in layers that a page can show and hide, and a scale bar."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from medft_bm.core.geometry import PixelMap
from medft_bm.core.types import Sample
from medft_bm.evaluate.compare import Who
from medft_bm.evaluate.report.marks import Mark, predicted_marks, scale_bar_mm, shown_size, truth_marks

SIDES = (640, 512, 384, 256, 192)
"""Longer side of a slice on the page, in pixels: the first that fits the budget."""


@dataclass(frozen=True)
class Layer:
    """What one side says.

    Attributes:
        kind: ``truth``, or who answered.
        path: SVG path, in pixels of the shown slice.
        dots: x and y of landmarks.
    """

    kind: str
    path: str
    dots: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class ScaleBar:
    """A length in mm, and in pixels of the shown slice."""

    text: str
    length: float


@dataclass(frozen=True)
class Slice:
    """A slice in its true proportions.

    Attributes:
        uri: JPEG as a data URI.
        width: in pixels.
        height: in pixels.
        layers: on it.
        scale_bar: ``None`` where the pixel size is unknown.
    """

    uri: str
    width: int
    height: int
    layers: tuple[Layer, ...]
    scale_bar: ScaleBar | None


def draw_slice(image: Image.Image, sample: Sample, said: Mapping[Who, Any], *, budget: int) -> Slice:
    """The slice with its layers.

    Args:
        image: RGB, the sample's slice pixel for pixel.
        sample: the question, with its truth.
        said: who answered, to what was predicted as in :class:`~medft_bm.core.types.Score`.
        budget: characters that the picture may cost.
    """
    for side in SIDES:
        size = shown_size(sample.size, sample.spacing, side)
        uri = _data_uri(image.resize((size.w, size.h), Image.Resampling.BICUBIC))
        if len(uri) <= budget:
            break
    to_shown = PixelMap.stretch(sample.size, size)
    marks: dict[str, list[Mark]] = {"truth": truth_marks(sample)}
    marks |= {who: predicted_marks(sample, at) for who, at in said.items()}
    layers = tuple(_layer(kind, of, to_shown) for kind, of in marks.items() if of)
    return Slice(uri, size.w, size.h, layers, _scale_bar(sample, to_shown))


def _scale_bar(sample: Sample, to_shown: PixelMap) -> ScaleBar | None:
    if sample.spacing is None:
        return None
    bar_mm = scale_bar_mm(sample.size.w * sample.spacing.x)
    return ScaleBar(f"{bar_mm:g} mm", round(to_shown.scale_x * bar_mm / sample.spacing.x, 2))


def _layer(kind: str, marks: list[Mark], to_shown: PixelMap) -> Layer:
    reach = 4 * math.hypot(to_shown.dst.h, to_shown.dst.w)
    paths, dots = [], []
    for mark in marks:
        # A reply may claim kilometres.
        points = np.clip(to_shown.points(mark.yx), -reach, reach).round(2).tolist()
        paths.append("M" + "L".join(f"{x:g} {y:g}" for y, x in points) + ("Z" if mark.closed else ""))
        dots += [(x, y) for y, x in points] if mark.dots else []
    return Layer(kind, "".join(paths), tuple(dots))


def _data_uri(picture: Image.Image) -> str:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
