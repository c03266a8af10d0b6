"""The config's words in terms of TRL's SFTConfig."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medft_bm.config.schema import Config
from medft_bm.config.training import Train
from medft_bm.core.errors import ConfigError
from medft_bm.core.registry import did_you_mean

OWN_KEYS: Mapping[str, str] = {
    "num_train_epochs": "train.epochs",
    "max_steps": "train.max_steps",
    "learning_rate": "train.lr",
    "lr_scheduler_type": "train.schedule",
    "warmup_steps": "train.warmup",
    "weight_decay": "train.weight_decay",
    "max_grad_norm": "train.max_grad_norm",
    "per_device_train_batch_size": "train.device_batch",
    "gradient_accumulation_steps": "train.accumulation",
    "gradient_checkpointing": "train.gradient_checkpointing",
    "activation_checkpointing": "train.gradient_checkpointing",
    "logging_steps": "train.logging_steps",
    "save_steps": "train.save_steps",
    "eval_steps": "train.eval_steps",
    "save_total_limit": "train.save_limit",
    "report_to": "train.report_to",
    "dataloader_num_workers": "train.workers",
    "seed": "run.seed",
    "output_dir": "run.folder",
}
FIXED: Mapping[str, str] = {
    "fp16": "activations of Gemma 3 exceed the range of float16 and become NaN without an error; bfloat16 is used",
    "bf16": "it follows the device: on with CUDA, off without",
    "use_cpu": "it follows the device",
    "max_length": "cutting a row would cut its image or its answer",
    "completion_only_loss": "the loss is on the answer alone",
    "assistant_only_loss": "the loss is on the answer alone",
    "packing": "rows with images cannot be packed",
    "padding_free": "rows with images cannot be packed",
    "remove_unused_columns": "images are decoded from columns that the trainer would drop",
    "eval_strategy": "it follows the validation split",
    "load_best_model_at_end": "transformers 5 reloads a vision-language model wrongly (issue 43701)",
    "logging_nan_inf_filter": "it would hide a loss that is no number",
    "push_to_hub": "nothing is uploaded while training",
}
FOR_IMAGES: Mapping[str, Any] = {
    "max_length": None,
    "completion_only_loss": True,
    "remove_unused_columns": False,
    "logging_nan_inf_filter": False,
}


def check_sft_names(sft: Mapping[str, Any], known: set[str]) -> None:
    """Refuse what cannot be set under ``train.sft``, every problem at once.

    Raises:
        ConfigError: an unknown field, one that has a key of its own, or one that has to stay as it is.
    """
    problems = []
    for name in sft:
        if name in OWN_KEYS:
            problems.append(f"{name} is set by {OWN_KEYS[name]}")
        elif name in FIXED:
            problems.append(f"{name} is fixed: {FIXED[name]}")
        elif name not in known:
            problems.append(f"{name} is no field of SFTConfig{did_you_mean(name, known)}")
    if problems:
        raise ConfigError("; ".join(problems), where="train.sft", fix="remove or correct them")


def sft_config(config: Config, *, validate: bool) -> Any:
    """TRL's configuration for this run, on this machine.

    Args:
        config: resolved.
        validate: whether there are validation rows.

    Raises:
        ConfigError: see :func:`check_sft_names`; or several GPUs without a launcher.
    """
    import torch
    from trl import SFTConfig

    known = {field.name for field in dataclasses.fields(SFTConfig)}
    check_sft_names(config.train.sft, known)
    cuda = torch.cuda.is_available()
    settings = {
        "output_dir": str(checkpoints_folder(config.run.folder)),
        "seed": config.run.seed,
        **_schedule(config.train, validate=validate),
        **_checkpointing(config.train.gradient_checkpointing, known),
        **_machine(cuda, bf16=cuda and torch.cuda.is_bf16_supported()),
        **FOR_IMAGES,
        **config.train.sft,
    }
    try:
        made = SFTConfig(**settings)
    except (TypeError, ValueError) as error:
        fix = "correct that field, in train or in train.sft"
        raise ConfigError(f"SFTConfig refuses the settings: {error}", where="train", fix=fix) from error
    if made.n_gpu > 1:
        raise ConfigError(
            f"{made.n_gpu} GPUs are visible to one process",
            where="CUDA_VISIBLE_DEVICES",
            fix="start with `accelerate launch -m medft_bm.cli.main train ...`, or set CUDA_VISIBLE_DEVICES to one",
        )
    return made


def checkpoints_folder(run: Path) -> Path:
    """Where the trainer keeps what a restart needs."""
    return run / "checkpoints"


def _schedule(train: Train, *, validate: bool) -> dict[str, Any]:
    return {
        "num_train_epochs": train.epochs,
        "max_steps": train.max_steps,
        "learning_rate": train.lr,
        "lr_scheduler_type": train.schedule,
        "warmup_steps": train.warmup,  # below 1 it is a share of all steps
        "weight_decay": train.weight_decay,
        "max_grad_norm": train.max_grad_norm,
        "per_device_train_batch_size": train.device_batch,
        "per_device_eval_batch_size": train.device_batch,
        "gradient_accumulation_steps": train.accumulation,
        "logging_steps": train.logging_steps,
        "save_steps": train.save_steps,
        "save_total_limit": train.save_limit,
        "eval_strategy": "steps" if validate else "no",
        "eval_steps": train.eval_steps if validate else None,
        "report_to": train.report_to or "none",
        "dataloader_num_workers": train.workers,
    }


def _checkpointing(on: bool, known: set[str]) -> dict[str, Any]:
    # Transformers 5.23 renamed both fields; TRL still reads the old ones, which then mirror the new.
    name = "activation_checkpointing" if "activation_checkpointing" in known else "gradient_checkpointing"
    return {name: on, f"{name}_kwargs": {"use_reentrant": False} if on else None}


def _machine(cuda: bool, *, bf16: bool) -> dict[str, Any]:
    return {
        "use_cpu": not cuda,
        "bf16": bf16,
        "dataloader_pin_memory": cuda,
        "disable_tqdm": not sys.stderr.isatty(),
    }
