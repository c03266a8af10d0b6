"""Adapter weights into base weights, one layer at a time, so that memory never holds a second model."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from medft_bm.core.errors import MedftError


def fold(adapted: Any, scratch: Path, adapter: Path) -> Any:
    """The base model with its adapter folded in: sums in float32, kept in the dtype the base is in.

    Weights that transformers reads in the dtype of their file stay mapped to that file. Weights that change are mapped
    to files in ``scratch`` when the model is on the CPU; the system may then drop any of them from memory and read it
    again, which is how 27 billion parameters pass through a few GB.

    Args:
        adapted: base with adapter, as PEFT loads it.
        scratch: empty folder with room for the weights that change; may go once the model is no longer used.
        adapter: where the adapter came from, for messages.

    Raises:
        MedftError: a sum is no number.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = [layer for layer in adapted.modules() if isinstance(layer, BaseTunerLayer)]
    for number, layer in enumerate(layers):
        weight = layer.get_base_layer().weight
        dtype = weight.dtype
        weight.data = weight.data.float()
        try:
            layer.merge(safe_merge=True)
        except ValueError as error:
            raise MedftError(f"the merge failed: {error}", where=str(adapter), fix="train again") from error
        weight.data = _mapped(weight.data.to(dtype), scratch / str(number))
    with warnings.catch_warnings():
        # What is left is to take PEFT's layers out; it would say of every one that it is merged already.
        warnings.filterwarnings("ignore", message="All adapters are already merged")
        return adapted.merge_and_unload()


def _mapped(weight: Any, file: Path) -> Any:
    import torch

    if weight.device.type != "cpu":
        return weight
    mapped = torch.from_file(str(file), shared=True, size=weight.numel(), dtype=weight.dtype).reshape(weight.shape)
    return mapped.copy_(weight)
