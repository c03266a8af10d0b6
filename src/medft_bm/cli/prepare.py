"""``medft prepare``: from raw files to rows that are ready to train on and to score."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from medft_bm.cli.common import add_config, add_json, add_verb, dumps, load, table

if TYPE_CHECKING:
    from medft_bm.cli.common import Verbs
    from medft_bm.config.schema import Config
    from medft_bm.models.base import ModelFamily
    from medft_bm.prepare.dataset import Prepared


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = add_verb(
        verbs,
        "prepare",
        "build the rows for training and scoring, or reuse them",
        "medft prepare tasks/demo.yaml data.limit.train=100 data.limit.test=-1",
    )
    add_config(verb)
    add_json(verb)
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prepare and print what there is."""
    prepared, _ = prepared_rows(load(args).config)
    rows = prepared.summary()
    print(dumps({"folder": prepared.folder, "summary": rows}) if args.json else f"{table(rows)}\n\n{prepared.folder}")
    return 0


def prepared_rows(config: Config) -> tuple[Prepared, ModelFamily]:
    """The prepared dataset of a config, built only when it is not in the cache, and the family it is made for."""
    from medft_bm.models import load_model_family
    from medft_bm.prepare.dataset import prepare_dataset

    family = load_model_family(config.model.name, config.model.family, config.model.revision)
    return prepare_dataset(config.data, family), family
