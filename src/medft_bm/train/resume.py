"""Where a training starts: from nothing, from a checkpoint of the same training, or not at all."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medft_bm.config.schema import Config
from medft_bm.core.errors import ConfigError
from medft_bm.train.checkpoints import by_age, damage, read_seal, samples_per_step
from medft_bm.train.record import RECORD, Record, differences, length_of, read_record, settings_of
from medft_bm.train.settings import checkpoints_folder

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Start:
    """Where a training starts.

    Attributes:
        checkpoint: to go on from; ``None`` is the beginning.
        finished: there is nothing left to train.
    """

    checkpoint: Path | None = None
    finished: bool = False


def result_folder(config: Config) -> Path:
    """Where a training puts its adapter or its model."""
    return config.run.folder / ("model" if config.train.method == "full" else "adapter")


def find_start(config: Config) -> Start:
    """Where ``train.resume`` starts this training; only reads.

    Raises:
        ConfigError: the run folder holds another training, or one that nothing can go on from.
    """
    wish, run = config.train.resume, config.run.folder
    if wish not in ("auto", "never"):
        return Start(_asked_for(Path(wish), config))
    record = read_record(run)
    if wish == "never" or record is None:
        _require_empty(config)
        return Start()
    checkpoint = newest_whole(checkpoints_folder(run))
    has_result = any((run / name).is_dir() for name in ("adapter", "model"))
    if checkpoint is None and not has_result:
        return Start()
    _require_same(config, record, run)
    if record.finished and record.length == length_of(config) and result_folder(config).is_dir():
        log.info("nothing to do: this training is finished; more train.epochs or train.max_steps would prolong it")
        return Start(finished=True)
    if checkpoint is None:
        _require_empty(config)
    return Start(checkpoint)


def _asked_for(checkpoint: Path, config: Config) -> Path:
    if wrong := damage(checkpoint):
        raise ConfigError(
            f"this checkpoint cannot be used: {wrong}",
            where=f"train.resume={checkpoint}",
            fix="train.resume=auto takes the newest whole checkpoint of the run folder",
        )
    run = checkpoint.resolve().parent.parent
    if run != config.run.folder.resolve():
        _require_empty(config)
    if (record := read_record(run)) is not None:
        _require_same(config, record, run)
    return checkpoint


def newest_whole(folder: Path) -> Path | None:
    """The newest checkpoint that is whole; says which ones are not."""
    for checkpoint in by_age(folder):
        wrong = damage(checkpoint)
        if not wrong:
            return checkpoint
        log.warning("%s is left out: %s", checkpoint, wrong)
    return None


def _require_empty(config: Config) -> None:
    for folder in (result_folder(config), checkpoints_folder(config.run.folder)):
        if folder.is_dir() and any(folder.iterdir()):
            raise ConfigError(
                "the run folder already holds a training",
                where=str(folder),
                fix="set run.folder to a new folder, or remove this one"
                + ("; train.resume=auto goes on with it" if config.train.resume != "auto" else ""),
            )


def _require_same(config: Config, record: Record, run: Path) -> None:
    different = list(differences(settings_of(config), record.settings))
    if different:
        raise ConfigError(
            f"this run was started with other settings: {'; '.join(different)}",
            where=str(run / RECORD),
            fix="give it the same settings, or set run.folder to a new folder",
        )


def shared(start: Start) -> Start:
    """What the first process found, on all of them: file systems of several machines may not agree yet."""
    from accelerate.utils import broadcast_object_list

    box = [start]
    broadcast_object_list(box)
    return box[0]


def require_same_steps(start: Start, arguments: Any, rows: int, data: str, run: Path) -> None:
    """Refuse to go on where a step would be of other samples than the steps before.

    Args:
        start: where.
        arguments: TRL's configuration.
        rows: training samples.
        data: name of the prepared dataset.
        run: folder of the training.

    Raises:
        ConfigError: another number of samples, in all or per step; or shards of another number of processes.
    """
    if start.checkpoint is None:
        return
    seal, where = read_seal(start.checkpoint), str(start.checkpoint)
    batch, processes = samples_per_step(arguments), arguments.world_size
    if rows != seal.rows:
        fix = "use the same data, or set run.folder to a new folder"
        raise ConfigError(f"there are {rows} training samples, and there were {seal.rows}", where=where, fix=fix)
    if batch != seal.batch:
        fix = "choose train.device_batch and train.accumulation for the number of processes"
        raise ConfigError(f"a step is of {batch} samples, and was of {seal.batch}", where=where, fix=fix)
    if processes != seal.processes and arguments.deepspeed:
        what = f"it is in {seal.processes} shards, and there are {processes} processes"
        raise ConfigError(what, where=where, fix=f"start {seal.processes} processes")
    if processes != seal.processes:
        log.warning("%d processes instead of %d: dropout will draw other numbers", processes, seal.processes)
    record = read_record(run)
    if record is not None and record.data != data:
        log.warning("the data were prepared anew since; if their order differs, some samples come twice")


def clear_after(start: Start, run: Path) -> None:
    """Remove what a restart would trip over: checkpoints that are damaged or later, and lines logged later."""
    step = -1 if start.checkpoint is None else read_seal(start.checkpoint).step
    for checkpoint in by_age(checkpoints_folder(run)):
        wrong = damage(checkpoint)
        if wrong or read_seal(checkpoint).step > step:
            log.info("removing %s: %s", checkpoint, wrong or f"training goes on from step {step}")
            shutil.rmtree(checkpoint)
    _cut_log(run / "metrics.jsonl", step)


def _cut_log(file: Path, step: int) -> None:
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    kept = [line for line in lines if _logged_at(line) <= step]
    draft = file.with_name(f".{file.name}-writing")
    draft.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    draft.replace(file)


def _logged_at(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")  # cut off when the process was killed
