"""The rule of Qwen's image processors: sides snap to whole cells, within a budget of pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.geometry import PixelMap, Size, Spacing
from medft_bm.core.types import Coordinates, View
from medft_bm.models.base import Loaded
from medft_bm.models.pixels import Pixels

MAX_ASPECT_RATIO = 200
DEFAULT_PIXELS = {"shortest_edge": 56 * 56, "longest_edge": 28 * 28 * 1280}
WHERE = "preprocessor_config.json"


@dataclass(frozen=True)
class Cells:
    """Sides snap to cells, so height and width scale by slightly different factors.

    Attributes:
        side: pixels per side of a cell, which one language token covers (patch size times merge size).
        min_pixels: an image with less area is enlarged.
        max_pixels: an image with more area is shrunk.
    """

    side: int
    min_pixels: int
    max_pixels: int

    @classmethod
    def from_processor(cls, settings: Mapping[str, Any], *, patch: int) -> Self:
        """Bind to the settings of a ``Qwen2VLImageProcessor``.

        Args:
            settings: as plain JSON.
            patch: side of a patch in pixels, where the settings do not say.

        Raises:
            ConfigError: no resize, or no budget of pixels.
        """
        if settings.get("do_resize") is False:
            what = "do_resize is false, but the sides must snap to whole cells"
            raise ConfigError(what, where=WHERE, fix="set do_resize to true there")
        size = settings.get("size") or DEFAULT_PIXELS
        # Older files state the budget beside `size`; where both are present the processor follows these.
        smallest = settings.get("min_pixels") or size.get("shortest_edge")
        largest = settings.get("max_pixels") or size.get("longest_edge")
        if not smallest or not largest:
            what = f"no pixel budget: size is {size!r}, min_pixels and max_pixels are not set"
            raise ConfigError(what, where=WHERE, fix="set min_pixels and max_pixels there")
        side = int(settings.get("patch_size") or patch) * int(settings.get("merge_size") or 2)
        return cls(side, int(smallest), int(largest))

    def within(self, pixels: Pixels) -> Self:
        """The same cells under another budget.

        Raises:
            ConfigError: a budget that nothing fits in.
        """
        changed = replace(self, min_pixels=pixels.least or self.min_pixels, max_pixels=pixels.most or self.max_pixels)
        if changed.max_pixels < self.side**2:
            raise ConfigError(
                f"{changed.max_pixels} pixels are less than one cell of {self.side} x {self.side}",
                where="model.max_pixels",
                fix=f"at least {self.side**2}; a number of tokens times that is a good choice",
            )
        if changed.min_pixels > changed.max_pixels:
            raise ConfigError(
                f"the least pixels {changed.min_pixels} are more than the most {changed.max_pixels}",
                where="model.min_pixels",
                fix="set both model.min_pixels and model.max_pixels (null: as the checkpoint says)",
            )
        return changed

    def view(self, size: Size, spacing: Spacing | None, coordinates: Coordinates) -> View:
        """What the model sees of an image of this size.

        Raises:
            DataError: one side is more than 200 times the other, which the processor refuses.
        """
        seen = self._fit(size)
        there = PixelMap.stretch(size, seen)
        tokens = (seen.h // self.side) * (seen.w // self.side)
        return View(seen, there.spacing(spacing), there, tokens, coordinates)

    def _fit(self, size: Size) -> Size:
        h, w, cell = size.h, size.w, self.side
        if max(h, w) / min(h, w) > MAX_ASPECT_RATIO:
            raise DataError(
                f"one side of an image of {h} x {w} pixels is more than {MAX_ASPECT_RATIO} times the other",
                fix="crop it, or leave it out",
            )
        # Python rounds halves to even, and so does the processor: 42 px are one and a half cells of 28 and become two.
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

    def applied(self, loaded: Loaded) -> Loaded:
        """The same model with this budget in its image processor, which is saved with it."""
        images = loaded.processor.image_processor
        images.size = type(images.size)(shortest_edge=self.min_pixels, longest_edge=self.max_pixels)
        return loaded
