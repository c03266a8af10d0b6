"""How fast a training is, where its time goes and what memory it needs; at nearly no cost."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from transformers import TrainerCallback

from medft_bm.models.base import ModelFamily
from medft_bm.train.flops import COUNTS, Operations, count
from medft_bm.train.gpus import find_gpu

log = logging.getLogger(__name__)

GIB = 2**30


@dataclass
class Stretch:
    """Some steps, one after the other; grows with each.

    Attributes:
        counts: what went through them (:data:`~medft_bm.train.flops.COUNTS`), on the device.
        seconds: they took, with what they waited for.
        waited: seconds of these in which the process waited for its data.
        steps: how many.
    """

    counts: Any = 0
    seconds: float = 0.0
    waited: float = 0.0
    steps: int = 0


class Throughput(TrainerCallback):  # type: ignore[misc]
    """Times steps from the moment they ask for their batches; evaluation and saving are left out.

    So is everything up to the end of the first step: it loads kernels, starts workers and may compile.

    Args:
        accelerator: of the trainer.
        config: of the model.
        operations: per thing counted; ``None`` where no utilisation can be stated.
        peak: operations per second of one device at most.
        now: seconds on a clock that never goes back.
    """

    def __init__(
        self,
        accelerator: Any,
        config: Any,
        operations: Operations | None = None,
        peak: float | None = None,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.accelerator = accelerator
        self.config = config
        self.operations = operations
        self.peak = peak
        self.now = now
        self.window, self.whole = Stretch(), Stretch()
        self._warm = False
        self._since: float | None = None

    @classmethod
    def of(cls, trainer: Any, family: ModelFamily) -> Throughput:
        """For a trainer; with utilisation on a GPU whose peak is known and in bfloat16, which that peak is for."""
        accelerator, device = trainer.accelerator, trainer.args.device
        gpu = find_gpu(torch.cuda.get_device_name(device)) if device.type == "cuda" else None
        if gpu is None or gpu.tflops is None or not trainer.args.bf16:
            return cls(accelerator, trainer.model.config)
        return cls(accelerator, trainer.model.config, Operations.of(trainer.model, family), gpu.tflops * 1e12)

    @contextmanager
    def fetching(self) -> Iterator[list[Any]]:
        """Around the fetching of the batches of one step, which are to be put into the list."""
        batches: list[Any] = []
        started = self.now()
        if self._since is None:
            self._since = started
        yield batches
        self.window.waited += self.now() - started
        for batch in batches:
            self.window.counts = self.window.counts + count(batch, self.config)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Called by the trainer after every update."""
        self.window.steps += 1
        if not self._warm:
            self._warm, self.window, self._since = True, Stretch(), None
            self._wait_for_device()
        elif control.should_log or control.should_evaluate or control.should_save:
            self._stop()

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Called by the trainer after every pass."""
        self._stop()

    def line(self) -> dict[str, float]:
        """Rates since the last call, over all processes, all of which have to call it."""
        self._stop()
        window, self.window = self.window, Stretch()
        self.whole = _sum(self.whole, window)
        return {**self._rates(window), **self._memory()}

    def summary(self) -> dict[str, float]:
        """Rates of the whole training, as :meth:`line`; said in the log."""
        rates = {**self.line(), **self._rates(self.whole)}
        if "samples_per_second" in rates:
            log.info("over %d steps: %s", self.whole.steps, ", ".join(_words(rates)))
        return rates

    def _stop(self) -> None:
        if self._since is not None:
            self._wait_for_device()
            self.window.seconds += self.now() - self._since
            self._since = None

    def _rates(self, stretch: Stretch) -> dict[str, float]:
        if not stretch.seconds or not stretch.steps:
            return {}
        sums = dict(zip(COUNTS, self.accelerator.reduce(stretch.counts, "sum").tolist(), strict=True))
        rates = {f"{name}_per_second": sums[name] / stretch.seconds for name in COUNTS[:3]}
        # The slowest to get its data is the one that the others wait for.
        rates["data_wait"] = self._largest(stretch.waited)[0] / stretch.seconds
        if self.operations is not None and self.peak is not None:
            done = self.operations.total(sums) / stretch.seconds
            rates["mfu"] = done / (self.peak * self.accelerator.num_processes)
        return rates

    def _memory(self) -> dict[str, float]:
        import psutil

        names, sizes = ["cpu_memory_gib"], [psutil.Process().memory_info().rss]
        if self.accelerator.device.type == "cuda":
            names += ["gpu_memory_allocated_gib", "gpu_memory_reserved_gib"]
            sizes += [torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()]
        return {name: size / GIB for name, size in zip(names, self._largest(*sizes), strict=True)}

    def _largest(self, *values: float) -> list[float]:
        """The largest of every value over all processes."""
        own = torch.tensor([values], dtype=torch.float64, device=self.accelerator.device)
        largest: list[float] = self.accelerator.gather(own).amax(0).tolist()
        return largest

    def _wait_for_device(self) -> None:
        if self.accelerator.device.type == "cuda":
            torch.cuda.synchronize()


def _sum(one: Stretch, other: Stretch) -> Stretch:
    return Stretch(
        one.counts + other.counts,
        one.seconds + other.seconds,
        one.waited + other.waited,
        one.steps + other.steps,
    )


def _words(rates: Mapping[str, float]) -> Iterator[str]:
    yield f"{rates['samples_per_second']:.3g} samples and {rates['tokens_per_second']:.4g} tokens per second"
    yield f"{rates['data_wait']:.1%} of the time spent waiting for data"
    if "mfu" in rates:
        yield f"{rates['mfu']:.1%} of the GPU's peak used"
    if "gpu_memory_reserved_gib" in rates:
        yield f"{rates['gpu_memory_reserved_gib']:.1f} GiB of GPU memory"
