"""Qwen3-VL: sides snap to whole cells, within a budget of pixels."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from medft_bm.core.geometry import Size, Spacing
from medft_bm.core.types import Coordinates, View
from medft_bm.models.base import Loaded, Part, lora_pattern
from medft_bm.models.cells import Cells
from medft_bm.models.checkpoint import CheckpointSettings
from medft_bm.models.pixels import Pixels

LAYERS: Mapping[Part, str] = {
    "vision": r"visual\.blocks\..*\.(qkv|proj|linear_fc1|linear_fc2)",
    "projector": r"visual\.(merger|deepstack_merger_list\.\d+)\.(linear_fc1|linear_fc2)",
    "language": r"language_model\..*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)",
}


@dataclass(frozen=True)
class Qwen3VL:
    """Bound to the cells of one checkpoint (see :class:`~medft_bm.models.cells.Cells`)."""

    cells: Cells

    name: ClassVar[str] = "qwen3_vl"
    summary: ClassVar[str] = "Qwen3-VL: sides snap to 32 px, tokens grow with the area"
    version: ClassVar[int] = 1
    model_types: ClassVar[tuple[str, ...]] = ("qwen3_vl",)
    coordinates: ClassVar[Coordinates] = "thousandth"
    towers: ClassVar[Mapping[Part, tuple[str, ...]]] = {
        "vision": ("visual.patch_embed", "visual.pos_embed", "visual.blocks"),
        "projector": ("visual.merger", "visual.deepstack_merger_list"),
    }

    @classmethod
    def from_settings(cls, settings: CheckpointSettings) -> Self:
        """Bind to the settings of a ``Qwen2VLImageProcessor`` (see :class:`~medft_bm.models.base.ModelFamily`)."""
        return cls(Cells.from_processor(settings.processor, patch=16))

    def within(self, pixels: Pixels) -> Self:
        """The same family under another budget of pixels."""
        return replace(self, cells=self.cells.within(pixels))

    def view(self, size: Size, spacing: Spacing | None) -> View:
        """What the model sees of an image of this size.

        Raises:
            DataError: one side is more than 200 times the other, which the processor refuses.
        """
        return self.cells.view(size, spacing, self.coordinates)

    def load(
        self, checkpoint: str, *, revision: str | None, dtype: str, attention: str, quantized: bool = False
    ) -> Loaded:
        """Load model and processor (see :func:`medft_bm.models.loading.load_image_text_model`)."""
        from medft_bm.models.loading import load_image_text_model

        keep = self.towers if quantized else None
        loaded = load_image_text_model(
            checkpoint, revision=revision, dtype=dtype, attention=attention, quantized_beside=keep
        )
        return self.cells.applied(loaded)

    def lora_targets(self, parts: Collection[Part]) -> str:
        """Linear layers of these towers."""
        return lora_pattern(self.name, LAYERS, parts)
