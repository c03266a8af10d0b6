"""``medft inspect``: the prepared data as the model will see it, before training."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from medft_bm.cli.common import add_config, add_json, add_verb, dumps, load, table
from medft_bm.cli.prepare import trained_rows
from medft_bm.core.errors import ConfigError, MedftError

if TYPE_CHECKING:
    from medft_bm.cli.common import Verbs
    from medft_bm.inspect.make import Inspection

EXAMPLES = """
medft inspect tasks/demo.yaml
medft inspect tasks/real_samples.yaml model.name=google/medgemma-4b-it --examples 60 --out data.html
medft inspect tasks/demo.yaml --split test --json     # numbers for programs, and the page as well
"""
MOST = 200
"""Examples at most: a page with more takes long to open."""


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = add_verb(verbs, "inspect", "show the prepared data as the model will see it, on one page", EXAMPLES)
    add_config(verb)
    verb.add_argument("--out", type=Path, metavar="FILE", help="the page (default: inspect.html in run.folder)")
    verb.add_argument("--examples", type=int, default=24, metavar="N", help="samples to show (default: 24)")
    verb.add_argument(
        "--split",
        choices=["train", "validation", "test"],
        default="train",
        help="that examples and lengths are from (default: train)",
    )
    add_json(verb)
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Look, write the page, say where it is; exit code 1 when training would refuse what was seen."""
    if not 0 <= args.examples <= MOST:
        raise ConfigError(f"{args.examples} examples", where="--examples", fix=f"give 0 to {MOST}")
    config = load(args).config
    page: Path = args.out or config.run.folder / "inspect.html"
    prepared, family = trained_rows(config)

    from medft_bm.inspect.make import inspect_prepared, write_page

    seen = inspect_prepared(prepared, family, config, args.split, args.examples)
    write_page(seen, config, page)
    if args.json:
        print(dumps({"page": page, **seen.as_json()}))
    else:
        print("\n".join([*_lines(seen), "", str(page)]))
    return MedftError.exit_code if seen.problems else 0


def _lines(seen: Inspection) -> Iterator[str]:
    yield table(
        [
            {
                "part": one.part,
                "split": one.split,
                "rows": one.rows,
                "questions": one.questions,
                "images": one.images,
                "subjects": one.subjects,
            }
            for one in seen.shares
        ]
    )
    yield f"\nTokens of the {seen.split} split"
    yield table([{"": name, **shares} for name, shares in seen.lengths.percentiles().items()])
    yield ""
    for one in seen.left_out:
        yield f"{one['part']}: left out {one['times']}: {one['why']}"
    for kind, times in seen.findings.items():
        yield f"audit of the splits: {kind} ({times})"
    yield from (f"warning: {line}" for line in seen.warnings)
    yield from (f"problem: {line}" for line in seen.problems)
    if seen.examples and not seen.problems:
        yield f"no problem in {len(seen.examples)} examples: the loss sees the answer and its end of turn, nothing else"
