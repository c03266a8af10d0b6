"""``medft doctor``: does this machine have what it takes?"""

from __future__ import annotations

import argparse
import dataclasses
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medft_bm.cli.common import add_json, add_verb, dumps, load
from medft_bm.core.errors import MedftError

if TYPE_CHECKING:
    from medft_bm.cli.common import Verbs
    from medft_bm.doctor.finding import Finding

EXAMPLES = """
medft doctor                                                                     # what is here, what is not
medft doctor tasks/real_samples.yaml model.name=google/medgemma-4b-it --json     # and is it enough for this?
"""


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = add_verb(verbs, "doctor", "check packages, GPUs, folders and logins, and say how to fix them", EXAMPLES)
    verb.add_argument(
        "config", type=Path, nargs="?", metavar="CONFIG", help="a YAML file or a run folder: check what it needs too"
    )
    verb.add_argument("words", nargs="*", metavar="key=value", help="win over CONFIG; `medft config keys` lists them")
    add_json(verb)
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Examine and report; exit code 1 when something stands in the way."""
    config = load(args).config if args.config else None

    from medft_bm.doctor.examine import examine

    found = examine(config, os.environ)
    blocked = any(one.state == "problem" for one in found)
    if args.json:
        print(dumps({"ok": not blocked, "findings": [dataclasses.asdict(one) for one in found]}))
    else:
        print("\n".join([*_lines(found), "", _summary(found, args.config)]))
    return MedftError.exit_code if blocked else 0


def _lines(found: Sequence[Finding]) -> Iterator[str]:
    width = max(len(one.check) for one in found)
    for one in found:
        yield f"{one.state:7}  {one.check:{width}}  {one.found}"
        if one.fix:
            yield f"{'':7}  {'':{width}}  fix: {one.fix}"


def _summary(found: Sequence[Finding], config: Path | None) -> str:
    count = Counter(one.state for one in found)
    said = f"{count['problem']} problem(s), {count['warning']} warning(s)"
    return f"{said}; `medft plan {config}` says whether it fits on a GPU" if config else said
