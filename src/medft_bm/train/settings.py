"""The config's words in terms of TRL's SFTConfig."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from medft_bm.config.schema import Config
from medft_bm.config.tracking import OWN_TRACKERS
from medft_bm.config.training import Best, Train
from medft_bm.core.errors import ConfigError
from medft_bm.core.registry import did_you_mean
from medft_bm.train.strategy import join_processes, strategy_settings

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
    "use_liger_kernel": "train.liger",
    "logging_steps": "train.logging_steps",
    "save_steps": "train.save_steps",
    "eval_steps": "train.eval_steps",
    "save_total_limit": "train.save_limit",
    "report_to": "train.report_to",
    "dataloader_num_workers": "train.workers",
    "train_sampling_strategy": "train.sampling and train.group_by_length",
    "eval_strategy": "train.eval_steps",
    "load_best_model_at_end": "train.best.metric",
    "metric_for_best_model": "train.best.metric",
    "greater_is_better": "train.best.metric",
    "resume_from_checkpoint": "train.resume",
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
    "packing": "rows with images cannot be packed: their positions and attention would run on from row to row",
    "padding_free": "rows with images cannot be packed: their positions and attention would run on from row to row",
    "average_tokens_across_devices": "the loss of a step is divided by what all processes count together",
    "remove_unused_columns": "images are decoded from columns that the trainer would drop",
    "save_only_model": "a training could not go on from such a checkpoint",
    "enable_jit_checkpoint": "every training saves on SIGTERM and SIGUSR1, on all processes together",
    "restore_callback_states_from_checkpoint": "patience is restored with train.best, and nothing else has a state",
    "logging_nan_inf_filter": "it would hide a loss that is no number",
    "push_to_hub": "nothing is uploaded while training",
}
SIMPLE = (int, float, bool, int | None, float | None, bool | None)
REMOVED: Mapping[str, str] = {
    "warmup_ratio": "train.warmup",
    "evaluation_strategy": "train.eval_steps",
    "logging_dir": "run.folder",
    "group_by_length": "train.group_by_length",
    "no_cuda": "CUDA_VISIBLE_DEVICES",
    "max_seq_length": "nothing: rows are never cut",
    "save_safetensors": "nothing: weights are always saved so",
    "overwrite_output_dir": "train.resume",
}
"""Fields of earlier versions that people still know, and what does their work."""
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
        elif name in REMOVED and name not in known:
            problems.append(f"{name} is gone; use {REMOVED[name]}")
        elif name not in known:
            problems.append(f"{name} is no field of SFTConfig{did_you_mean(name, known)}")
    if problems:
        raise ConfigError("; ".join(problems), where="train.sft", fix="remove or correct them")


def typed_sft(sft: Mapping[str, Any]) -> dict[str, Any]:
    """``train.sft`` with numbers and switches for the fields that are such: SFTConfig takes any text for them.

    Raises:
        ConfigError: see :func:`check_sft_names`; or a value of another type.
    """
    from trl import SFTConfig

    check_sft_names(sft, {field.name for field in dataclasses.fields(SFTConfig)})
    types, typed, problems = get_type_hints(SFTConfig), dict(sft), []
    for name in (name for name in sft if types[name] in SIMPLE):
        try:
            typed[name] = TypeAdapter(types[name]).validate_python(sft[name])
        except ValidationError as error:
            problems.append(f"{name} is {sft[name]!r}: {error.errors()[0]['msg']}")
    if problems:
        raise ConfigError("; ".join(problems), where="train.sft", fix="correct them")
    return typed


def sft_config(config: Config, *, validate: bool) -> Any:
    """TRL's configuration for this run, on this machine.

    Args:
        config: resolved.
        validate: whether there are validation rows.

    Raises:
        ConfigError: see :func:`typed_sft`; ``train.best`` without validation rows; or several GPUs without a launcher.
    """
    import torch
    from trl import SFTConfig

    known = {field.name for field in dataclasses.fields(SFTConfig)}
    sft = typed_sft(config.train.sft)
    _check_loss(config.train)
    cuda = torch.cuda.is_available()
    settings = {
        "output_dir": str(checkpoints_folder(config.run.folder)),
        "seed": config.run.seed,
        **_schedule(config.train, validate=validate),
        **_checkpointing(config.train.gradient_checkpointing, known),
        **_machine(cuda, bf16=cuda and torch.cuda.is_bf16_supported()),
        **FOR_IMAGES,
        **strategy_settings(config.train),
        **_best(config.train.best, validate=validate),
        **sft,
    }
    join_processes(settings)
    try:
        made = SFTConfig(**settings)
    except (TypeError, ValueError, OSError) as error:
        fix = "correct that field, in train or in train.sft"
        raise ConfigError(f"SFTConfig refuses the settings: {error}", where="train", fix=fix) from error
    if made.n_gpu > 1:
        raise ConfigError(
            f"{made.n_gpu} GPUs are visible to one process",
            where="CUDA_VISIBLE_DEVICES",
            fix="start with `accelerate launch -m medft_bm.cli.main train ...`, or set CUDA_VISIBLE_DEVICES to one",
        )
    return made


def _check_loss(train: Train) -> None:
    own = {"loss_type": "nll", "label_smoothing_factor": 0}
    if clash := [name for name, plain in own.items() if train.loss != "token" and train.sft.get(name, plain) != plain]:
        raise ConfigError(
            f"train.loss={train.loss} weighs plain log-likelihoods, and {' and '.join(clash)} would make them others",
            where="train.sft",
            fix="use train.loss=token with them, or remove them",
        )


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
        "use_liger_kernel": train.liger,
        "logging_steps": train.logging_steps,
        "save_steps": train.save_steps,
        "save_total_limit": train.save_limit,
        "eval_strategy": "steps" if validate and train.eval_steps else "no",
        "eval_steps": train.eval_steps if validate and train.eval_steps else None,
        "report_to": [name for name in train.report_to if name not in OWN_TRACKERS] or "none",
        "dataloader_num_workers": train.workers,
    }


def _best(best: Best, *, validate: bool) -> dict[str, Any]:
    if best.metric == "none":
        return {}
    if not validate:
        raise ConfigError(
            f"{best.metric} cannot be measured: there are no validation samples",
            where="train.best.metric",
            fix="raise data.split.validation or data.limit.validation, or set train.best.metric=none",
        )
    return {
        "load_best_model_at_end": True,
        "metric_for_best_model": best.metric,
        "greater_is_better": best.metric == "skill",
        "restore_callback_states_from_checkpoint": True,  # the patience that is left
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
