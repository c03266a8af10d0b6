"""Tiny, randomly initialised checkpoints of the real model classes: for tests, and to pre-train the demo's bases."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from medft_bm.core.errors import ConfigError
from medft_bm.core.registry import did_you_mean
from medft_bm.models.loading import quiet_bars
from medft_bm.models.tiny_gemma import gemma3
from medft_bm.models.tiny_plan import TinyPlan
from medft_bm.models.tiny_qwen import qwen2_5_vl, qwen3_vl

BUILDERS: Mapping[str, Callable[[TinyPlan, list[str]], tuple[Any, Any]]] = {
    "gemma3": gemma3,
    "qwen2_5_vl": qwen2_5_vl,
    "qwen3_vl": qwen3_vl,
}


def build_tiny(
    family: str,
    folder: Path,
    texts: Iterable[str],
    *,
    seed: int,
    image_px: int = 64,
    patch: int = 8,
    hidden: int = 128,
    layers: tuple[int, int] = (2, 2),
    heads: int = 4,
    vocabulary: int = 1024,
) -> None:
    """Write a checkpoint that ``AutoProcessor`` and ``AutoModelForImageTextToText`` load.

    Args:
        family: ``gemma3``, ``qwen2_5_vl`` or ``qwen3_vl``.
        folder: where to; made when missing.
        texts: what the tokenizer learns its merges from; any other text still encodes, in more tokens.
        seed: of the weights.
        image_px: see :class:`TinyPlan`, as for the rest.
        patch: side of a vision patch, in pixels.
        hidden: width.
        layers: vision, language.
        heads: attention heads.
        vocabulary: tokens at most.

    Raises:
        ConfigError: a family without a tiny plan, or sizes that do not divide.
    """
    import torch

    if family not in BUILDERS:
        raise ConfigError(f"no tiny checkpoint for the family {family!r}{did_you_mean(family, BUILDERS)}")
    plan = TinyPlan(image_px, patch, hidden, layers, heads, vocabulary)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model, processor = BUILDERS[family](plan, list(texts))
    quiet_bars()
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
