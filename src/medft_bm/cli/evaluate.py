"""``medft evaluate``: ask a model the held-out questions, score the replies, write the report."""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from medft_bm.cli.common import (
    add_config,
    add_json,
    add_verb,
    load,
    require_same_experiment,
    require_unseen,
    write_config,
)
from medft_bm.cli.prepare import trained_rows
from medft_bm.cli.train import was_trained
from medft_bm.core.errors import ConfigError

if TYPE_CHECKING:
    from medft_bm.cli.common import Verbs
    from medft_bm.config.schema import Config
    from medft_bm.models.base import Loaded, ModelFamily


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = add_verb(
        verbs,
        "evaluate",
        "ask a model the held-out questions and compare before and after",
        "medft evaluate runs/demo-medgemma --model merged evaluate.limit=200",
    )
    add_config(verb)
    verb.add_argument(
        "--model",
        choices=["base", "adapter", "merged"],
        default="merged",
        help="which weights: before fine-tuning, base plus adapter, or merged (default)",
    )
    add_json(verb)
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluate one model and rebuild the report from every evaluation of the run."""
    loaded_config = load(args)
    config = loaded_config.config
    if args.model != "base" or was_trained(config.run.folder):
        require_same_experiment(config)
    else:
        write_config(loaded_config)
    weights = None if args.model == "base" else tuned_folder(config, args.model)
    prepared, family = trained_rows(config)
    if weights is not None:
        require_unseen(prepared, config.run.folder, config.evaluate.split)

    from medft_bm.evaluate.backends.transformers import Transformers
    from medft_bm.evaluate.report import build_report
    from medft_bm.evaluate.run import evaluate_run

    model = load_weights(config, family, args.model, weights)
    backend = Transformers(model, config.evaluate.max_new_tokens, config.evaluate.batch)
    evaluate_run(
        prepared, config, "base" if args.model == "base" else "tuned", backend, config.run.folder / "evaluation"
    )
    report = build_report(config.run.folder, prepared, config, date=datetime.date.today().isoformat())
    if args.json:
        print(report.html.with_suffix(".json").read_text(encoding="utf-8"), end="")
    else:
        print(f"{report.table}\n\n{report.html}")
    return 0


def tuned_folder(config: Config, which: str) -> Path:
    """Where the weights after fine-tuning are.

    Raises:
        ConfigError: they are not there yet.
    """
    if config.train.method == "full":
        which = "model"
    folder = config.run.folder / which
    if not folder.is_dir():
        verb = "merge" if which == "merged" and (config.run.folder / "adapter").is_dir() else "train"
        raise ConfigError("these weights are not there", where=str(folder), fix=f"`medft {verb}` first")
    return folder


def load_weights(config: Config, family: ModelFamily, which: str, folder: Path | None) -> Loaded:
    """The model and its processor on the best device of this machine."""
    from medft_bm.models.loading import on_device, resolve_dtype, with_adapter

    adapted = which == "adapter" and config.train.method != "full"
    from_base = folder is None or adapted
    loaded = family.load(
        config.model.name if from_base else str(folder),
        revision=config.model.revision if from_base else None,
        dtype=resolve_dtype(config.model.dtype),
        attention=config.model.attention,
    )
    return on_device(with_adapter(loaded, folder) if adapted and folder is not None else loaded)
