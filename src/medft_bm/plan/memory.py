"""Memory of a training by part, on each of the GPUs that share it."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import torch

from medft_bm.plan.skeleton import Skeleton
from medft_bm.plan.trace import Activations

GIB = 2**30
CONTEXT = 0.6 * GIB
"""What CUDA, its libraries and kernels take before the first tensor; a usual figure."""
FRAGMENTS = 0.05
"""Share of all tensors' memory that lies idle between them; a usual figure."""
BUCKET = 200_000_000
"""Numbers that DeepSpeed sums over processes at a time, as in this package's presets."""


@dataclass(frozen=True)
class Memory:
    """Bytes on one GPU at the worst moment of a step.

    Attributes:
        weights: that stay on this GPU.
        gradients: of what is trained, in the buffers they are summed in too.
        optimizer: state of the optimiser, and DeepSpeed's copy of the weights in float32.
        activations: see :class:`~medft_bm.plan.trace.Activations`.
        gathered: weights that are put together, or turned back from 4 bits, for the layer at work.
        reserve: CUDA itself, and memory lost to fragmentation.
        host: bytes per process in the machine's own memory, with offloading.
    """

    weights: float
    gradients: float
    optimizer: float
    activations: float
    gathered: float
    reserve: float
    host: float = 0

    @property
    def total(self) -> float:
        """On the GPU, all together."""
        return sum(value for name, value in self.parts().items() if name != "host")

    def parts(self) -> dict[str, float]:
        """Every part by name."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class Weights:
    """What a model weighs, before it is shared out.

    Attributes:
        frozen: bytes of weights and buffers that do not change.
        trained: numbers that change, and their number of bytes each.
        trained_bytes: bytes of each.
        largest_layer: numbers in the largest layer that is put together at a time.
        outside: numbers outside of such layers, like the word embeddings.
        dequantized: bytes of the largest weight turned back from 4 bits.
    """

    frozen: float
    trained: int
    trained_bytes: int
    largest_layer: int
    outside: int
    dequantized: float

    @classmethod
    def of(cls, skeleton: Skeleton) -> Weights:
        """Count a model on the meta device."""
        shared = {id(tensor): tensor for tensor in (*skeleton.model.parameters(), *skeleton.model.buffers())}
        trained = [tensor for tensor in shared.values() if tensor.requires_grad]
        frozen = sum(tensor.nbytes for tensor in shared.values() if not tensor.requires_grad)
        wide = skeleton.base.get_input_embeddings().weight.element_size()
        packed = sum(four_bit_bytes(size) - size * wide for size in skeleton.quantized.values())
        layers = [sum(weight.numel() for weight in layer.parameters()) for layer in _layers(skeleton.model)]
        whole = sum(weight.numel() for weight in skeleton.model.parameters())
        return cls(
            frozen=frozen + packed,
            trained=sum(tensor.numel() for tensor in trained),
            trained_bytes=max((tensor.element_size() for tensor in trained), default=4),
            largest_layer=max(layers, default=whole),
            outside=whole - sum(layers),
            dequantized=wide * max(skeleton.quantized.values(), default=0),
        )


def four_bit_bytes(size: int) -> float:
    """Bytes of a weight held by bitsandbytes as 4-bit NormalFloat with doubly quantised scales.

    Two numbers per byte; a byte of scale per 64 numbers; four bytes per 256 scales; and two tables.
    """
    blocks = math.ceil(size / 64)
    return size / 2 + blocks + 4 * math.ceil(blocks / 256) + 4 * (16 + 256 + 1)


def memory(weights: Weights, activations: Activations, strategy: str, gpus: int, *, optimizer_bytes: int) -> Memory:
    """What one of several GPUs has to hold.

    Args:
        weights: of the model.
        activations: of its micro-batch.
        strategy: as in ``train.strategy``; ``auto`` is ``ddp``.
        gpus: that share the training.
        optimizer_bytes: of state per trained number.
    """
    offload = strategy.endswith("_offload")
    if strategy.startswith("zero"):
        static = _zero(weights, 3 if strategy.startswith("zero3") else 2, gpus, optimizer_bytes, offload=offload)
    elif strategy == "fsdp":
        static = _fsdp(weights, gpus, optimizer_bytes)
    else:
        static = _ddp(weights, gpus, optimizer_bytes)
    used = static.total + activations.peak
    return dataclasses.replace(static, activations=activations.peak, reserve=CONTEXT + FRAGMENTS * used)


def _ddp(weights: Weights, gpus: int, optimizer_bytes: int) -> Memory:
    own = weights.trained * weights.trained_bytes
    return Memory(
        weights=weights.frozen + own,
        gradients=own * (2 if gpus > 1 else 1),  # and once more in the buckets that are sent
        optimizer=weights.trained * optimizer_bytes,
        activations=0,
        gathered=weights.dequantized,
        reserve=0,
    )


def _zero(weights: Weights, stage: int, gpus: int, optimizer_bytes: int, *, offload: bool) -> Memory:
    """DeepSpeed holds what is trained in bfloat16, with a float32 copy beside the optimiser's state."""
    trained, state = 2 * weights.trained, weights.trained * (4 + optimizer_bytes) / gpus
    shared = stage == 3
    kept = (weights.frozen + trained) / gpus if shared else weights.frozen + trained
    gathered = 2 * (weights.outside + 2 * weights.largest_layer) if shared else 0
    bucket = 2 * 2 * min(weights.trained, BUCKET)  # one is filled while another one is sent
    gradients = trained / gpus
    return Memory(
        weights=0 if shared and offload else kept,
        gradients=bucket + (0 if offload else gradients),
        optimizer=0 if offload else state,
        activations=0,
        gathered=gathered + weights.dequantized,
        reserve=0,
        host=(state + gradients + (kept if shared else 0)) if offload else 0,
    )


def _fsdp(weights: Weights, gpus: int, optimizer_bytes: int) -> Memory:
    own = weights.trained * weights.trained_bytes
    return Memory(
        weights=(weights.frozen + own) / gpus,
        gradients=own / gpus,
        optimizer=weights.trained * optimizer_bytes / gpus,
        activations=0,
        gathered=2 * (weights.outside + 2 * weights.largest_layer) + weights.dequantized,
        reserve=0,
    )


def _layers(model: Any) -> list[torch.nn.Module]:
    from transformers.modeling_layers import GradientCheckpointingLayer

    return [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
