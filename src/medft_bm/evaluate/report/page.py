"""The HTML page of a report: one file, no request to anywhere, every text escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from medft_bm.core.types import SPLITS
from medft_bm.evaluate.compare import FEW_SUBJECTS, TITLES, WHO
from medft_bm.evaluate.report import plots, words
from medft_bm.evaluate.report.charts import chart
from medft_bm.evaluate.report.content import Content
from medft_bm.evaluate.report.gallery import Card

TEMPLATES = Path(__file__).parent / "templates"


def render_page(content: Content, cards: Sequence[Card], *, replies: int) -> str:
    """The page.

    Args:
        content: what it says.
        cards: cases to show.
        replies: how many there are to choose cases from.
    """
    loader = FileSystemLoader(TEMPLATES)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    script = _text("report.js")
    return environment.get_template("report.html.jinja").render(
        content=content,
        groups=_by(content.rows),
        others=_by(content.others),
        charts=[chart(row) for row in content.rows if row.headline],
        breakdowns=_by(content.groups),
        cards=cards,
        choices=_choices(cards),
        replies=replies,
        css=_text("report.css"),
        script=script,
        # The one script that may run is ours, whatever a reply holds.
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        who=WHO,
        titles=TITLES,
        few=FEW_SUBJECTS,
        splits=SPLITS,
        words=words,
        plots=plots,
    )


def _text(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8").strip()


def _by(lines: Sequence[Any]) -> list[list[Any]]:
    """Lines of one part together."""
    return [list(group) for _, group in groupby(lines, key=lambda line: line.part)]


def _choices(cards: Sequence[Card]) -> dict[str, list[str]]:
    """What every filter offers, in order of appearance; a filter with one choice would filter nothing."""
    offered = {
        "part": [card.part for card in cards],
        "label": sorted(card.label for card in cards),
        "reply": [card.outcome for card in cards],
        "change": [card.change for card in cards],
        "rank": [card.third for card in cards],
    }
    distinct = {name: list(dict.fromkeys(filter(None, values))) for name, values in offered.items()}
    return {name: values for name, values in distinct.items() if len(values) > 1}
