"""From a trainer that is ready to weights that are trained: started, interrupted and continued."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch.optim.lr_scheduler import LambdaLR
from transformers import TrainerCallback

from medft_bm.config.schema import Config
from medft_bm.config.training import Train
from medft_bm.core.errors import ConfigError, MedftError
from medft_bm.train.environment import describe_environment
from medft_bm.train.record import write_record
from medft_bm.train.resume import Start, clear_after
from medft_bm.train.signals import StopOnSignal, stop_signals
from medft_bm.train.stopping import Judge, best_callbacks

if TYPE_CHECKING:
    from medft_bm.prepare.dataset import Prepared

log = logging.getLogger(__name__)

LIGHTER = {"full": "lora", "lora": "qlora"}


def fit(trainer: Any, start: Start, prepared: Prepared, config: Config, judge: Judge | None) -> None:
    """Train from where the run folder stands to the end.

    Args:
        trainer: ready to train; all processes call this.
        start: where.
        prepared: what the trainer's rows are of.
        config: resolved.
        judge: asked at every evaluation; needed for ``train.best.metric`` skill.

    Raises:
        ConfigError: ``train.best`` needs a judge.
        MedftError: the memory does not suffice, or the loss is no number.
        StoppedError: the process was asked to stop; the step is saved.
    """
    if config.train.best.metric == "skill" and judge is None:
        fix = "give train_model a judge, as `medft train` does, or set train.best.metric=loss"
        raise ConfigError("skill needs somebody to judge replies", where="train.best.metric", fix=fix)
    trainer.judge = judge
    for callback in (RateOfSchedule(), *best_callbacks(config.train.best)):
        trainer.add_callback(callback)
    if trainer.is_world_process_zero():
        _open_run(trainer, start, prepared, config)
    trainer.accelerator.wait_for_everyone()
    with stop_signals() as inbox, _enough_memory(config.train):
        trainer.add_callback(StopOnSignal(inbox))
        trainer.train(resume_from_checkpoint=str(start.checkpoint) if start.checkpoint else None)
        if trainer.args.eval_strategy != "no" and not _just_evaluated(trainer):
            trainer.evaluate()


def _open_run(trainer: Any, start: Start, prepared: Prepared, config: Config) -> None:
    run = config.run.folder
    if start.checkpoint is not None:
        log.info("going on from %s", start.checkpoint)
    clear_after(start, run)
    write_record(config, prepared.folder.name, finished=False)
    facts = describe_environment(trainer.args.world_size)
    (run / "environment.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def _just_evaluated(trainer: Any) -> bool:
    lines = [line for line in trainer.state.log_history if "eval_loss" in line]
    return bool(lines) and lines[-1]["step"] == trainer.state.global_step


@contextmanager
def _enough_memory(train: Train) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        smaller = f"train.device_batch={train.device_batch // 2} with twice the train.accumulation"
        advice = [smaller] if train.device_batch > 1 else []
        advice += [] if train.gradient_checkpointing else ["train.gradient_checkpointing=true"]
        advice += [f"train.method={LIGHTER[train.method]}"] if train.method in LIGHTER else []
        raise MedftError(
            f"out of accelerator memory with {train.device_batch} sample(s) per device at a time",
            where="train.device_batch",
            fix=f"{', or '.join([*advice, 'a smaller model'])}; `medft plan` says what fits",
        ) from error


class RateOfSchedule(TrainerCallback):  # type: ignore[misc]
    """Starts at the learning rate that the schedule has at this step.

    A prolonged training has another schedule, but transformers takes the rate of the first step from the checkpoint,
    which is 0 where the shorter training ended.
    """

    def on_train_begin(self, args: Any, state: Any, control: Any, lr_scheduler: Any = None, **_: Any) -> None:
        """Called by the trainer when optimiser and schedule are restored."""
        if isinstance(lr_scheduler, LambdaLR):
            factors = [factor(lr_scheduler.last_epoch) for factor in lr_scheduler.lr_lambdas]
            rates = [rate * factor for rate, factor in zip(lr_scheduler.base_lrs, factors, strict=True)]
            lr_scheduler._last_lr = rates
            for group, rate in zip(lr_scheduler.optimizer.param_groups, rates, strict=True):
                group["lr"] = rate
