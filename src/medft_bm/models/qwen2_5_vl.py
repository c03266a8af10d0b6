"""Qwen2.5-VL: sides snap to whole cells, within a budget of pixels."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.geometry import PixelMap, Size, Spacing
from medft_bm.core.types import Coordinates, View
from medft_bm.models.base import Loaded, Part, lora_pattern

LAYERS: Mapping[Part, str] = {
    "vision": r"visual\.blocks\..*\.(qkv|proj|gate_proj|up_proj|down_proj)",
    "projector": r"visual\.merger\.mlp\.[02]",
    "language": r"language_model\..*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)",
}
MAX_ASPECT_RATIO = 200
DEFAULT_PIXELS = {"shortest_edge": 56 * 56, "longest_edge": 28 * 28 * 1280}


@dataclass(frozen=True)
class Qwen25VL:
    """Sides snap to cells, so height and width scale by slightly different factors.

    Attributes:
        cell: pixels per side that one language token covers (patch size times merge size).
        min_pixels: an image with less area is enlarged.
        max_pixels: an image with more area is shrunk.
    """

    cell: int
    min_pixels: int
    max_pixels: int

    name: ClassVar[str] = "qwen2_5_vl"
    summary: ClassVar[str] = "Qwen2.5-VL: sides snap to 28 px, tokens grow with the area"
    version: ClassVar[int] = 1
    model_types: ClassVar[tuple[str, ...]] = ("qwen2_5_vl",)
    coordinates: ClassVar[Coordinates] = "pixel"

    @classmethod
    def from_processor(cls, settings: Mapping[str, Any]) -> Self:
        """Bind to the settings of a ``Qwen2VLImageProcessor`` (see :class:`~medft_bm.models.base.ModelFamily`)."""
        where = "preprocessor_config.json"
        if settings.get("do_resize") is False:
            what = "do_resize is false, but the sides must snap to whole cells"
            raise ConfigError(what, where=where, fix="set do_resize to true there")
        size = settings.get("size") or DEFAULT_PIXELS
        # Older files state the budget beside `size`; where both are present the processor follows these.
        smallest = settings.get("min_pixels") or size.get("shortest_edge")
        largest = settings.get("max_pixels") or size.get("longest_edge")
        if not smallest or not largest:
            what = f"no pixel budget: size is {size!r}, min_pixels and max_pixels are not set"
            raise ConfigError(what, where=where, fix="set min_pixels and max_pixels there")
        cell = int(settings.get("patch_size") or 14) * int(settings.get("merge_size") or 2)
        return cls(cell, int(smallest), int(largest))

    def view(self, size: Size, spacing: Spacing | None) -> View:
        """What the model sees of an image of this size.

        Raises:
            DataError: one side is more than 200 times the other, which the processor refuses.
        """
        seen = self._fit(size)
        there = PixelMap.stretch(size, seen)
        tokens = (seen.h // self.cell) * (seen.w // self.cell)
        return View(seen, there.spacing(spacing), there, tokens, self.coordinates)

    def _fit(self, size: Size) -> Size:
        h, w, cell = size.h, size.w, self.cell
        if max(h, w) / min(h, w) > MAX_ASPECT_RATIO:
            raise DataError(
                f"one side of an image of {h} x {w} pixels is more than {MAX_ASPECT_RATIO} times the other",
                fix="crop it, or leave it out",
            )
        # Python rounds halves to even, and so does the processor: 42 px are one and a half cells and become two.
        tall, wide = round(h / cell) * cell, round(w / cell) * cell
        if tall * wide > self.max_pixels:
            shrink = math.sqrt((h * w) / self.max_pixels)
            tall = max(cell, math.floor(h / shrink / cell) * cell)
            wide = max(cell, math.floor(w / shrink / cell) * cell)
        elif tall * wide < self.min_pixels:
            grow = math.sqrt(self.min_pixels / (h * w))
            tall = math.ceil(h * grow / cell) * cell
            wide = math.ceil(w * grow / cell) * cell
        return Size(tall, wide)

    def load(self, checkpoint: str, *, revision: str | None, dtype: str, attention: str) -> Loaded:
        """Load model and processor (see :func:`medft_bm.models.loading.load_image_text_model`)."""
        from medft_bm.models.loading import load_image_text_model

        return load_image_text_model(checkpoint, revision=revision, dtype=dtype, attention=attention)

    def lora_targets(self, parts: Collection[Part]) -> str:
        """Linear layers of these towers."""
        return lora_pattern(self.name, LAYERS, parts)
