"""What a model family is: everything architecture-specific, and nothing that knows a task."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, Self, TypeAlias

from medft_bm.core.errors import ConfigError
from medft_bm.core.geometry import Size, Spacing
from medft_bm.core.types import Coordinates, View
from medft_bm.models.checkpoint import CheckpointSettings
from medft_bm.models.pixels import Pixels

Part: TypeAlias = Literal["vision", "projector", "language"]
"""A tower of a vision-language model."""


@dataclass(frozen=True)
class Loaded:
    """A model of transformers with its processor."""

    model: Any
    processor: Any


class ModelFamily(Protocol):
    """One architecture, bound to the numbers of one checkpoint's image processor.

    Attributes:
        name: as registered.
        summary: one line for ``medft models``.
        version: raise it when the same checkpoint yields another view or prompt; caches rebuild.
        model_types: values of ``model_type`` in a checkpoint's ``config.json`` that belong to this family.
        coordinates: how boxes are written for it.
        towers: modules that make up the vision tower and the projector, by their dotted names inside the model;
            everything else is the language tower.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    version: ClassVar[int]
    model_types: ClassVar[tuple[str, ...]]
    coordinates: ClassVar[Coordinates]
    towers: ClassVar[Mapping[Part, tuple[str, ...]]]

    @classmethod
    def from_settings(cls, settings: CheckpointSettings) -> Self:
        """Bind to what a checkpoint says of itself in JSON; needs no torch.

        Raises:
            ConfigError: a setting is missing or one that this family's view cannot follow exactly.
        """
        ...

    def within(self, pixels: Pixels) -> Self:
        """The same family under the budget that a user set; :meth:`view` and :meth:`load` both keep to it.

        Raises:
            ConfigError: a budget that this architecture cannot keep to exactly.
        """
        ...

    def view(self, size: Size, spacing: Spacing | None) -> View:
        """What the model sees of an image of this size; equals the real processor's output.

        Raises:
            DataError: the processor would refuse the image.
        """
        ...

    def load(
        self, checkpoint: str, *, revision: str | None, dtype: str, attention: str, quantized: bool = False
    ) -> Loaded:
        """Load model and processor from a folder or a Hub id; the processor does what :meth:`view` says.

        Args:
            checkpoint: folder or Hub id.
            revision: branch, tag or commit on the Hub.
            dtype: ``bfloat16`` or ``float32``.
            attention: ``sdpa``, ``eager`` or ``flash_attention_2``.
            quantized: hold the linear layers of the language tower in 4 bits, to train adapters over them.
        """
        ...

    def lora_targets(self, parts: Collection[Part]) -> str:
        """Regular expression over module names for PEFT's ``target_modules``: the linear layers of these towers.

        Raises:
            ConfigError: a part that has no layer LoRA can adapt.
        """
        ...


def lora_pattern(family: str, layers: Mapping[Part, str], parts: Collection[Part]) -> str:
    """One expression that matches the full names of the layers of these towers, whatever wraps the model.

    Args:
        family: name, for the message.
        layers: expression for the end of a module's name, per tower that LoRA can adapt.
        parts: towers asked for.

    Raises:
        ConfigError: no tower, or one without a layer that LoRA can adapt.
    """
    missing = sorted(set(parts) - set(layers))
    if missing or not parts:
        raise ConfigError(
            f"{family} has no layer that LoRA can adapt in {', '.join(missing)}" if missing else "no tower to adapt",
            where=f"towers.{missing[0]}.train" if missing else "towers",
            fix=f"LoRA can adapt {', '.join(layers)}; use full or frozen elsewhere",
        )
    return rf"(.*\.)?({'|'.join(layers[part] for part in layers if part in parts)})"
