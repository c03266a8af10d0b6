"""``medft train``: supervised fine-tuning, alone or under ``accelerate launch``."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medft_bm.cli.common import (
    add_config,
    add_verb,
    is_first_process,
    load,
    require_same_split,
    write_config,
    write_split,
)
from medft_bm.cli.prepare import prepared_rows
from medft_bm.core.errors import DependencyError

if TYPE_CHECKING:
    from PIL import Image

    from medft_bm.cli.common import Verbs
    from medft_bm.config.schema import Config
    from medft_bm.core.types import Score
    from medft_bm.hub.training import Opened, PushSaves
    from medft_bm.models.base import ModelFamily
    from medft_bm.prepare.dataset import Item, Prepared
    from medft_bm.train.stopping import Judge
    from medft_bm.train.trackers import Wall

log = logging.getLogger(__name__)

TRACKERS = {"wandb": "wandb", "tensorboard": "tensorboard", "mlflow": "mlflow", "trackio": "trackio"}
"""Trackers of ``train.report_to`` to the package each needs; others are left to the trainer to judge."""
TRAINED = ("adapter", "model", "checkpoints")
"""What a training leaves in its run folder."""
PICTURE_PX = 384
"""Longer side of a slice in the pictures of ``train.gallery``."""


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = add_verb(
        verbs,
        "train",
        "fine-tune a model on the prepared rows",
        "medft train tasks/demo.yaml run.folder=runs/mine train.max_steps=20\n"
        "medft train runs/mine train.max_steps=40\n"
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

    from medft_bm.train.resume import find_start, result_folder
    from medft_bm.train.run import train_model
    from medft_bm.train.settings import typed_sft
    from medft_bm.train.strategy import strategy_settings
    from medft_bm.train.trackers import trackers_for

    typed_sft(config.train.sft)
    strategy_settings(config.train)
    trackers = trackers_for(config)
    made = result_folder(config)
    start = find_start(config)  # what can be refused is refused before hours of preparing
    if start.finished:
        return _printed(made)
    with _hub(config) as hub:
        prepared, family = prepared_rows(config)
        if start.checkpoint is not None:
            require_same_split(prepared, config.run.folder)
        if is_first_process():
            write_config(loaded)
            write_split(prepared, config.run.folder)
            _warn_of_nothing_to_ask(prepared, config)
        judge = _judge(prepared, config, [tracker for tracker in trackers if tracker.shows])
        push = hub and _push(hub, config, prepared, family)
        made = train_model(prepared, family, config, judge=judge, trackers=[*trackers, *([push] if push else [])])
        if push:
            push.finish(made)
    return _printed(made)


def _warn_of_nothing_to_ask(prepared: Prepared, config: Config) -> None:
    split = config.evaluate.split
    if not len(prepared.rows(split)):
        fix = "raise data.split or data.limit now if you mean to evaluate"
        log.warning("the %s split is empty, and `medft evaluate` would have nothing to ask; %s", split, fix)


def _printed(made: Path) -> int:
    if is_first_process():
        print(made)
    return 0


def was_trained(folder: Path) -> bool:
    """Whether a run folder already holds what a training made."""
    return any((folder / name).exists() for name in TRAINED)


@contextmanager
def _hub(config: Config) -> Iterator[Opened | None]:
    """The Hub, opened before anything is spent; in the first process alone, and where something is to be sent."""
    hub = config.hub
    if not (hub.push_lora or hub.push_merged or hub.push_data):
        yield None
        return

    from medft_bm.hub.access import require_online
    from medft_bm.hub.names import wanted
    from medft_bm.hub.outgoing import require_terms
    from medft_bm.hub.training import pushing

    require_online(config, wanted(config))
    require_terms(config, wanted(config))
    if not is_first_process():
        yield None
        return
    with pushing(config) as opened:
        yield opened


def _push(hub: Opened, config: Config, prepared: Prepared, family: ModelFamily) -> PushSaves | None:
    from medft_bm.hub.outgoing import Outgoing

    return hub.begin([Outgoing(config, hub.access.repositories, prepared, family, training=True)])


def _judge(prepared: Prepared, config: Config, walls: Sequence[Wall]) -> Judge | None:
    """Who asks validation samples while training: for the best weights, for pictures of them, or nobody."""
    train = config.train
    skilled, shown = train.best.metric == "skill", bool(train.gallery and walls)
    if not train.eval_steps or not len(prepared.rows("validation")) or not (skilled or shown):
        return None
    from medft_bm.evaluate.judge import Judge
    from medft_bm.train.gallery import Gallery

    watch = Gallery(_drawn, train.gallery, walls).on_replies if shown else None
    judge = Judge.of(prepared, train.best.samples if skilled else train.gallery, config.evaluate, watch)
    if skilled:
        return judge

    def only_drawn(model: Any, processor: Any, step: int) -> dict[str, float]:
        judge(model, processor, step)
        return {}  # a handful of samples makes pictures, but no measurement

    return only_drawn


def _drawn(item: Item, reply: str, score: Score) -> Image.Image:
    from medft_bm.evaluate.report.overlay import draw_case
    from medft_bm.evaluate.report.words import EMPTY, with_unit

    truth = with_unit(item.answer_text, item.task.unit)
    return draw_case(
        item.image, item.sample, score.predicted, truth_text=truth, reply_text=reply or EMPTY, long_side=PICTURE_PX
    )


def _require_trackers(names: list[str]) -> None:
    missing = [TRACKERS[name] for name in names if name in TRACKERS and find_spec(TRACKERS[name]) is None]
    if missing:
        raise DependencyError(
            f"{', '.join(missing)} not installed", where="train.report_to", fix=f"pip install {' '.join(missing)}"
        )
