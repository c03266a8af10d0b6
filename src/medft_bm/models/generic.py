"""Any other checkpoint whose processor stretches every image to one size, as measured on the processor itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from medft_bm.core.geometry import PixelMap, Size, Spacing
from medft_bm.core.types import Coordinates, View
from medft_bm.models.base import Loaded, Part, lora_pattern
from medft_bm.models.checkpoint import CheckpointSettings
from medft_bm.models.pixels import Pixels, require_fixed

LAYERS: Mapping[Part, str] = {
    "language": r"(language_model|text_model)\..*\."
    r"(q_proj|k_proj|v_proj|o_proj|out_proj|qkv_proj|gate_proj|up_proj|down_proj|gate_up_proj|fc1|fc2)",
}
"""Names that the language towers of transformers give their linear layers; other towers have none in common."""


@dataclass(frozen=True)
class GenericFamily:
    """What was measured on one checkpoint's processor (see :func:`medft_bm.models.probe.probe`).

    Attributes:
        size: of every image after the processor.
        image_tokens: of every image.
    """

    size: Size
    image_tokens: int

    name: ClassVar[str] = "generic"
    summary: ClassVar[str] = "any other model that stretches every image to one size; only by model.family=generic"
    version: ClassVar[int] = 1
    model_types: ClassVar[tuple[str, ...]] = ()
    coordinates: ClassVar[Coordinates] = "fraction"
    towers: ClassVar[Mapping[Part, tuple[str, ...]]] = {
        "vision": ("vision_tower", "vision_model"),
        "projector": ("multi_modal_projector", "connector"),
    }

    @classmethod
    def from_settings(cls, settings: CheckpointSettings) -> Self:
        """Measure what the checkpoint's processor does; unlike other families, this imports transformers.

        Raises:
            ConfigError: the processor cannot be loaded, or does anything but stretch every image to one size.
        """
        from medft_bm.models.probe import probe

        seen = probe(settings.name, settings.revision)
        return cls(seen.size, seen.image_tokens)

    def within(self, pixels: Pixels) -> Self:
        """The same family, if its one size is within the budget of pixels."""
        require_fixed(self.size, pixels, self.name)
        return self

    def view(self, size: Size, spacing: Spacing | None) -> View:
        """What the model sees of an image of this size."""
        there = PixelMap.stretch(size, self.size)
        return View(self.size, there.spacing(spacing), there, self.image_tokens, self.coordinates)

    def load(
        self, checkpoint: str, *, revision: str | None, dtype: str, attention: str, quantized: bool = False
    ) -> Loaded:
        """Load model and processor (see :func:`medft_bm.models.loading.load_image_text_model`)."""
        from medft_bm.models.loading import load_image_text_model

        keep = self.towers if quantized else None
        return load_image_text_model(
            checkpoint, revision=revision, dtype=dtype, attention=attention, quantized_beside=keep
        )

    def lora_targets(self, parts: Collection[Part]) -> str:
        """Linear layers of the language tower; those of other towers have no names that all models share."""
        return lora_pattern(self.name, LAYERS, parts)
