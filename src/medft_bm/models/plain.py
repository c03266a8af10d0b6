"""A model of which nothing is known but its name, behind somebody else's server: it is told of the picture as sent."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar, NoReturn, Self

from medft_bm.core.errors import ConfigError
from medft_bm.core.geometry import PixelMap, Size, Spacing
from medft_bm.core.types import Coordinates, View
from medft_bm.models.base import Part
from medft_bm.models.checkpoint import CheckpointSettings
from medft_bm.models.pixels import Pixels


@dataclass(frozen=True)
class PlainFamily:
    """No processor of ours, so the view is the picture itself.

    What the server does to the picture is not known. Lengths in mm, angles and fractions do not depend on it: size
    times spacing is the same for the picture before and after any resize.
    """

    name: ClassVar[str] = "plain"
    summary: ClassVar[str] = "a model behind a server, without a checkpoint here; only by model.family=plain"
    version: ClassVar[int] = 1
    model_types: ClassVar[tuple[str, ...]] = ()
    coordinates: ClassVar[Coordinates] = "fraction"
    towers: ClassVar[Mapping[Part, tuple[str, ...]]] = {}

    @classmethod
    def from_settings(cls, settings: CheckpointSettings) -> Self:
        """There is nothing to bind to; ``model.name`` is only a name."""
        return cls()

    def within(self, pixels: Pixels) -> Self:
        """Refuse a budget of pixels, because the picture is sent as it is.

        Raises:
            ConfigError: always.
        """
        key = "min_pixels" if pixels.most is None else "max_pixels"
        what = "the family 'plain' sends every picture as it is, so it keeps to no budget of pixels"
        raise ConfigError(what, where=f"model.{key}", fix=f"leave model.{key} empty")

    def view(self, size: Size, spacing: Spacing | None) -> View:
        """The picture as sent; what it costs in tokens is not known and stated as 0."""
        return View(size, spacing, PixelMap.identity(size), 0, self.coordinates)

    def load(
        self, checkpoint: str, *, revision: str | None, dtype: str, attention: str, quantized: bool = False
    ) -> NoReturn:
        """Refuse: there is no checkpoint.

        Raises:
            ConfigError: always.
        """
        raise _no_checkpoint()

    def lora_targets(self, parts: Collection[Part]) -> NoReturn:
        """Refuse: there are no layers.

        Raises:
            ConfigError: always.
        """
        raise _no_checkpoint()


def _no_checkpoint() -> ConfigError:
    return ConfigError(
        "the family 'plain' stands for a model behind a server; it has no weights to load or train here",
        where="model.family",
        fix="set evaluate.backend=openai, or leave model.family empty and name a checkpoint",
    )
