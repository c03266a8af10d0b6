"""A leaderboard as text for a terminal, Markdown, JSON for programs, and one self-contained HTML page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from medft_bm import __version__
from medft_bm.evaluate.compare import FEW_SUBJECTS
from medft_bm.evaluate.leaderboard.board import RESAMPLES, Leaderboard, Line, Ranking
from medft_bm.evaluate.leaderboard.entries import Entry
from medft_bm.evaluate.replies import write_text
from medft_bm.evaluate.report import words

TEMPLATES = Path(__file__).parent / "templates"
REPORT_CSS = Path(__file__).parents[1] / "report" / "templates" / "report.css"  # one look for all pages
HEAD = ("", "model", "value", "95 % interval", "difference to the best", "p (Holm)", "scored", "parse")


def write_leaderboard(board: Leaderboard, folder: Path) -> Path:
    """Write ``leaderboard.html``, ``leaderboard.md`` and ``leaderboard.json``.

    Returns:
        The page.
    """
    write_text(folder / "leaderboard.json", board_json(board))
    write_text(folder / "leaderboard.md", board_markdown(board))
    write_text(folder / "leaderboard.html", _page(board))
    return folder / "leaderboard.html"


def board_text(board: Leaderboard) -> str:
    """For a terminal: a table per part, best first."""
    blocks = [words.DEMO_NOTE] if board.demo else []
    for ranking in board.rankings:
        rows = [HEAD, *map(_cells, ranking.lines)]
        widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        blocks.append("\n".join([title(ranking), *lines]))
    return "\n\n".join([*blocks, "\n".join(notes(board))])


def board_markdown(board: Leaderboard) -> str:
    """For a README: a table per part, best first."""
    blocks = [f"# {'DEMO: ' if board.demo else ''}Leaderboard", *([f"> **{words.DEMO_NOTE}**"] if board.demo else [])]
    for ranking in board.rankings:
        rows = [HEAD, ["---"] * len(HEAD), *map(_cells, ranking.lines)]
        blocks += [f"## {title(ranking)}", "\n".join(map(words.pipes, rows))]
    return "\n\n".join([*blocks, "\n".join(f"- {note}" for note in notes(board))]) + "\n"


def board_json(board: Leaderboard) -> str:
    """For programs."""
    content = {
        "demo": board.demo,
        **({"note": words.DEMO_NOTE} if board.demo else {}),
        "version": __version__,
        "common": board.common,
        "left_out": dict(board.left_out),
        "tests": board.tests,
        "resamples": RESAMPLES,
        "entries": [{"name": entry.name, **dict(facts(entry))} for entry in board.entries],
        "parts": [
            {
                "part": ranking.part,
                "metric": asdict(ranking.metric),
                "n": ranking.n,
                "subjects": ranking.subjects,
                "lines": [{**asdict(line), "apart": line.apart} for line in ranking.lines],
            }
            for ranking in board.rankings
        ],
        "notes": notes(board),
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def title(ranking: Ranking) -> str:
    """Part, metric, and how much stands behind it."""
    return f"{ranking.part}: {words.label(ranking.metric)}, {_size(ranking)}"


def _size(ranking: Ranking) -> str:
    counts = ((ranking.n, "question"), (ranking.subjects, "subject"))
    return ", ".join(f"{n} {noun}{'' if n == 1 else 's'}" for n, noun in counts)


def outcome(line: Line) -> str:
    """What the comparison with the best entry says."""
    if line.paired is None:
        return "best" if line.rank == 1 else ""
    if line.few:
        return f"under {FEW_SUBJECTS} subjects"
    return "worse" if line.apart else "not told apart"


def facts(entry: Entry) -> list[tuple[str, str]]:
    """What an evaluation was, without paths of the machine it ran on."""
    about = entry.about
    versions = about.get("versions", {})
    known = {
        "model": Path(str(about.get("model", ""))).name if about.get("model") else "",
        "split": about.get("split"),
        "system turn": about.get("system"),
        "dtype": about.get("dtype"),
        "device": about.get("device"),
        "data": about.get("data"),
        "medft_bm": versions.get("medft_bm"),
        "transformers": versions.get("transformers"),
    }
    return [(name, str(value)) for name, value in known.items() if value]


def notes(board: Leaderboard) -> list[str]:
    """How to read the tables, and what they do not say."""
    asked = [f"{name} was asked {count} more" for name, count in board.left_out.items() if count]
    few = any(line.few for ranking in board.rankings for line in ranking.lines)
    return [
        f"Compared on the {board.common} questions that all were asked{'; ' if asked else ''}{', '.join(asked)}.",
        "Intervals and tests take a subject as a whole; a difference is this entry minus the best, over the questions "
        "where both have a value. A reply without a readable answer has none, unless the metric counts it as 0.",
        f"The p values of all {board.tests} comparisons are adjusted together (Holm); the intervals are not.",
        "A true difference of the size called detectable is seen four times in five with as many subjects, before "
        "p values are adjusted; a smaller one may be there and not show.",
        "The best entry was picked on these questions, so its own value flatters it a little.",
        *([words.FAKE_NOTE] if any(entry.about.get("fake") for entry in board.entries) else []),
        *([f"With under {FEW_SUBJECTS} subjects nothing is told apart."] if few else []),
        "Research only. This is not a medical device.",
    ]


def _cells(line: Line) -> tuple[str, ...]:
    interval, paired = line.interval, line.paired
    change = paired.difference if paired else None
    around = f" ({words.change_bounds(change)})" if words.change_bounds(change) else ""
    said = outcome(line)
    difference = f"{words.signed(change.value, change.value)}{around}, {said}" if change else said
    return (
        str(line.rank or words.NONE),
        line.name,
        words.number(interval.value if interval else None),
        words.bounds(interval),
        difference,
        words.p_value(paired.adjusted_p).removeprefix("p ").removeprefix("= ") if paired else "",
        str(line.n),
        words.percent(line.parse_rate),
    )


def _page(board: Leaderboard) -> str:
    loader = FileSystemLoader(TEMPLATES)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    styles = (REPORT_CSS, TEMPLATES / "leaderboard.css")
    return environment.get_template("leaderboard.html.jinja").render(
        css="\n".join(path.read_text(encoding="utf-8") for path in styles),
        script=(TEMPLATES / "leaderboard.js").read_text(encoding="utf-8"),
        board=board,
        tables=[_table(ranking) for ranking in board.rankings],
        facts=[(entry.name, facts(entry)) for entry in board.entries],
        notes=notes(board),
        version=__version__,
        words=words,
    )


def _table(ranking: Ranking) -> dict[str, Any]:
    end = _axis_end(ranking.lines)
    return {
        "part": ranking.part,
        "label": words.label(ranking.metric),
        "size": _size(ranking),
        "lines": [
            {
                "line": line,
                "cells": _cells(line),
                "outcome": outcome(line),
                "bar": _bar(line, end),
                "change": line.paired.difference.value if line.paired else 0,
            }
            for line in ranking.lines
        ],
    }


def _axis_end(lines: Sequence[Line]) -> float:
    """Where the bars end: at the highest end of an interval, but at most at thrice the middle value.

    One absurd mean must not press the others flat.
    """
    known = [line.interval for line in lines if line.interval]
    values = sorted(abs(interval.value) for interval in known)
    highest = max((max(abs(i.value), abs(i.high or 0)) for i in known), default=0.0)
    return min(highest, 3 * values[len(values) // 2]) if values and values[len(values) // 2] else highest


def _bar(line: Line, end: float) -> dict[str, float] | None:
    """Places in per cent of the width."""
    if line.interval is None or not end:
        return None
    value, low, high = line.interval.value, line.interval.low, line.interval.high
    places = {"at": value, "low": value if low is None else low, "high": value if high is None else high}
    return {name: round(100 * min(max(place / end, 0), 1), 2) for name, place in places.items()}
