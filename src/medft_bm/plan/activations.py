"""Memory of a forward and backward pass, for any number of samples and layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from medft_bm.models.base import Part
from medft_bm.plan.skeleton import Precision, Skeleton
from medft_bm.plan.trace import Activations, Largest, trace
from medft_bm.train.towers import tower_of

FEW, MORE = 2, 3
"""Layers of every tower that are run: the first layer may differ, since what comes to it need not have gradients."""


@dataclass(frozen=True)
class Growth:
    """Activations of any number of samples in a batch.

    Attributes:
        one: of a single sample, which needs no padding, and where all tokens attend to what precedes them no mask.
        two: of two.
        three: of three; every further sample adds as much as the third one.
    """

    one: Activations
    two: Activations
    three: Activations

    def of(self, samples: int) -> Activations:
        """Of so many samples in a batch."""
        return self.one if samples == 1 else _further(self.two, self.three, samples - 2)


def growth(skeleton: Skeleton, largest: Largest, precision: Precision, *, checkpointing: bool) -> Growth:
    """Activations of batches of the largest sample.

    Args:
        skeleton: of the model.
        largest: sample.
        precision: of the training.
        checkpointing: whether activations are recomputed.
    """
    sizes = (1, 2, 3)
    return Growth(*(activations(skeleton, largest, n, precision, checkpointing=checkpointing) for n in sizes))


def activations(
    skeleton: Skeleton, largest: Largest, samples: int, precision: Precision, *, checkpointing: bool
) -> Activations:
    """Run a few layers of both towers; each further layer keeps what the last of these keeps."""
    depths = {part: len(layers) for part, _, _, layers in _stacks(skeleton)}
    traces = []
    for depth in (FEW, MORE):
        with _only(skeleton, depth):
            traces.append(trace(skeleton, largest, samples, precision, checkpointing=checkpointing))
    few, more = traces
    kept = {}
    for part, depth in depths.items():
        for name in (part, f"{part}_rounded"):
            step = getattr(more, name) - getattr(few, name)
            kept[name] = getattr(more, name) + max(0, depth - MORE) * step
    return dataclasses.replace(more, **kept)


def _further(first: Activations, second: Activations, times: int) -> Activations:
    pairs = zip(dataclasses.astuple(first), dataclasses.astuple(second), strict=True)
    return Activations(*(one + times * (other - one) for one, other in pairs))


def _stacks(skeleton: Skeleton) -> Iterator[tuple[Part, Any, str, Any]]:
    """Lists of layers that are alike: tower, the module that holds the list, its name there, and the list."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    for path, owner in skeleton.model.named_modules():
        for name, layers in owner.named_children():
            alike = isinstance(layers, torch.nn.ModuleList) and all(
                any(isinstance(inside, GradientCheckpointingLayer) for inside in layer.modules()) for layer in layers
            )
            if alike and len(layers):
                yield tower_of(f"{path}.{name}.0", skeleton.family), owner, name, layers


@contextmanager
def _only(skeleton: Skeleton, depth: int) -> Iterator[None]:
    stacks = list(_stacks(skeleton))
    try:
        for _, owner, name, layers in stacks:
            setattr(owner, name, torch.nn.ModuleList(list(layers)[:depth]))
        yield
    finally:
        for _, owner, name, layers in stacks:
            setattr(owner, name, layers)
