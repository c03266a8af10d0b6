"""Load a model and its processor with transformers, for every family."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from medft_bm.config.training import NO_FLOAT16
from medft_bm.core.errors import INSTALL, ConfigError, DependencyError, MedftError
from medft_bm.core.registry import did_you_mean
from medft_bm.models.base import Loaded, Part
from medft_bm.models.checkpoint import unloadable
from medft_bm.models.quantization import four_bit, keep_trainable_on_cpu, require_whole

DTYPES = ("bfloat16", "float32")


def load_image_text_model(
    checkpoint: str,
    *,
    revision: str | None,
    dtype: str,
    attention: str,
    quantized_beside: Mapping[Part, tuple[str, ...]] | None = None,
) -> Loaded:
    """Model in evaluation mode on the CPU, and its processor; the caller moves the model to its device.

    Args:
        checkpoint: folder or Hub id.
        revision: branch, tag or commit on the Hub.
        dtype: ``bfloat16`` or ``float32``.
        attention: ``sdpa``, ``eager`` or ``flash_attention_2``.
        quantized_beside: towers that stay as they are while every other linear layer but the head is loaded in 4 bits,
            on the GPU of this process where there is one; ``None`` quantises nothing.

    Raises:
        ConfigError: a dtype or attention that this machine does not have, or a checkpoint that transformers cannot
            load whole.
        DependencyError: transformers, the attention library or bitsandbytes is not installed.
    """
    if dtype not in DTYPES:
        why = f"; {NO_FLOAT16}" if dtype == "float16" else did_you_mean(dtype, DTYPES)
        raise ConfigError(f"unknown dtype {dtype!r}{why}", where="model.dtype", fix=f"use {' or '.join(DTYPES)}")
    try:
        import torch
        from transformers import AutoModelForImageTextToText, AutoProcessor
    except ImportError as error:
        raise DependencyError(f"loading a model needs more: {error}", where=checkpoint, fix=INSTALL) from error
    if attention.startswith("flash"):
        require_flash_attention()
    four_bits = {} if quantized_beside is None else {"quantization_config": four_bit(dtype, quantized_beside)}
    quiet_bars()
    try:
        processor = AutoProcessor.from_pretrained(checkpoint, revision=revision)
        model, report = AutoModelForImageTextToText.from_pretrained(
            checkpoint,
            revision=revision,
            dtype=getattr(torch, dtype),
            attn_implementation=attention,
            output_loading_info=True,
            **four_bits,
        )
    except ImportError as error:
        fix = f"install it; if it is the attention library, model.attention=sdpa needs none (now {attention})"
        raise DependencyError(str(error).strip(), where=checkpoint, fix=fix) from error
    except Exception as error:  # a damaged file comes out of safetensors or tokenizers as anything, even this
        raise unloadable(checkpoint, revision, error) from error
    if missing := sorted(report["missing_keys"]):
        # Transformers only warns, and goes on with random numbers in their place.
        gap = MedftError(f"{len(missing)} of its weights are missing, the first is {missing[0]}")
        raise unloadable(checkpoint, revision, gap)
    if quantized_beside is not None:
        require_whole(model, quantized_beside)
        keep_trainable_on_cpu(model)
    return Loaded(model.eval(), processor)


def require_flash_attention() -> None:
    """Whether this machine can run FlashAttention 2.

    Raises:
        ConfigError: no GPU, or one that is too old.
        DependencyError: the package is not installed.
    """
    import torch

    where, otherwise = "model.attention", "model.attention=sdpa needs neither and is nearly as fast"
    if not torch.cuda.is_available():
        raise ConfigError("flash_attention_2 runs on a GPU, and none is visible", where=where, fix=otherwise)
    if (capability := torch.cuda.get_device_capability()) < (8, 0):
        name = f"{torch.cuda.get_device_name()}, compute capability {capability[0]}.{capability[1]}"
        what = f"flash_attention_2 needs a GPU of compute capability 8.0 or newer, and this is {name}"
        raise ConfigError(what, where=where, fix=otherwise)
    # Transformers takes the same code from the Hub where the package `kernels` is installed instead.
    if find_spec("flash_attn") is None and find_spec("kernels") is None:
        fix = f"pip install flash-attn --no-build-isolation; or {otherwise}"
        raise DependencyError("flash_attention_2 needs flash-attn, which is not installed", where=where, fix=fix)


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
