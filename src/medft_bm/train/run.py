"""One training, from a prepared dataset to an adapter or a model on disk."""

from __future__ import annotations

import json
import logging
import shutil
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medft_bm.config.schema import Config
from medft_bm.core.errors import ConfigError, DataError
from medft_bm.models.base import Loaded, ModelFamily
from medft_bm.models.loading import resolve_dtype, save_processor
from medft_bm.train.environment import describe_environment
from medft_bm.train.folders import publish
from medft_bm.train.labels import check_labels
from medft_bm.train.lora import check_adapters, lora_config
from medft_bm.train.settings import checkpoints_folder, sft_config

if TYPE_CHECKING:
    from medft_bm.prepare.dataset import Prepared

log = logging.getLogger(__name__)

# A pickle with this machine's paths in it, and an empty form of a model card.
LEFT_OUT = ("training_args.bin", "README.md")


def train_model(prepared: Prepared, family: ModelFamily, config: Config) -> Path:
    """Fine-tune on the training split; also under ``accelerate launch`` and ``torchrun``.

    Args:
        prepared: rows for this family and checkpoint.
        family: bound to the checkpoint in ``config.model.name``.
        config: resolved.

    Returns:
        ``adapter`` (LoRA) or ``model`` (full) inside ``config.run.folder``.

    Raises:
        ConfigError: a setting cannot be used, or the run folder already holds a training.
        DataError: no training rows.
        MedftError: a label is wrong, an adapter is missing, or the loss is no number.
    """
    out = require_fresh(config)
    if not len(prepared.rows("train")):
        raise DataError("there are no training rows", where=str(prepared.folder), fix="see data.limit and data.split")
    # First of all, because it joins the processes together: DeepSpeed has to know them before a model is made.
    arguments = sft_config(config, validate=len(prepared.rows("validation")) > 0)
    if arguments.process_index:
        logging.getLogger("medft_bm").setLevel(logging.WARNING)  # one process speaks for all
    loaded = family.load(
        config.model.name,
        revision=config.model.revision,
        dtype=training_dtype(config),
        attention=config.model.attention,
    )
    trainer = make_trainer(prepared, family, config, loaded, arguments)
    check_labels(trainer, prepared.items("train"))
    if trainer.is_world_process_zero():
        _start_logs(config.run.folder, arguments.world_size)
    trainer.train()
    if arguments.eval_strategy != "no" and not _just_evaluated(trainer):
        trainer.evaluate()
    return save_result(trainer, out)


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

    from medft_bm.train.callbacks import FiniteLoss, MetricsLog
    from medft_bm.train.trainer import Trainer

    config.run.folder.mkdir(parents=True, exist_ok=True)
    adapters = lora_config(config.lora, family) if config.train.method == "lora" else None
    with warnings.catch_warnings():
        # PEFT asks for a name that transformers 5.23 has renamed; nothing a user could do about it.
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)
        trainer = Trainer(
            model=loaded.model,
            args=arguments,
            train_dataset=prepared.training_set("train"),
            eval_dataset=prepared.training_set("validation") if arguments.eval_strategy != "no" else None,
            processing_class=loaded.processor,
            peft_config=adapters,
            callbacks=[MetricsLog(config.run.folder / "metrics.jsonl"), FiniteLoss()],
        )
    trainer.remove_callback(PrinterCallback)
    if adapters is not None:
        check_adapters(trainer.model, config.lora, family)
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
    trainer.accelerator.wait_for_everyone()
    return out


def require_fresh(config: Config) -> Path:
    """Where a training will put its adapter or model.

    Raises:
        ConfigError: the run folder already holds a training.
    """
    out = config.run.folder / ("adapter" if config.train.method == "lora" else "model")
    for folder in (out, checkpoints_folder(config.run.folder)):
        if folder.is_dir() and any(folder.iterdir()):
            raise ConfigError(
                "the run folder already holds a training",
                where=str(folder),
                fix="set run.folder to a new folder, or remove this one",
            )
    return out


def _start_logs(run: Path, processes: int) -> None:
    facts = describe_environment(processes)
    (run / "environment.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    (run / "metrics.jsonl").write_text("", encoding="utf-8")  # lines of a start that failed


def _just_evaluated(trainer: Any) -> bool:
    lines = [line for line in trainer.state.log_history if "eval_loss" in line]
    return bool(lines) and lines[-1]["step"] == trainer.state.global_step
