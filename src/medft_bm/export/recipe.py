"""How the config would train, in the words that trainers built on transformers share."""

from __future__ import annotations

import shlex

from medft_bm.config.schema import Config
from medft_bm.export.base import Facts


def arguments(config: Config) -> Facts:
    """Fields of ``transformers.TrainingArguments``; the rest of a training is the other project's own business."""
    train = config.train
    return {
        "learning_rate": train.lr,
        "num_train_epochs": train.epochs,
        "max_steps": train.max_steps,
        "per_device_train_batch_size": train.device_batch,
        "gradient_accumulation_steps": train.accumulation,
        "lr_scheduler_type": train.schedule,
        "weight_decay": train.weight_decay,
        "max_grad_norm": train.max_grad_norm,
        "seed": config.run.seed,
        "bf16": True,
    }


def adapters(config: Config) -> Facts:
    """Rank, alpha and dropout of LoRA under their usual names; nothing where every weight is trained."""
    if config.train.method == "full":
        return {}
    alpha = config.lora.alpha
    return {
        "lora_rank": config.lora.rank,
        "lora_alpha": int(alpha) if alpha == int(alpha) else alpha,
        "lora_dropout": config.lora.dropout,
    }


def options(facts: Facts) -> str:
    """The same as words of a shell command, one option a line."""
    return " \\\n  ".join(f"--{name} {shlex.quote(str(value))}" for name, value in facts.items())
