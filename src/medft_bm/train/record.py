"""What a run folder says of its training: what shapes its weights, and whether it is done."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medft_bm.config.keys import config_keys, normalised
from medft_bm.config.schema import Config
from medft_bm.core.errors import DataError
from medft_bm.train.folders import replace_json

RECORD = "training.json"
LENGTH = ("train.epochs", "train.max_steps")
"""More of these prolongs a training."""
FREE = (
    *("demo", "data.root", "data.cache", "data.on_error", "prepare", "evaluate", "run.folder", "wandb", "hub"),
    *("train.resume", "train.workers", "train.report_to", "train.gallery", "train.gradient_checkpointing"),
    *("train.logging_steps", "train.save_steps", "train.eval_steps", "train.save_limit", *LENGTH),
    *("train.device_batch", "train.accumulation"),  # checkpoints know how many samples a step is of
    "model.terms",
)
"""Keys and sections that may differ from one start to the next: they change no update of the weights."""


@dataclass(frozen=True)
class Record:
    """What a run folder says of its training, in ``training.json``.

    Attributes:
        finished: the result is that of this training, complete.
        length: epochs and steps it was to take.
        settings: every key that shapes the weights.
        data: name of the prepared dataset.
    """

    finished: bool
    length: Mapping[str, Any]
    settings: Mapping[str, Any]
    data: str


def differences(now: Mapping[str, Any], then: Mapping[str, Any]) -> Iterator[str]:
    """Settings that differ, with both values."""
    known = {key.key for key in config_keys()}
    for key in sorted({*now, *then}):
        # A key of the schema that one side lacks came or went with a version of the library.
        if now.get(key) == then.get(key) or (normalised(key) in known and not (key in now and key in then)):
            continue
        values = f"{key} is {now.get(key)!r} and was {then.get(key)!r}"
        yield values if len(values) < 200 else key


def settings_of(config: Config) -> dict[str, Any]:
    """Every key that shapes the weights, with its value as JSON."""
    values = config.model_dump(mode="json", exclude={"data": {"mix": {"__all__": {"terms"}}}})
    keys = {key: value for key, value in _flat(values) if not _is_free(key)}
    salt = hashlib.sha256(keys.pop("data.salt").encode()).hexdigest()[:16]
    return {**keys, "data.salt (hash)": salt}


def _is_free(key: str) -> bool:
    return any(key == free or key.startswith(f"{free}.") for free in FREE)


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, child in value.items():
        if isinstance(child, dict):
            yield from _flat(child, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", child


def length_of(config: Config) -> dict[str, Any]:
    """How long a training is to be."""
    return {"train.epochs": config.train.epochs, "train.max_steps": config.train.max_steps}


def read_record(run: Path) -> Record | None:
    """What the run folder says of its training; ``None`` when it says nothing.

    Raises:
        DataError: the file is not one of ours.
    """
    path = run / RECORD
    if not path.is_file():
        return None
    try:
        return Record(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        fix = "remove the run folder, or set run.folder to a new one"
        raise DataError(f"the record of the training cannot be read: {error}", where=str(path), fix=fix) from error


def write_record(config: Config, data: str, *, finished: bool) -> None:
    """Say what is trained here, and whether it is done."""
    record = Record(finished, length_of(config), settings_of(config), data)
    replace_json(config.run.folder / RECORD, asdict(record))
