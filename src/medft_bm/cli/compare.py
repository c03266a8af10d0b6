"""``medft compare``: several runs side by side, ranked on the questions they have in common."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from medft_bm.cli.common import add_json, add_verb

if TYPE_CHECKING:
    from medft_bm.cli.common import Verbs


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = add_verb(
        verbs,
        "compare",
        "rank several evaluated runs on the questions they have in common",
        "medft compare runs/medgemma runs/qwen --which tuned --out runs/leaderboard",
    )
    verb.add_argument(
        "folders", nargs="+", type=Path, metavar="RUN", help="a run folder, or a folder with scores.json in it"
    )
    verb.add_argument("--which", choices=["base", "tuned"], help="only models before, or only those after fine-tuning")
    verb.add_argument("--out", type=Path, metavar="FOLDER", help="write leaderboard.html, .md and .json there")
    add_json(verb)
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read what was evaluated, rank it, and show it; neither data nor models are needed."""
    from medft_bm.evaluate.leaderboard.board import rank
    from medft_bm.evaluate.leaderboard.entries import read_entries
    from medft_bm.evaluate.leaderboard.page import board_json, board_text, write_leaderboard

    board = rank(read_entries(args.folders, args.which))
    page = write_leaderboard(board, args.out) if args.out else None
    if args.json:
        print(board_json(board), end="")
    else:
        print("\n\n".join([board_text(board), *([str(page)] if page else [])]))
    return 0
