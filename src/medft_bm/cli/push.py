"""``medft push``: what a run has made goes to the Hugging Face Hub."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from medft_bm.cli.common import add_config, add_json, add_verb, dumps, load, require_same_experiment, table
from medft_bm.cli.prepare import trained_rows
from medft_bm.cli.weights import tuned_folder
from medft_bm.core.errors import ConfigError

if TYPE_CHECKING:
    from medft_bm.cli.common import Verbs
    from medft_bm.config.schema import Config
    from medft_bm.hub.names import What

EXAMPLES = """
medft push runs/mine --what merged                            # account/mine-merged, private
medft push runs/mine --what lora hub.lora_repo=lab/knee-lora hub.private=false
medft push tasks/demo.yaml --check hub.push_lora=true         # before a training: may this token write there?
medft push tasks/demo.yaml run.folder=runs/mine hub.push_lora=true hub.push_merged=true
"""


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = add_verb(verbs, "push", "send adapter, merged model or prepared dataset of a run to the Hub", EXAMPLES)
    add_config(verb)
    verb.add_argument(
        "--what",
        action="append",
        choices=["lora", "merged", "data"],
        help="what to send, may be repeated; without it: what hub.push_lora, hub.push_merged and hub.push_data say",
    )
    verb.add_argument("--check", action="store_true", help="send nothing: create what is missing and say where to")
    add_json(verb)
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Send and print the pages on the Hub."""
    config = load(args).config

    from medft_bm.hub.access import open_hub, require_online
    from medft_bm.hub.names import wanted
    from medft_bm.hub.outgoing import Outgoing, require_terms
    from medft_bm.hub.push import push_run

    what = tuple(dict.fromkeys(args.what or wanted(config)))
    if not what:
        fix = "add --what lora, merged or data, or set hub.push_lora, hub.push_merged or hub.push_data to true"
        raise ConfigError("nothing is asked to be pushed", where="medft push", fix=fix)
    require_online(config, what)
    require_terms(config, what)
    if args.check:
        places = [dataclasses.asdict(place) for place in open_hub(config, what).repositories.values()]
        print(dumps(places) if args.json else table(places))
        return 0
    require_same_experiment(config)
    folders = {one: _folder(config, one) for one in what if one != "data"}
    access = open_hub(config, what)
    prepared, family = trained_rows(config)
    sources: dict[What, Path] = {one: folders.get(one, prepared.folder) for one in what}
    pushed = push_run(access, config.run.folder, sources, [Outgoing(config, access.repositories, prepared, family)])
    print(dumps([dataclasses.asdict(one) for one in pushed]) if args.json else "\n".join(one.url for one in pushed))
    return 0


def _folder(config: Config, what: What) -> Path:
    return tuned_folder(config, "adapter" if what == "lora" else "merged")
