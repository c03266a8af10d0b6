"""Load a model and its processor with transformers, for every family."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

from medft_bm.core.errors import INSTALL, ConfigError, DependencyError
from medft_bm.core.registry import did_you_mean
from medft_bm.models.base import Loaded

DTYPES = ("bfloat16", "float32")
"""Float16 is left out: activations of Gemma 3 exceed its range and turn into NaN without an error."""


def load_image_text_model(checkpoint: str, *, revision: str | None, dtype: str, attention: str) -> Loaded:
    """Model in evaluation mode on the CPU, and its processor; the caller moves the model to its device.

    Raises:
        ConfigError: a dtype that is not supported, or a checkpoint that transformers cannot load whole.
        DependencyError: transformers, or the attention library, is not installed.
    """
    if dtype not in DTYPES:
        fix = f"use {' or '.join(DTYPES)}"
        raise ConfigError(f"unknown dtype {dtype!r}{did_you_mean(dtype, DTYPES)}", where="model.dtype", fix=fix)
    try:
        import torch
        from transformers import AutoModelForImageTextToText, AutoProcessor
    except ImportError as error:
        raise DependencyError(f"loading a model needs more: {error}", where=checkpoint, fix=INSTALL) from error
    quiet_bars()
    try:
        processor = AutoProcessor.from_pretrained(checkpoint, revision=revision)
        model, report = AutoModelForImageTextToText.from_pretrained(
            checkpoint,
            revision=revision,
            dtype=getattr(torch, dtype),
            attn_implementation=attention,
            output_loading_info=True,
        )
    except ImportError as error:
        fix = f"install it; if it is the attention library, model.attention=sdpa needs none (now {attention})"
        raise DependencyError(str(error).strip(), where=checkpoint, fix=fix) from error
    except Exception as error:  # a damaged file comes out of safetensors or tokenizers as anything, even this
        raise _unloadable(checkpoint, f"{error}") from error
    if missing := sorted(report["missing_keys"]):
        # Transformers only warns, and goes on with random numbers in their place.
        raise _unloadable(checkpoint, f"{len(missing)} of its weights are missing, the first is {missing[0]}")
    return Loaded(model.eval(), processor)


def _unloadable(checkpoint: str, why: str) -> ConfigError:
    return ConfigError(
        f"transformers cannot load the model: {why}",
        where=checkpoint,
        fix="download or save the checkpoint again: weights, config, tokenizer and processor",
    )


def with_adapter(loaded: Loaded, adapter: Path) -> Loaded:
    """The same model with a LoRA adapter on it, unmerged.

    Raises:
        ConfigError: the folder holds no adapter, or the adapter does not fit the model.
    """
    from peft import PeftModel
    from safetensors import SafetensorError

    if not (adapter / "adapter_config.json").is_file():
        raise ConfigError("there is no adapter", where=str(adapter), fix="run `medft train` first")
    try:
        with warnings.catch_warnings():
            # Weights that find no place are only warned about, and the model would be its base again.
            warnings.filterwarnings("error", message=".*missing adapter keys.*")
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)
            model = PeftModel.from_pretrained(loaded.model, str(adapter)).eval()
    except (RuntimeError, ValueError, KeyError, SafetensorError, UserWarning) as error:
        raise ConfigError(
            f"the adapter does not fit the base model: {error}",
            where=str(adapter),
            fix="use the model it was trained on (base_model_name_or_path in adapter_config.json), or train again",
        ) from error
    return Loaded(model, loaded.processor)


def on_device(loaded: Loaded) -> Loaded:
    """The same model on the CUDA device of this process, where there is one."""
    import torch

    return Loaded(loaded.model.to("cuda" if torch.cuda.is_available() else "cpu"), loaded.processor)


def save_processor(processor: Any, folder: Path) -> None:
    """Write processor and chat template as they were loaded; encoding a batch leaves its padding in the tokenizer."""
    processor.tokenizer.backend_tokenizer.no_padding()
    processor.tokenizer.backend_tokenizer.no_truncation()
    processor.save_pretrained(folder)


def quiet_bars() -> None:
    """Progress bars of transformers only where someone can see them move."""
    from transformers.utils import logging

    if not sys.stderr.isatty():
        logging.disable_progress_bar()


def resolve_dtype(dtype: str) -> str:
    """``auto`` becomes ``bfloat16`` on a CUDA device that computes in it, ``float32`` elsewhere."""
    if dtype != "auto":
        return dtype
    import torch

    return "bfloat16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "float32"
