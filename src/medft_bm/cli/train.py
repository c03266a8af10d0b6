"""``medft train``: supervised fine-tuning, alone or under ``accelerate launch``."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from medft_bm.cli.common import add_config, add_verb, is_first_process, load, write_config, write_split
from medft_bm.cli.prepare import prepared_rows
from medft_bm.core.errors import DependencyError

if TYPE_CHECKING:
    from medft_bm.cli.common import Verbs

TRACKERS = {"wandb": "wandb", "tensorboard": "tensorboard", "mlflow": "mlflow", "trackio": "trackio"}
"""Trackers of ``train.report_to`` to the package each needs; others are left to the trainer to judge."""
TRAINED = ("adapter", "model", "checkpoints")
"""What a training leaves in its run folder."""


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = add_verb(
        verbs,
        "train",
        "fine-tune a model on the prepared rows",
        "medft train tasks/demo.yaml run.folder=runs/mine train.max_steps=20\n"
        "accelerate launch --num_processes 4 --multi_gpu -m medft_bm.cli.main train tasks/real_samples.yaml "
        "model.name=google/medgemma-4b-it",
    )
    add_config(verb)
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train and print the folder of the adapter or the model."""
    loaded = load(args)
    config = loaded.config
    _require_trackers(config.train.report_to)

    from medft_bm.train.run import require_fresh, train_model

    require_fresh(config)
    prepared, family = prepared_rows(config)
    if is_first_process() and not was_trained(config.run.folder):
        write_config(loaded)
        write_split(prepared, config.run.folder)
    made = train_model(prepared, family, config)
    if is_first_process():
        print(made)
    return 0


def was_trained(folder: Path) -> bool:
    """Whether a run folder already holds what a training made."""
    return any((folder / name).exists() for name in TRAINED)


def _require_trackers(names: list[str]) -> None:
    missing = [TRACKERS[name] for name in names if name in TRACKERS and find_spec(TRACKERS[name]) is None]
    if missing:
        raise DependencyError(
            f"{', '.join(missing)} not installed", where="train.report_to", fix=f"pip install {' '.join(missing)}"
        )
