"""``medft evaluate``: ask a model the held-out questions, score the replies, write the report."""

from __future__ import annotations

import argparse
import datetime
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medft_bm.cli.common import (
    add_config,
    add_json,
    add_verb,
    dumps,
    load,
    require_same_experiment,
    require_unseen,
    table,
    write_config,
)
from medft_bm.cli.prepare import prepared_rows, trained_rows
from medft_bm.cli.train import was_trained
from medft_bm.cli.weights import load_weights, tuned_folder

if TYPE_CHECKING:
    from medft_bm.cli.common import Verbs
    from medft_bm.config.schema import Config
    from medft_bm.evaluate.backends.base import Backend
    from medft_bm.evaluate.compare import Who
    from medft_bm.evaluate.team import Team
    from medft_bm.models.base import ModelFamily
    from medft_bm.prepare.dataset import Prepared

EXAMPLES = """
medft evaluate runs/demo-medgemma --model merged evaluate.limit=200
medft evaluate tasks/demo.yaml --check                        # before a training: will there be something to ask?
medft evaluate runs/demo-medgemma --model base evaluate.shots=3   # three training samples shown before every question
accelerate launch --num_processes 4 --multi_gpu -m medft_bm.cli.main evaluate runs/demo-medgemma --model adapter
"""
SHOWN = ("value", "low", "high")
"""What a terminal shows of a metric: its value and its 95 % interval."""


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = add_verb(verbs, "evaluate", "ask a model the held-out questions and compare before and after", EXAMPLES)
    add_config(verb)
    verb.add_argument(
        "--model",
        choices=["base", "adapter", "merged"],
        default="merged",
        help="which weights: before fine-tuning, base plus adapter, or merged (default)",
    )
    verb.add_argument("--check", action="store_true", help="ask nothing: prepare, and say how much would be asked")
    add_json(verb)
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluate one model and rebuild the report from every evaluation of the run."""
    loaded_config = load(args)
    config, team = loaded_config.config, _team()
    if args.check:
        return _check(config, as_json=args.json)
    if args.model != "base" or was_trained(config.run.folder):
        require_same_experiment(config)
    elif team.first:
        write_config(loaded_config)
    weights = None
    if args.model != "base" and config.evaluate.backend == "transformers":
        weights = tuned_folder(config, args.model)
    prepared, family = trained_rows(config)
    if args.model != "base":
        require_unseen(prepared, config.run.folder, config.evaluate.split)

    from medft_bm.evaluate.forgetting import general_set

    which: Who = "base" if args.model == "base" else "tuned"
    team.meet()
    general = general_set(config, family, prepared)
    sets = [prepared] if general is None else [prepared, general]
    backend = backend_of(config, sets, family, args.model, weights)
    _ask(config, prepared, general, which, backend, team)
    if team.first:
        print(_shown(prepared, general, config, which, as_json=args.json))
    team.part()
    return 0


def _check(config: Config, *, as_json: bool) -> int:
    """Find out before a training whether there will be something to ask after it."""
    from medft_bm.evaluate.asking import asked_items, questions_about
    from medft_bm.evaluate.forgetting import FOLDER, general_set

    prepared, family = prepared_rows(config)
    general = general_set(config, family, prepared)
    counts = {}
    for name, rows in ((config.evaluate.split, prepared), (FOLDER, general)):
        if rows is not None:
            items = asked_items(rows, config.evaluate)
            counts[name] = len(questions_about(rows, items, config.evaluate))
    print(dumps(counts) if as_json else "\n".join(f"{name}: {count} questions" for name, count in counts.items()))
    return 0


def _ask(
    config: Config, prepared: Prepared, general: Prepared | None, which: Who, backend: Backend, team: Team
) -> None:
    """The questions of the split, then those of the probes and of the general set."""
    from medft_bm.evaluate.asking import condition
    from medft_bm.evaluate.forgetting import FOLDER
    from medft_bm.evaluate.probing import run_probes
    from medft_bm.evaluate.run import evaluate_run

    folder = config.run.folder / "evaluation"
    evaluation = evaluate_run(prepared, config, which, backend, folder, team)
    if config.evaluate.probes:
        run_probes(backend, prepared, evaluation, config, folder / condition(which, config.evaluate), team)
    if general is not None:
        evaluate_run(general, config, which, backend, folder / FOLDER, team)


def backend_of(
    config: Config, sets: Sequence[Prepared], family: ModelFamily, which: str, weights: Path | None
) -> Backend:
    """Whom ``evaluate.backend`` names.

    Args:
        config: of the run.
        sets: what is asked about; the fake takes its answers from there.
        family: of the model.
        which: ``base``, ``adapter`` or ``merged``.
        weights: folder of the weights after fine-tuning; ``None`` for those before, and where no weights are loaded.

    Raises:
        ConfigError: the model cannot be loaded.
        DependencyError: a package is not installed.
    """
    options = config.evaluate
    if options.backend == "transformers":
        from medft_bm.evaluate.backends.transformers import Transformers
        from medft_bm.models.content import weights_in

        files = () if weights is None else weights_in(weights)
        loaded = load_weights(config, family, which, weights)
        return Transformers(loaded, options.max_new_tokens, options.batch, files)
    from medft_bm.cli.server import fake_of, server_of

    return server_of(config) if options.backend == "openai" else fake_of(config, sets)


def _team() -> Team:
    """The processes that ``accelerate launch`` or ``torchrun`` started."""
    from medft_bm.evaluate.team import Team

    return Team(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))


def _shown(prepared: Prepared, general: Prepared | None, config: Config, which: Who, *, as_json: bool) -> str:
    """The report of the run; before there is one, and of an evaluation with examples always, its scores."""
    from medft_bm.evaluate.asking import condition
    from medft_bm.evaluate.forgetting import forgetting_rows
    from medft_bm.evaluate.report.build import build_report
    from medft_bm.evaluate.run import SCORES

    folder = config.run.folder / "evaluation"
    scores = folder / condition(which, config.evaluate) / SCORES
    plain = any((folder / who / SCORES).is_file() for who in ("base", "tuned"))
    lines = []
    if config.evaluate.shots:
        if as_json:
            return scores.read_text(encoding="utf-8").rstrip()
        lines += [scores_table(scores), "", str(scores)]
    if plain or not config.evaluate.shots:
        rows = forgetting_rows(config.run.folder, general, config) if general is not None else []
        today = datetime.date.today().isoformat()
        report = build_report(config.run.folder, prepared, config, date=today, general=rows)
        if as_json:
            return report.html.with_suffix(".json").read_text(encoding="utf-8").rstrip()
        lines += [*([""] if lines else []), report.table, "", str(report.html)]
    return "\n".join(lines)


def scores_table(path: Path) -> str:
    """Every metric of every part in a ``scores.json``, with its interval."""
    parts = json.loads(path.read_text(encoding="utf-8"))["parts"]
    return table(
        [
            {"part": part["part"], "metric": name, "n": found["n"], **{key: _number(found[key]) for key in SHOWN}}
            for part in parts
            for name, found in part["metrics"].items()
        ]
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
