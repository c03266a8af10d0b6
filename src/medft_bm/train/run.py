"""One training, from a prepared dataset to an adapter or a model on disk."""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medft_bm.config.schema import Config
from medft_bm.core.errors import DataError
from medft_bm.models.base import Loaded, ModelFamily
from medft_bm.models.loading import resolve_dtype, save_processor
from medft_bm.train.folders import publish
from medft_bm.train.method import adapters_for, settle
from medft_bm.train.record import write_record
from medft_bm.train.resume import find_start, require_same_steps, result_folder, shared
from medft_bm.train.settings import sft_config
from medft_bm.train.strategy import check_strategy, shard_by_layer
from medft_bm.train.towers import plan_towers

if TYPE_CHECKING:
    from medft_bm.prepare.dataset import Prepared
    from medft_bm.train.stopping import Judge

log = logging.getLogger(__name__)

# A pickle with this machine's paths in it, and an empty form of a model card.
LEFT_OUT = ("training_args.bin", "README.md")


def train_model(
    prepared: Prepared,
    family: ModelFamily,
    config: Config,
    *,
    judge: Judge | None = None,
    trackers: Sequence[Any] | None = None,
) -> Path:
    """Fine-tune on the training split, or go on where the run folder stands; also under a launcher.

    Args:
        prepared: rows for this family and checkpoint.
        family: bound to the checkpoint in ``config.model.name``.
        config: resolved.
        judge: says at every evaluation what the model's replies are worth; ``train.best.metric`` skill needs it.
        trackers: callbacks that get the log; by default those that ``train.report_to`` names.

    Returns:
        ``adapter`` (LoRA) or ``model`` (full) inside ``config.run.folder``.

    Raises:
        ConfigError: a setting cannot be used, or the run folder already holds another training.
        DataError: no training rows.
        MedftError: a check at the start failed, the loss is no number, or the memory does not suffice.
        StoppedError: the process was asked to stop; the step is saved.
    """
    from medft_bm.train.augment import training_items
    from medft_bm.train.checks import StartChecks
    from medft_bm.train.fit import fit
    from medft_bm.train.trackers import closing, trackers_for

    out, start = result_folder(config), find_start(config)
    if start.finished:
        return out
    if not len(prepared.rows("train")):
        raise DataError("there are no training rows", where=str(prepared.folder), fix="see data.limit and data.split")
    trackers = trackers_for(config) if trackers is None else trackers
    plan_towers(config, family)  # refuses what contradicts itself before a model is loaded
    # First of all, because it joins the processes together: DeepSpeed has to know them before a model is made.
    arguments = sft_config(config, validate=len(prepared.rows("validation")) > 0)
    start = shared(start)
    require_same_steps(start, arguments, len(prepared.rows("train")), prepared.folder.name, config.run.folder)
    if arguments.process_index:
        logging.getLogger("medft_bm").setLevel(logging.WARNING)  # one process speaks for all
    loaded = load_model(config, family)
    shard_by_layer(arguments, loaded.model)
    trainer = make_trainer(prepared, family, config, loaded, arguments)
    check_strategy(trainer)
    checks = StartChecks(trainer, training_items(prepared, family, config), family, config.run.folder)
    for callback in (checks, *trackers):
        trainer.add_callback(callback)
    with closing(trackers):
        fit(trainer, start, prepared, config, judge)
        save_result(trainer, out)
    if trainer.is_world_process_zero():
        write_record(config, prepared.folder.name, finished=True)
    return out


def load_model(config: Config, family: ModelFamily) -> Loaded:
    """The model before fine-tuning, in the form that ``train.method`` trains."""
    return family.load(
        config.model.name,
        revision=config.model.revision,
        dtype=training_dtype(config),
        attention=config.model.attention,
        quantized=config.train.method == "qlora",
    )


def training_dtype(config: Config) -> str:
    """Dtype of the weights in memory: adapters train in float32 over any base; all weights only in float32.

    An update of a full fine-tuning is far smaller than the step between two bfloat16 numbers and would be lost.
    """
    if config.train.method == "full" and config.model.dtype == "auto":
        return "float32"
    return resolve_dtype(config.model.dtype)


def make_trainer(prepared: Prepared, family: ModelFamily, config: Config, loaded: Loaded, arguments: Any) -> Any:
    """TRL's trainer over the prepared rows, adapters attached and checked."""
    from transformers.trainer_callback import PrinterCallback

    from medft_bm.train.augment import Epoch, TellEpoch, training_rows
    from medft_bm.train.callbacks import MetricsLog
    from medft_bm.train.inputs import FrozenInputs
    from medft_bm.train.throughput import Throughput
    from medft_bm.train.trainer import About, Trainer

    epoch = Epoch()
    config.run.folder.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # PEFT asks for a name that transformers 5.23 has renamed; nothing a user could do about it.
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)
        trainer = Trainer(
            model=loaded.model,
            args=arguments,
            train_dataset=training_rows(prepared, family, config, epoch),
            eval_dataset=prepared.training_set("validation") if arguments.eval_strategy != "no" else None,
            processing_class=loaded.processor,
            peft_config=adapters_for(config, family, loaded.model),
            callbacks=[MetricsLog(config.run.folder / "metrics.jsonl"), TellEpoch(epoch)],
            about=About.of(prepared, config.train),
        )
    trainer.remove_callback(PrinterCallback)
    settle(trainer, config, family)
    trainer.add_callback(FrozenInputs.of(trainer))
    trainer.throughput = Throughput.of(trainer, family)
    trainer.add_callback(trainer.throughput)
    return trainer


def save_result(trainer: Any, out: Path) -> Path:
    """Adapter or model, processor with chat template, and generation config; all processes call it, one writes."""
    draft = out.with_name(f".{out.name}-saving")
    if trainer.is_world_process_zero():
        shutil.rmtree(draft, ignore_errors=True)
    trainer.accelerator.wait_for_everyone()
    trainer.model.config.use_cache = True  # the trainer switched it off, and it would be saved that way
    trainer.save_model(str(draft))
    trainer.accelerator.wait_for_everyone()
    if trainer.is_world_process_zero():
        trainer.model.generation_config.save_pretrained(draft)
        save_processor(trainer.processing_class, draft)
        for name in LEFT_OUT:
            (draft / name).unlink(missing_ok=True)
        publish(draft, out)
        log.info("saved %s", out)
        _remove_stale(out.with_name("merged"))
    trainer.accelerator.wait_for_everyone()
    return out


def _remove_stale(merged: Path) -> None:
    if merged.is_dir():
        log.info("removing %s: it was made of the adapter before; `medft merge` makes it anew", merged)
        shutil.rmtree(merged)
