"""Gemma 3 and MedGemma: every image is stretched to one fixed square."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from medft_bm.core.errors import ConfigError
from medft_bm.core.geometry import PixelMap, Size, Spacing
from medft_bm.core.types import Coordinates, View
from medft_bm.models.base import Loaded, Part, lora_pattern
from medft_bm.models.checkpoint import CheckpointSettings
from medft_bm.models.pixels import Pixels, require_fixed

LAYERS: Mapping[Part, str] = {
    "vision": r"vision_tower\..*\.(q_proj|k_proj|v_proj|out_proj|fc1|fc2)",
    "language": r"language_model\..*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)",
}


@dataclass(frozen=True)
class Gemma3:
    """Height and width are stretched by different factors; the aspect ratio is not kept.

    Attributes:
        size: of every image after the processor.
        image_tokens: of every image.
    """

    size: Size
    image_tokens: int

    name: ClassVar[str] = "gemma3"
    summary: ClassVar[str] = "Gemma 3 and MedGemma: one fixed square, 256 tokens per image"
    version: ClassVar[int] = 1
    model_types: ClassVar[tuple[str, ...]] = ("gemma3",)
    coordinates: ClassVar[Coordinates] = "fraction"
    towers: ClassVar[Mapping[Part, tuple[str, ...]]] = {
        "vision": ("vision_tower",),
        "projector": ("multi_modal_projector",),
    }

    @classmethod
    def from_settings(cls, settings: CheckpointSettings) -> Self:
        """Bind to the settings of a ``Gemma3ImageProcessor`` (see :class:`~medft_bm.models.base.ModelFamily`)."""
        images = settings.processor
        if images.get("do_pan_and_scan"):
            raise ConfigError(
                "do_pan_and_scan cuts an image into crops, so that no single pixel size holds for what the model sees",
                where="preprocessor_config.json",
                fix="set do_pan_and_scan to false there",
            )
        if images.get("do_resize") is False:
            raise ConfigError(
                "do_resize is false, but Gemma 3 needs one fixed size",
                where="preprocessor_config.json",
                fix="set do_resize to true there",
            )
        size = images.get("size")
        if not isinstance(size, Mapping) or not {"height", "width"} <= size.keys():
            raise ConfigError(
                f"size must have height and width, got {size!r}",
                where="preprocessor_config.json",
                fix='Gemma 3 and MedGemma are published with "size": {"height": 896, "width": 896}',
            )
        tokens = images.get("image_seq_length") or 256
        return cls(Size(int(size["height"]), int(size["width"])), int(tokens))

    def within(self, pixels: Pixels) -> Self:
        """The same family, if its square is within the budget of pixels."""
        require_fixed(self.size, pixels, self.name)
        return self

    def view(self, size: Size, spacing: Spacing | None) -> View:
        """What the model sees of an image of this size."""
        there = PixelMap.stretch(size, self.size)
        return View(self.size, there.spacing(spacing), there, self.image_tokens, self.coordinates)

    def load(
        self, checkpoint: str, *, revision: str | None, dtype: str, attention: str, quantized: bool = False
    ) -> Loaded:
        """Load model and processor (see :func:`medft_bm.models.loading.load_image_text_model`).

        Raises:
            ConfigError: flash attention, which would quietly drop what lets image tokens see each other both ways.
        """
        if attention.startswith("flash"):
            raise ConfigError(
                "flash attention has no mask for the image tokens of Gemma 3, which attend in both directions",
                where="model.attention",
                fix="use sdpa",
            )
        from medft_bm.models.loading import load_image_text_model

        keep = self.towers if quantized else None
        return load_image_text_model(
            checkpoint, revision=revision, dtype=dtype, attention=attention, quantized_beside=keep
        )

    def lora_targets(self, parts: Collection[Part]) -> str:
        """Linear layers of these towers; the projector is one bare weight, which LoRA cannot adapt."""
        return lora_pattern(self.name, LAYERS, parts)
