"""Does it fit on a GPU, with which settings, and how long will it take?"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from medft_bm.config.training import Train
from medft_bm.core.errors import ConfigError
from medft_bm.core.registry import did_you_mean
from medft_bm.plan.activations import Growth
from medft_bm.plan.memory import GIB, Memory, Weights, memory
from medft_bm.train.gpus import GPUS, Gpu, find_gpu

USABLE = 0.94
"""Share of the memory on a GPU's label that programs get: where error correction takes its part of it."""
ASSUMED_USE = 0.35
"""Share of a GPU's peak that training is assumed to reach; a usual figure for models of some billion weights."""
DEFAULT = ("L4", "RTX-4090", "L40S", "A100-40GB", "A100-80GB", "H100", "H200", "B200")
MOST_SAMPLES = 16
"""Micro-batches larger than this, and than the config's own, are not suggested: a GPU is busy long before."""
SHARED = ("zero2", "fsdp", "zero3")
OFFLOADED = ("zero2_offload", "zero3_offload")


@dataclass(frozen=True)
class Machine:
    """Some GPUs of one kind.

    Attributes:
        gpu: kind.
        count: how many.
    """

    gpu: Gpu
    count: int

    @property
    def name(self) -> str:
        """As a user writes it."""
        return self.gpu.name if self.count == 1 else f"{self.count}x{self.gpu.name}"

    @property
    def usable(self) -> float:
        """Bytes of each GPU that a program can have."""
        return USABLE * self.gpu.memory_gib * GIB


@dataclass(frozen=True)
class Choice:
    """Settings that decide on memory, with what they lead to.

    Attributes:
        device_batch: as ``train.device_batch``.
        accumulation: as ``train.accumulation``.
        checkpointing: as ``train.gradient_checkpointing``.
        strategy: as ``train.strategy``.
        memory: on each GPU.
    """

    device_batch: int
    accumulation: int
    checkpointing: bool
    strategy: str
    memory: Memory


@dataclass(frozen=True)
class Estimator:
    """Memory of any settings.

    Attributes:
        weights: of the model.
        growth: activations, by whether they are recomputed.
        train: the config's section; its product of ``device_batch`` and ``accumulation`` is kept.
    """

    weights: Weights
    growth: Mapping[bool, Growth]
    train: Train

    def configured(self, count: int) -> Choice:
        """As the config has it, on so many GPUs."""
        train = self.train
        return self.choice(train.device_batch, train.gradient_checkpointing, self._strategy, count)

    def choice(self, device_batch: int, checkpointing: bool, strategy: str, count: int) -> Choice:
        """One combination of settings."""
        together = self.train.device_batch * self.train.accumulation
        activations = self.growth[checkpointing].of(device_batch)
        needs = memory(self.weights, activations, strategy, count, optimizer_bytes=optimizer_bytes(self.train))
        return Choice(device_batch, together // device_batch, checkpointing, strategy, needs)

    def suggest(self, machine: Machine) -> Choice | None:
        """The first that fits, from fast to slow; ``None`` when nothing does."""
        fitting = (one for one in self._from_fast_to_slow(machine.count) if one.memory.total <= machine.usable)
        return next(fitting, None)

    @property
    def _strategy(self) -> str:
        if self.train.sft.get("fsdp"):
            return "fsdp"
        return "ddp" if self.train.strategy == "auto" else self.train.strategy

    def _from_fast_to_slow(self, count: int) -> Iterator[Choice]:
        together = self.train.device_batch * self.train.accumulation
        batches = [
            size
            for size in range(min(together, max(MOST_SAMPLES, self.train.device_batch)), 0, -1)
            if together % size == 0
        ]
        strategies = ["ddp", *(SHARED if count > 1 else ()), *OFFLOADED]
        for strategy in strategies:
            if self.train.method == "qlora" and strategy.startswith("zero3"):
                continue  # cuts every weight into slices, and those of 4 bits can only be used whole
            for checkpointing in (False, True):
                for batch in batches:
                    yield self.choice(batch, checkpointing, strategy, count)


@dataclass(frozen=True)
class Duration:
    """How long a training takes at :data:`ASSUMED_USE` of the peak.

    Attributes:
        steps: of the optimiser.
        hours: by the clock.
        cost: in the unit of the price; ``None`` without one.
    """

    steps: int
    hours: float
    cost: float | None


def duration(machine: Machine, steps: int, samples: int, operations: float, price: float | None) -> Duration | None:
    """Time for a whole training; ``None`` where the GPU's peak in bfloat16 is not known.

    Args:
        machine: that trains.
        steps: of the optimiser.
        samples: in all of them, over all GPUs.
        operations: per sample, with what is computed twice.
        price: of one GPU for an hour.
    """
    peak = machine.count * (machine.gpu.tflops or 0) * 1e12
    hours = samples * operations / (peak * ASSUMED_USE) / 3600
    return Duration(steps, hours, None if price is None else price * hours * machine.count)


def extent(train: Train, rows: int, count: int) -> tuple[int, int]:
    """Steps of the optimiser, and samples in all of them.

    Args:
        train: the config's section.
        rows: training samples.
        count: processes.
    """
    step = train.device_batch * train.accumulation * count
    per_epoch = math.ceil(math.ceil(rows / (train.device_batch * count)) / train.accumulation)
    steps = train.max_steps if train.max_steps > 0 else math.ceil(train.epochs * per_epoch)
    return steps, min(steps * step, math.ceil(steps / per_epoch * rows))


def machines(words: list[str]) -> list[Machine]:
    """From words like ``L4`` and ``8xH100``; the usual ones when there are none.

    Raises:
        ConfigError: a GPU that is not in the table.
    """
    return [_machine(word) for word in words or DEFAULT]


def optimizer_bytes(train: Train) -> int:
    """State per trained number: two moments of AdamW in float32, or in 8 bits where ``train.sft.optim`` says so."""
    return 2 if "8bit" in str(train.sft.get("optim", "")) else 8


def _machine(word: str) -> Machine:
    count, name = re.match(r"(?:(\d+)x)?(.*)", word).groups()  # type: ignore[union-attr]
    by_name = {gpu.name.lower(): gpu for gpu in GPUS}
    gpu = by_name.get(name.lower()) or find_gpu(name)
    known = [gpu.name for gpu in GPUS if gpu.tflops]
    if gpu is None or int(count or 1) == 0:
        raise ConfigError(
            f"unknown GPU {word!r}{did_you_mean(name, known)}",
            where="--gpu",
            fix=f"known: {', '.join(known)}; several as 8xH100",
        )
    if gpu.tflops is None:
        what = f"{gpu.name} has no bfloat16: a training would be in float32 there, with twice the memory"
        raise ConfigError(what, where="--gpu", fix="choose a GPU of the Ampere generation or newer")
    return Machine(gpu, int(count or 1))
