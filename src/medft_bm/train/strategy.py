"""How several processes share one training: named strategies, in terms of TRL's SFTConfig."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

from medft_bm.config.training import Train
from medft_bm.core.errors import ConfigError, DependencyError

WHERE = "train.strategy"
OWN = ("deepspeed", "fsdp", "fsdp_config")
"""Fields of SFTConfig with which a user describes a strategy of their own."""
ZERO = ("zero2", "zero3", "zero2_offload", "zero3_offload")
"""DeepSpeed's strategies, each a file in ``presets``."""
FSDP: Mapping[str, Any] = {
    "version": 2,
    "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
    "reshard_after_forward": True,
    "cpu_ram_efficient_loading": True,  # one process reads the weights and hands them out
    "state_dict_type": "FULL_STATE_DICT",  # with sharded ones the trainer would write no adapter and no model
}
LAUNCH = "start with `torchrun --nproc_per_node GPUS -m medft_bm.cli.main train ...`, also for one GPU"


def strategy_settings(train: Train) -> dict[str, Any]:
    """Fields of SFTConfig for ``train.strategy``.

    Every row has an image, so every trained weight takes part in every step: DDP need not search for weights that do
    not, as TRL would have it do.

    Raises:
        ConfigError: a strategy beside files of one's own, with a method it cannot train, or without a launcher.
        DependencyError: DeepSpeed, or the compiler that offloading needs, is missing.
    """
    own = [name for name in OWN if train.sft.get(name)]
    if own and train.strategy != "auto":
        raise ConfigError(
            f"train.strategy is {train.strategy}, and train.sft sets {', '.join(own)} too",
            where=WHERE,
            fix="leave train.strategy at auto to use your own settings, or remove them",
        )
    chosen = own[0] if own else train.strategy
    if chosen in ("auto", "ddp"):
        return {"ddp_find_unused_parameters": False}
    _require_launcher(chosen)
    if chosen == "deepspeed" or chosen in ZERO:
        _require_deepspeed(chosen)
    if chosen in ("zero3", "zero3_offload") and train.method == "qlora":
        raise ConfigError(
            "ZeRO-3 cuts every weight into slices, and weights of 4 bits can only be used whole",
            where=WHERE,
            fix="use ddp or zero2 with qlora, or train.method=lora with zero3",
        )
    if chosen in ZERO:
        return {"deepspeed": json.loads((files(__package__) / "presets" / f"{chosen}.json").read_text("utf-8"))}
    return {"fsdp": True, "fsdp_config": dict(FSDP)} if chosen == "fsdp" and not own else {}


def join_processes(settings: Mapping[str, Any]) -> None:
    """Introduce the processes to each other where DeepSpeed has to know how many they are before a model is made.

    On CUDA the trainer's settings do it; on a CPU they leave ZeRO-3 with a world of one process.

    Args:
        settings: for SFTConfig.
    """
    if not settings.get("deepspeed"):
        return
    import deepspeed

    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    if not settings.get("use_cpu"):
        return
    # A kernel for inference, which DeepSpeed would compile for minutes and training never calls.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed(dist_backend="gloo", auto_mpi_discovery=False, verbose=False)


def shard_by_layer(arguments: Any, model: Any) -> None:
    """Tell FSDP what to cut: every layer of the vision and the language tower on its own.

    The model's own list of such layers names classes that a checkpoint need not have, which FSDP refuses.

    Args:
        arguments: the SFTConfig; changed in place when it is for FSDP and names no layers.
        model: as loaded, before adapters.

    Raises:
        ConfigError: FSDP is asked to recompute activations itself.
    """
    if not arguments.fsdp:
        return
    plugin = arguments.fsdp_plugin_args
    if plugin.get("activation_checkpointing"):
        # Seen with accelerate 1.15: other dropout in the second pass, and names that PEFT does not find when it saves.
        raise ConfigError(
            "FSDP's own activation checkpointing gives wrong gradients with dropout, and saves an empty adapter",
            where="train.sft.fsdp_config",
            fix="remove activation_checkpointing there; train.gradient_checkpointing does the same, correctly",
        )
    import torch
    from torch.distributed.fsdp import MixedPrecisionPolicy
    from transformers.modeling_layers import GradientCheckpointingLayer

    layers = {type(module).__name__ for module in model.modules() if isinstance(module, GradientCheckpointingLayer)}
    plugin.setdefault("transformer_cls_names_to_wrap", ",".join(sorted(layers)))
    if arguments.bf16 and plugin["fsdp_version"] == 2:
        # Accelerate's default also sums gradients and returns the loss in bfloat16.
        policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
        plugin.setdefault("mixed_precision_policy", policy)


def check_strategy(trainer: Any) -> None:
    """Refuse to train in another way than was asked for: where it cannot shard, the trainer quietly falls back to DDP.

    Raises:
        ConfigError: the strategy is not the one that was asked for.
    """
    if trainer.args.fsdp and not trainer.is_fsdp_enabled:
        raise ConfigError("FSDP needs GPUs", where=WHERE, fix="use ddp, or a machine with GPUs")
    if trainer.args.deepspeed and not trainer.is_deepspeed_enabled:
        fix = "start with torchrun, and without ACCELERATE_USE_CPU in the environment"
        raise ConfigError("accelerate keeps DeepSpeed from being used", where=WHERE, fix=fix)


def _require_launcher(strategy: str) -> None:
    from accelerate.utils import get_int_from_env

    if get_int_from_env(["RANK"], -1) < 0:
        raise ConfigError(f"{strategy} needs a launcher, even for one process", where=WHERE, fix=LAUNCH)


def _require_deepspeed(strategy: str) -> None:
    if find_spec("deepspeed") is None:
        raise DependencyError(f"{strategy} needs DeepSpeed", where=WHERE, fix="pip install deepspeed")
    if strategy.endswith("_offload"):
        _require_compiler(strategy)


def _require_compiler(strategy: str) -> None:
    from deepspeed.git_version_info import installed_ops
    from torch.utils.cpp_extension import get_cxx_compiler, is_ninja_available

    missing = [] if is_ninja_available() else ["ninja"]
    missing += [] if shutil.which(get_cxx_compiler()) else [get_cxx_compiler()]
    if missing and not installed_ops.get("cpu_adam"):
        raise DependencyError(
            f"{strategy} compiles DeepSpeed's optimiser for the CPU once, which needs {' and '.join(missing)}",
            where=WHERE,
            fix="install them (apt install g++ ninja-build), or choose a strategy without offloading",
        )
