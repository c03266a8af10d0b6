"""What ``train.method`` and ``towers`` do to a model before and after the trainer takes it."""

from __future__ import annotations

from typing import Any

from medft_bm.config.schema import Config
from medft_bm.models.base import ModelFamily
from medft_bm.train.liger import require_liger
from medft_bm.train.lora import lora_config
from medft_bm.train.optimizer import OwnRates
from medft_bm.train.towers import freeze, parts_with, plan_towers
from medft_bm.train.trainable import Trainable, check_trainable, in_float32


def adapters_for(config: Config, family: ModelFamily, model: Any) -> Any:
    """PEFT's configuration for a model as loaded; ``None`` when all of it is trained, after freezing what is not.

    Raises:
        ConfigError: see :func:`~medft_bm.train.towers.plan_towers`, :func:`~medft_bm.train.lora.lora_config` and
            :func:`~medft_bm.train.liger.require_liger`.
        DependencyError: liger-kernel is asked for and not installed.
    """
    plans, full = plan_towers(config, family), config.train.method == "full"
    if config.train.liger:
        require_liger(model.config.model_type, wrapped_towers=not full and bool(parts_with(plans, "full")))
    if full:
        freeze(model, plans, family)
        return None
    return lora_config(config, plans, model, family)


def settle(trainer: Any, config: Config, family: ModelFamily) -> Trainable:
    """Dtype and learning rates of what is trained, on a trainer that is ready to start; checked and written down.

    Raises:
        MedftError: see :func:`~medft_bm.train.trainable.check_trainable`.
    """
    plans = plan_towers(config, family)
    # DeepSpeed keeps a float32 copy of its own, and wants one dtype throughout.
    if config.train.method != "full" and not trainer.is_deepspeed_enabled:
        in_float32(trainer.model)
    if any(plan.lr != config.train.lr for plan in plans.values()):
        trainer.own_rates = OwnRates(plans, family)
    made = check_trainable(trainer.model, config.train.method, plans, family)
    if trainer.is_world_process_zero():
        made.write(config.run.folder)
    return made
