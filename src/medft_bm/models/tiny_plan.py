"""Sizes of a tiny checkpoint, and what the architectures have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from medft_bm.core.errors import ConfigError


@dataclass(frozen=True)
class TinyPlan:
    """Sizes of a tiny checkpoint.

    Attributes:
        image_px: side of the square image the model sees (Qwen: the square root of the most pixels it sees).
        patch: side of a vision patch in pixels; four patches make one language token.
        hidden: width of both towers.
        layers: of the vision and the language tower.
        heads: of both towers.
        vocabulary: tokens at most, before the family's special ones.
    """

    image_px: int = 64
    patch: int = 8
    hidden: int = 128
    layers: tuple[int, int] = (2, 2)
    heads: int = 4
    vocabulary: int = 1024

    def __post_init__(self) -> None:
        if self.image_px % (2 * self.patch) or self.hidden % (4 * self.heads):
            raise ConfigError(
                f"image_px={self.image_px} must be a multiple of 2 x patch={self.patch}, "
                f"and hidden={self.hidden} of 4 x heads={self.heads}",
                where="build_tiny",
                fix="change one of them",
            )


def chat_template(family: str) -> str:
    """The family's real chat template, as trl ships it."""
    return (files("trl") / "chat_templates" / f"{family}.jinja").read_text(encoding="utf-8")


def language_sizes(plan: TinyPlan, vocabulary: int) -> dict[str, Any]:
    """Fields of any language tower's config."""
    return {
        "vocab_size": vocabulary,
        "hidden_size": plan.hidden,
        "intermediate_size": 2 * plan.hidden,
        "num_hidden_layers": plan.layers[1],
        "num_attention_heads": plan.heads,
        "num_key_value_heads": plan.heads // 2,
        "max_position_embeddings": 4096,
    }


def vision_sizes(plan: TinyPlan) -> dict[str, Any]:
    """Fields of any vision tower's config."""
    return {"hidden_size": plan.hidden, "intermediate_size": 2 * plan.hidden, "patch_size": plan.patch}


def answer_greedily(model: Any, special: Mapping[str, Any]) -> None:
    """Give a model these special tokens, and no sampling."""
    from transformers import GenerationConfig

    model.generation_config = GenerationConfig(**special, do_sample=False)
