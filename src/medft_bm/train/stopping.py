"""Which weights become the result, and when a training stops early: transformers' means, by our measure."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from transformers import EarlyStoppingCallback, TrainerCallback

from medft_bm.config.training import Best

log = logging.getLogger(__name__)

Judge: TypeAlias = Callable[[Any, Any, int], Mapping[str, float]]
"""From model, processor and step to numbers by name: what the model's replies on validation samples are worth.

Every process calls it, and every process gets the same numbers back.
"""


def best_callbacks(best: Best) -> list[Any]:
    """What watches over the best checkpoint while training."""
    early = [EarlyStoppingCallback(early_stopping_patience=best.patience)] if best.patience else []
    return [BestStaysFound(), *early] if best.metric != "none" else []


class BestStaysFound(TrainerCallback):  # type: ignore[misc]
    """Finds the best checkpoint again when a run goes on in another place than it started in."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Called by the trainer when the state of a checkpoint, if any, is restored."""
        if state.best_global_step is None or state.best_model_checkpoint is not None:
            return
        moved = Path(args.output_dir) / f"checkpoint-{state.best_global_step}"
        if moved.is_dir():
            state.best_model_checkpoint = str(moved)
        else:
            log.warning("the best checkpoint so far, of step %d, is gone; looking anew", state.best_global_step)
            state.best_metric = state.best_global_step = None


def judged(trainer: Any, judge: Judge) -> dict[str, float]:
    """The judge's numbers in the form of evaluation metrics; the model is left in the mode it was in."""
    mode = trainer.model.training
    with trainer.accelerator.autocast():
        numbers = judge(trainer.model, trainer.processing_class, trainer.state.global_step)
    trainer.model.train(mode)
    return {f"eval_{name}": float(value) for name, value in numbers.items()}


@contextmanager
def same_randomness() -> Iterator[None]:
    """What is drawn inside changes nothing that is drawn afterwards.

    Each pass over a validation set draws a seed for its loader, so that how often a training evaluates would
    otherwise change its dropout, and its weights.
    """
    import numpy as np
    import torch

    python, numpy = random.getstate(), np.random.get_state()
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        yield
    random.setstate(python)
    np.random.set_state(numpy)
