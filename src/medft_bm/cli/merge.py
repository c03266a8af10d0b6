"""``medft merge``: adapter and base become one model that loads without PEFT."""

from __future__ import annotations

import argparse
import dataclasses
from typing import TYPE_CHECKING

from medft_bm.cli.common import add_config, add_json, add_verb, dumps, load, require_same_experiment
from medft_bm.cli.prepare import trained_rows
from medft_bm.cli.weights import tuned_folder

if TYPE_CHECKING:
    from medft_bm.cli.common import Verbs

PROBES = 4
"""Held-out rows on whose prompts adapter and merged model are compared."""


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = add_verb(
        verbs,
        "merge",
        "merge the adapter into the base model and check that both say the same",
        "medft merge runs/demo-medgemma",
    )
    add_config(verb)
    add_json(verb)
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Merge and print the folder of the merged model; after a full fine-tuning there is nothing to merge."""
    config = load(args).config
    require_same_experiment(config)
    if config.train.method == "full":
        folder = tuned_folder(config, "model")
        print(dumps({"folder": folder}) if args.json else f"nothing to merge, train.method is full: {folder}")
        return 0
    adapter = tuned_folder(config, "adapter")
    prepared, family = trained_rows(config)
    probes = prepared.items(config.evaluate.split)[:PROBES] or prepared.items("train")[:PROBES]

    from medft_bm.train.merge import merge_adapter

    report = merge_adapter(
        config.model.name,
        adapter,
        config.run.folder / "merged",
        family,
        probes,
        config.model.dtype,
        revision=config.model.revision,
    )
    print(dumps(dataclasses.asdict(report)) if args.json else report.folder)
    return 0
