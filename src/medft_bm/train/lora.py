"""LoRA adapters on the towers a user names."""

from __future__ import annotations

import logging
import re
from typing import Any

from medft_bm.config.training import Lora
from medft_bm.core.errors import MedftError
from medft_bm.models.base import ModelFamily, Part

log = logging.getLogger(__name__)


def lora_config(lora: Lora, family: ModelFamily) -> Any:
    """PEFT's configuration for the linear layers of the towers in ``lora.parts``.

    Raises:
        ConfigError: a tower that LoRA cannot adapt in this family.
    """
    from peft import LoraConfig

    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=family.lora_targets(lora.parts),
        task_type="CAUSAL_LM",
    )


def check_adapters(model: Any, lora: Lora, family: ModelFamily) -> dict[Part, int]:
    """Count adapted layers per tower, and log how much of the model is trained.

    Args:
        model: as wrapped by PEFT.
        lora: what was asked for.
        family: of the model.

    Raises:
        MedftError: a tower without a single trainable adapter, or a trainable weight that is no adapter.
    """
    trainable = [(name, weight.numel()) for name, weight in model.named_parameters() if weight.requires_grad]
    total = sum(weight.numel() for weight in model.parameters())
    stray = [name for name, _ in trainable if ".lora_" not in name]
    if stray:
        raise MedftError(f"{len(stray)} weights outside the adapters are trainable, the first is {stray[0]}")
    layers = {name.split(".lora_")[0] for name, _ in trainable}
    counts = {part: sum(_is_target(layer, family.lora_targets([part])) for layer in layers) for part in lora.parts}
    if empty := [part for part, count in counts.items() if not count]:
        raise MedftError(f"no adapter was attached to {', '.join(empty)}", where="lora.parts")
    share = sum(count for _, count in trainable)
    log.info(
        "LoRA trains %s of %s weights (%.2f %%), layers %s", f"{share:,}", f"{total:,}", 100 * share / total, counts
    )
    return counts


def _is_target(layer: str, pattern: str) -> bool:
    return re.fullmatch(pattern, layer) is not None
