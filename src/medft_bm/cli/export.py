"""``medft export``: the prepared data for other trainers and harnesses."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from medft_bm.cli.common import add_config, add_json, add_verb, dumps, load, table
from medft_bm.cli.prepare import trained_rows
from medft_bm.export.formats import FORMATS

if TYPE_CHECKING:
    from medft_bm.cli.common import Verbs

EXAMPLES = """
medft export tasks/demo.yaml --format llamafactory
medft export tasks/demo.yaml --format ms-swift --out exports/demo-swift data.limit.train=1000
medft export tasks/demo.yaml --format lmms-eval     # the test rows as tasks, scored by medft_bm's own code
"""


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = add_verb(verbs, "export", "write the prepared data for other trainers and harnesses", EXAMPLES)
    add_config(verb)
    verb.add_argument("--format", choices=list(FORMATS), required=True, help="who is to read it")
    verb.add_argument("--out", type=Path, metavar="FOLDER", help="new folder (default: export/FORMAT in run.folder)")
    add_json(verb)
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prepare what is not prepared yet, write the folder, say what is in it."""
    from medft_bm.export.base import Export
    from medft_bm.export.formats import load_format
    from medft_bm.export.make import make_export, require_ours

    config = load(args).config
    out: Path = args.out or config.run.folder / "export" / args.format
    require_ours(out, args.format)  # before anything is prepared
    prepared, family = trained_rows(config)
    about = make_export(Export(prepared, family, config), load_format(args.format), out)
    if args.json:
        print(dumps({"folder": out, **about}))
    else:
        rows = [{"file": name, "rows": count} for name, count in about["rows"].items()]
        print(f"{table(rows)}\n\n{about['images']} images\n{out}")
    return 0
