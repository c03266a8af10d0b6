"""Two real steps on the largest samples, here, with what they needed measured beside what was estimated."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import TrainerCallback

from medft_bm.config.schema import Config
from medft_bm.config.training import Best
from medft_bm.core.errors import ConfigError
from medft_bm.models.base import ModelFamily
from medft_bm.plan.activations import activations
from medft_bm.plan.ledger import Ledger
from medft_bm.plan.lengths import Lengths, largest, read_lengths
from medft_bm.plan.machines import optimizer_bytes
from medft_bm.plan.memory import Memory, Weights, memory
from medft_bm.plan.skeleton import Precision, skeleton

if TYPE_CHECKING:
    from medft_bm.prepare.dataset import Prepared

STEPS = 2
"""The second one finds the optimiser's state in memory."""
RATES = ("samples_per_second", "mfu")


class Watch(TrainerCallback):  # type: ignore[misc]
    """Looks at what the trainer holds.

    Attributes:
        gradients: bytes, before an update.
        optimizer: bytes of its state, after an update.
        peak: most bytes at any time; on a CPU without the weights, which were there before.
        cuda: whether the device counts itself.
    """

    def __init__(self) -> None:
        self.gradients = self.optimizer = self.peak = 0
        self.cuda = False

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Called by the trainer when gradients are whole."""
        self.gradients = sum(weight.grad.nbytes for weight in model.parameters() if weight.grad is not None)

    def on_optimizer_step(self, args: Any, state: Any, control: Any, optimizer: Any = None, **_: Any) -> None:
        """Called by the trainer after an update."""
        states = optimizer.state_dict()["state"].values()
        self.optimizer = sum(value.nbytes for one in states for value in one.values() if torch.is_tensor(value))

    @contextmanager
    def counting(self, device: Any) -> Iterator[None]:
        """Count memory inside the block."""
        if device.type == "cuda":
            self.cuda = True
            torch.cuda.reset_peak_memory_stats(device)
            yield
            self.peak = torch.cuda.max_memory_allocated(device)
            return
        with Ledger() as ledger:
            yield
        self.peak = ledger.peak


@dataclass(frozen=True)
class Measured:
    """Bytes, estimated and measured.

    Attributes:
        device: that trained.
        weights: of the model.
        gradients: of what is trained.
        optimizer: its state.
        peak: of everything, without what the device and its libraries take.
        rates: samples per second, and on a known GPU the share of its peak, of all steps but the first.
    """

    device: str
    weights: tuple[float, float]
    gradients: tuple[float, float]
    optimizer: tuple[float, float]
    peak: tuple[float, float]
    rates: dict[str, float]

    def parts(self) -> dict[str, tuple[float, float]]:
        """Estimate and measurement of every part."""
        return {name: getattr(self, name) for name in ("weights", "gradients", "optimizer", "peak")}

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        pairs = {name: dict(zip(("estimated", "measured"), pair, strict=True)) for name, pair in self.parts().items()}
        return {"device": self.device, **pairs, **self.rates}


def dry_run(prepared: Prepared, family: ModelFamily, config: Config, steps: int = STEPS) -> Measured:
    """Train a few steps on the largest samples in a folder that is removed afterwards.

    Args:
        prepared: rows for this family.
        family: bound to the checkpoint.
        config: resolved; its run folder is not touched.
        steps: of the optimiser.

    Raises:
        ConfigError: under a launcher, or a strategy that needs one.
        MedftError: see :func:`medft_bm.train.run.make_trainer`.
    """
    if config.train.strategy not in ("auto", "ddp"):
        what = f"a dry run is on one device, and {config.train.strategy} shares a training among several"
        raise ConfigError(what, where="train.strategy", fix="add train.strategy=auto to the dry run")
    with tempfile.TemporaryDirectory(prefix="medft-plan-") as folder:
        short = _short(config, Path(folder), steps)
        trainer = _trainer(prepared, family, short)
        lengths = read_lengths(prepared, trainer.processing_class)
        rows = lengths.places[np.argsort(lengths.total)[::-1][: short.train.device_batch]]
        repeated = np.resize(rows, steps * short.train.device_batch * short.train.accumulation)
        trainer.train_dataset = trainer.train_dataset.select(repeated.tolist())
        watch = Watch()
        trainer.add_callback(watch)
        weights = sum(weight.nbytes for weight in (*trainer.model.parameters(), *trainer.model.buffers()))
        with watch.counting(trainer.args.device):
            trainer.train()
        estimate, log = _estimate(trainer, prepared, family, short, lengths), trainer.state.log_history[-1]
        return Measured(
            device=str(trainer.args.device),
            weights=(estimate.weights, weights),
            gradients=(estimate.gradients, watch.gradients),
            optimizer=(estimate.optimizer, watch.optimizer),
            peak=(estimate.total - estimate.reserve, watch.peak + (0 if watch.cuda else weights)),
            rates={name: log[name] for name in RATES if name in log},
        )


def _trainer(prepared: Prepared, family: ModelFamily, config: Config) -> Any:
    from medft_bm.train.run import load_model, make_trainer
    from medft_bm.train.settings import sft_config

    arguments = sft_config(config, validate=False)
    return make_trainer(prepared, family, config, load_model(config, family), arguments)


def _short(config: Config, folder: Path, steps: int) -> Config:
    settings = {"max_steps": steps, "resume": "never", "report_to": [], "eval_steps": 0, "workers": 0}
    order = {"sampling": "random", "group_by_length": False, "best": Best()}
    kept = {**config.train.sft, "save_strategy": "no"}
    train = config.train.model_copy(update={**settings, **order, "sft": kept})
    return config.model_copy(update={"train": train, "run": config.run.model_copy(update={"folder": folder})})


def _estimate(trainer: Any, prepared: Prepared, family: ModelFamily, config: Config, lengths: Lengths) -> Memory:
    """What the same step on this device should need."""
    from medft_bm.train.run import training_dtype

    cuda = trainer.args.device.type == "cuda"
    precision = Precision(training_dtype(config), autocast=trainer.args.bf16, cuda=cuda)
    model = skeleton(config, family, precision)
    biggest = largest(lengths, prepared, trainer.processing_class)
    train = config.train
    active = activations(model, biggest, train.device_batch, precision, checkpointing=train.gradient_checkpointing)
    return memory(Weights.of(model), active, "ddp", 1, optimizer_bytes=optimizer_bytes(train))
