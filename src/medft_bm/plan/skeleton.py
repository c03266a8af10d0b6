"""The model of a config with all its shapes and none of its weights, from ``config.json`` alone."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

from medft_bm.config.schema import Config
from medft_bm.models.base import ModelFamily, Part
from medft_bm.models.checkpoint import unloadable
from medft_bm.train.method import adapters_for
from medft_bm.train.towers import PARTS, tower_of
from medft_bm.train.trainable import in_float32


@dataclass(frozen=True)
class Precision:
    """In what numbers a training computes.

    Attributes:
        weights: dtype of weights that are not trained, ``bfloat16`` or ``float32``.
        autocast: whether matrix products are in bfloat16 whatever the weights are in.
        cuda: whether a GPU does it, or a CPU.
    """

    weights: str
    autocast: bool
    cuda: bool

    @classmethod
    def on_gpu(cls, config: Config) -> Precision:
        """As the trainer computes on a GPU that has bfloat16."""
        full = config.train.method == "full"
        automatic = "float32" if full else "bfloat16"
        return cls(automatic if config.model.dtype == "auto" else config.model.dtype, autocast=True, cuda=True)


@dataclass(frozen=True)
class Skeleton:
    """A model on the meta device, adapters attached, with what is trained marked as such.

    Attributes:
        model: as the trainer would have it.
        family: of the model.
        quantized: layers that are held in 4 bits, and how many numbers each has.
        total: numbers of the model itself by tower; the word embeddings are part of the language tower.
        trainable: numbers that change, by tower.
    """

    model: Any
    family: ModelFamily
    quantized: dict[str, int]
    total: dict[Part, int]
    trainable: dict[Part, int]

    @property
    def base(self) -> Any:
        """The model inside its adapters."""
        return self.model.get_base_model() if hasattr(self.model, "peft_config") else self.model


def skeleton(config: Config, family: ModelFamily, precision: Precision) -> Skeleton:
    """Build the model that a config trains, without its weights.

    Args:
        config: resolved.
        family: bound to the checkpoint in ``config.model.name``.
        precision: of the training.

    Raises:
        ConfigError: the checkpoint's ``config.json`` is unusable, or methods and towers contradict each other.
    """
    plain = bare_model(config, precision)
    quantized = _quantized(plain, family) if config.train.method == "qlora" else {}
    total = _by_tower(plain.named_parameters(), family)
    # The kernels change no shape, and a plan is made where there is no GPU to run them.
    unchecked = config.model_copy(update={"train": config.train.model_copy(update={"liger": False})})
    for weight in plain.parameters():
        weight.requires_grad_(config.train.method == "full")
    adapters = adapters_for(unchecked, family, plain)
    model = plain if adapters is None else _adapted(plain, adapters)
    if adapters is not None:
        in_float32(model)
    trained = ((name, weight) for name, weight in model.named_parameters() if weight.requires_grad)
    return Skeleton(model.train(), family, quantized, total, _by_tower(trained, family))


def bare_model(config: Config, precision: Precision) -> Any:
    """The model as loaded, on the meta device.

    Raises:
        ConfigError: transformers cannot build it.
    """
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText

    model = config.model
    try:
        settings = AutoConfig.from_pretrained(model.name, revision=model.revision)
        attention = "eager" if model.attention == "eager" else "sdpa"  # flash attention keeps what sdpa keeps
        with torch.device("meta"):
            made = AutoModelForImageTextToText.from_config(
                settings, dtype=getattr(torch, precision.weights), attn_implementation=attention
            )
    except Exception as error:  # whatever a damaged config makes of it
        raise unloadable(model.name, model.revision, error) from error
    made.config.use_cache = False
    return made


def _adapted(model: Any, adapters: Any) -> Any:
    from peft import get_peft_model

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return get_peft_model(model, adapters, low_cpu_mem_usage=True)


def _quantized(model: Any, family: ModelFamily) -> dict[str, int]:
    """Linear layers that :func:`medft_bm.models.quantization.four_bit` would not leave alone, and their sizes."""
    import torch

    return {
        name: module.weight.numel()
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and tower_of(name, family) == "language" and not name.endswith("lm_head")
    }


def _by_tower(weights: Any, family: ModelFamily) -> dict[Part, int]:
    counts: dict[Part, int] = dict.fromkeys(PARTS, 0)
    for name, weight in weights:
        counts[tower_of(name, family)] += weight.numel()
    return counts
