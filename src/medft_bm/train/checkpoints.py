"""Checkpoints that are known to be whole, and models that really get the weights in them."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medft_bm.core.errors import MedftError
from medft_bm.train.folders import replace_json

SEAL = "complete.json"
"""Written last, by one process, after all processes have written theirs."""
ZIPPED = (".pt", ".pth", ".bin")


@dataclass(frozen=True)
class Seal:
    """What a checkpoint says of itself.

    Attributes:
        step: optimiser steps done.
        processes: that trained together, each with random numbers of its own in the folder.
        batch: samples per optimiser step, over all processes.
        rows: training samples.
    """

    step: int
    processes: int
    batch: int
    rows: int


def save_whole(trainer: Any, save: Callable[[], None]) -> None:
    """Save a checkpoint and seal it; older ones go only then, so that one whole checkpoint is there at any moment.

    Transformers deletes older checkpoints when process 0 has written its own part, before anyone knows that the new
    one is whole.

    Args:
        trainer: all processes call this together.
        save: transformers' own saving of the step that the trainer is at.
    """
    from transformers.trainer_utils import rotate_checkpoints

    args, state = trainer.args, trainer.state
    limit, args.save_total_limit = args.save_total_limit, None
    try:
        save()
    finally:
        args.save_total_limit = limit
    trainer.accelerator.wait_for_everyone()
    if args.should_save:
        seal(Path(args.output_dir) / f"checkpoint-{state.global_step}", _facts(trainer))
        rotate_checkpoints(args.output_dir, save_total_limit=limit, best_model_checkpoint=state.best_model_checkpoint)


def _facts(trainer: Any) -> Seal:
    rows = len(trainer.train_dataset)
    return Seal(trainer.state.global_step, trainer.args.world_size, samples_per_step(trainer.args), rows)


def samples_per_step(arguments: Any) -> int:
    """Samples behind one update, over all processes."""
    one = arguments.per_device_train_batch_size * arguments.gradient_accumulation_steps
    return int(one * arguments.world_size)


def seal(folder: Path, facts: Seal) -> None:
    """Declare a checkpoint whole: every file with its size, after all of them are on disk."""
    files = {}
    for file in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != SEAL):
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
        files[file.relative_to(folder).as_posix()] = file.stat().st_size
    replace_json(folder / SEAL, {**asdict(facts), "files": files})


def read_seal(folder: Path) -> Seal:
    """What a whole checkpoint says of itself."""
    facts = json.loads((folder / SEAL).read_text(encoding="utf-8"))
    return Seal(facts["step"], facts["processes"], facts["batch"], facts["rows"])


def damage(folder: Path) -> str:
    """What is wrong with a checkpoint; empty when it is as it was sealed.

    Transformers goes on from a checkpoint without optimiser, schedule or random state as if nothing were missing.
    """
    if not (folder / SEAL).is_file():
        return "it was never finished" if folder.is_dir() else "there is no such folder"
    try:
        files = json.loads((folder / SEAL).read_text(encoding="utf-8"))["files"]
    except (ValueError, KeyError, TypeError):
        return f"{SEAL} cannot be read"
    for name, size in files.items():
        file = folder / name
        if not file.is_file():
            return f"{name} is missing"
        if file.stat().st_size != size:
            return f"{name} has {file.stat().st_size} bytes instead of {size}"
        if not _opens(file):
            return f"{name} is not readable"
    return ""


def _opens(file: Path) -> bool:
    """Whether the directory inside the file is there; a crash of the machine can leave zeros of the right length."""
    from safetensors import SafetensorError, safe_open

    if file.suffix in ZIPPED:
        return zipfile.is_zipfile(file)
    if file.suffix == ".safetensors":
        try:
            with safe_open(file, "np"):
                return True
        except SafetensorError:
            return False
    return True


def by_age(folder: Path) -> list[Path]:
    """Every checkpoint in a folder, whole or not, newest first."""
    steps = {path: path.name.removeprefix("checkpoint-") for path in folder.glob("checkpoint-*")}
    return sorted((path for path, step in steps.items() if step.isdigit()), key=lambda path: -int(steps[path]))


def load_full_model(trainer: Any, checkpoint: Path) -> bool:
    """Give a fully fine-tuned model the weights of a checkpoint; ``False`` where transformers does so itself.

    A vision-language model is saved under the names of the published files and lives under others. Transformers 5
    looks for the saved names in the living model, finds none, says so in a warning and goes on with the weights it
    has (transformers issue 43701). Adapters, FSDP and DeepSpeed are loaded in other ways, which work.

    Raises:
        MedftError: the checkpoint does not hold every weight of the model.
    """
    from peft import PeftModel

    model = trainer.model
    if isinstance(model, PeftModel) or trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        return False
    saved, report = type(model).from_pretrained(checkpoint, dtype=model.dtype, output_loading_info=True)
    if missing := sorted(report["missing_keys"]):
        raise MedftError(
            f"{len(missing)} weights are missing, the first is {missing[0]}",
            where=str(checkpoint),
            fix="remove this checkpoint; the one before it is used then",
        )
    model.load_state_dict(saved.state_dict(), strict=True)
    return True
