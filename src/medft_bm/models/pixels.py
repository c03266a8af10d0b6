"""How large an image may become: the budget a user sets, and what a family of one fixed size makes of it."""

from __future__ import annotations

from dataclasses import dataclass

from medft_bm.core.errors import ConfigError
from medft_bm.core.geometry import Size


@dataclass(frozen=True)
class Pixels:
    """Area of every image after the processor; ``None``: as the checkpoint says.

    Attributes:
        least: ``model.min_pixels``.
        most: ``model.max_pixels``.
    """

    least: int | None = None
    most: int | None = None

    def __bool__(self) -> bool:
        """Whether the user set anything."""
        return self.least is not None or self.most is not None


def require_fixed(size: Size, pixels: Pixels, family: str) -> None:
    """Refuse a budget that the one size of a family is outside of.

    Args:
        size: of every image of this family after the processor.
        pixels: what the user set.
        family: name, for the message.

    Raises:
        ConfigError: the size is too small or too large for the budget.
    """
    area = size.h * size.w
    for key, broken in (
        ("min_pixels", pixels.least is not None and area < pixels.least),
        ("max_pixels", pixels.most is not None and area > pixels.most),
    ):
        if broken:
            raise ConfigError(
                f"every image of {family} is {size.h} x {size.w} = {area} pixels, "
                "because its vision tower has one position per patch of that size and no other",
                where=f"model.{key}",
                fix=f"leave model.{key} empty, or choose a model whose size follows the image, like Qwen3-VL",
            )
