"""The language tower in 4 bits, for adapters that are trained over it (QLoRA)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from medft_bm.core.errors import ConfigError, DependencyError
from medft_bm.models.base import Part


def four_bit(dtype: str, beside: Mapping[Part, tuple[str, ...]]) -> Any:
    """What transformers needs to know to load linear layers as 4-bit NormalFloat with doubly quantised scales.

    Args:
        dtype: of the arithmetic and of everything that is not quantised, ``bfloat16`` or ``float32``.
        beside: towers that stay as they are, and so does the head.

    Raises:
        DependencyError: bitsandbytes is not installed.
    """
    if find_spec("bitsandbytes") is None:
        raise DependencyError(
            "QLoRA needs bitsandbytes, which is not installed", where="train.method", fix="pip install bitsandbytes"
        )
    import torch
    from transformers import BitsAndBytesConfig

    names = "|".join(re.escape(name) for modules in beside.values() for name in modules)
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, dtype),
        # FSDP cuts up what it can count in the dtype of the other weights; bytes would stay whole on every GPU.
        bnb_4bit_quant_storage=getattr(torch, dtype),
        llm_int8_skip_modules=[rf"(.*\.)?({names})", "lm_head"],
    )


def require_whole(model: Any, beside: Mapping[Part, tuple[str, ...]]) -> None:
    """Whether the towers that should not be quantised were found, and so left alone.

    Raises:
        ConfigError: a tower goes by another name in this model.
    """
    known = [name for name, _ in model.named_modules()]
    for part, modules in beside.items():
        pattern = re.compile(rf"(.*\.)?({'|'.join(map(re.escape, modules))})")
        if not any(map(pattern.fullmatch, known)):
            raise ConfigError(
                f"this model's {part} tower is not named {' or '.join(modules)}, so it would be held in 4 bits too",
                where="train.method",
                fix="use lora, or add a model family that knows its names: docs/add-a-model.md",
            )


def keep_trainable_on_cpu(model: Any) -> None:
    """Keep bitsandbytes from repacking the weights in place in the first forward pass of an evaluation on a CPU.

    It would do so for faster inference; a training that goes on afterwards cannot compute gradients through them.
    """
    from bitsandbytes.nn import Linear4bit

    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False
