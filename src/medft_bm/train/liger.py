"""Triton kernels of liger-kernel, where they can be had."""

from __future__ import annotations

from importlib.util import find_spec

from medft_bm.core.errors import ConfigError, DependencyError


def require_liger(model_type: str, wrapped_towers: bool) -> None:
    """Whether ``train.liger`` can do what it says; transformers would only note that it does nothing.

    Args:
        model_type: as in the checkpoint's ``config.json``.
        wrapped_towers: whether PEFT wraps modules that are trained whole, which the kernels do not look into.

    Raises:
        ConfigError: no GPU, no kernels for this architecture, or wrapped towers.
        DependencyError: the package is not installed.
    """
    import torch

    where, fix = "train.liger", "set train.liger=false"
    if find_spec("liger_kernel") is None:
        raise DependencyError("liger-kernel is not installed", where=where, fix=f"pip install liger-kernel, or {fix}")
    if not torch.cuda.is_available():
        raise ConfigError("the kernels of liger-kernel run on a GPU, and none is visible", where=where, fix=fix)
    from liger_kernel.transformers.monkey_patch import MODEL_TYPE_TO_APPLY_LIGER_FN

    if model_type not in MODEL_TYPE_TO_APPLY_LIGER_FN:
        raise ConfigError(f"liger-kernel has no kernels for the model type {model_type!r}", where=where, fix=fix)
    if wrapped_towers:
        what = "liger-kernel does not reach into towers that are trained whole beside adapters"
        raise ConfigError(what, where=where, fix=f"{fix}, or train those towers by lora")
