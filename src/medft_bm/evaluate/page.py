"""The HTML page of a report: one file, no request to anywhere, every text escaped."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from PIL import Image

from medft_bm.core.types import SPLITS
from medft_bm.evaluate import words
from medft_bm.evaluate.cases import Case, choose_cases
from medft_bm.evaluate.charts import chart
from medft_bm.evaluate.compare import FEW_SUBJECTS, TITLES, WHO, Row, Who
from medft_bm.evaluate.confusion import confusions
from medft_bm.evaluate.facts import Facts, limits, verdict
from medft_bm.evaluate.overlay import draw_case
from medft_bm.evaluate.score import Scored, Summary

TEMPLATES = Path(__file__).parent / "templates"
_REASONS = 4  # shown per part and model


def render_page(
    scored: Mapping[Who, Sequence[Scored]],
    summaries: Mapping[Who, Sequence[Summary]],
    rows: Sequence[Row],
    facts: Facts,
    *,
    title: str,
    names: Sequence[str],
    examples: int,
    demo: bool,
) -> str:
    """The page.

    Args:
        scored: what everyone answered.
        summaries: the same per part.
        rows: of the comparison.
        facts: where the numbers come from.
        title: of the page.
        names: of the parts of the mix.
        examples: how many cases to draw.
        demo: whether to say everywhere that this is a demonstration.
    """
    return _template().render(
        css=(TEMPLATES / "report.css").read_text(encoding="utf-8"),
        title=title,
        demo=demo,
        verdict=verdict(rows),
        groups=[list(group) for _, group in groupby(rows, key=lambda row: row.part)],
        charts=[chart(row) for row in rows if row.headline],
        cases=_cases(scored, names, examples),
        confusions=confusions(scored, names),
        unread=_unread(summaries, names),
        facts=facts,
        limits=limits(demo),
        who=WHO,
        titles=TITLES,
        few=FEW_SUBJECTS,
        splits=SPLITS,
        words=words,
    )


def _template() -> Template:
    loader = FileSystemLoader(TEMPLATES)
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.get_template("report.html.jinja")


def _cases(scored: Mapping[Who, Sequence[Scored]], names: Sequence[str], count: int) -> list[dict[str, Any]]:
    shown: Who = "tuned" if "tuned" in scored else "base"
    others: dict[str, dict[Who, Scored]] = {}
    for who in ("base", "tuned"):
        for one in scored.get(who, ()):
            others.setdefault(one.item.uid, {})[who] = one
    return [
        {"name": names[part], "cases": [_case(case, others[case.scored.item.uid]) for case in cases]}
        for part, cases in choose_cases(scored[shown], count).items()
        if cases
    ]


def _case(case: Case, said: Mapping[Who, Scored]) -> dict[str, Any]:
    item, reply, score = case.scored.item, case.scored.reply, case.scored.score
    answer = words.with_unit(item.answer_text, item.task.unit)
    picture = draw_case(
        item.image, item.sample, score.predicted, truth_text=answer, reply_text=reply.text or words.EMPTY
    )
    tags = item.sample.tags
    what = " ".join(tags[key] for key in ("plane", "modality", "anatomy") if tags.get(key)) or "image"
    return {
        "name": case.name,
        "picture": _data_uri(picture),
        "width": picture.width,
        "height": picture.height,
        "alt": f"{what}; true answer {answer}; reply {reply.text[:200] or words.EMPTY}",
        "answer": answer,
        "replies": [
            {"title": TITLES[who], "text": one.reply.text or words.EMPTY, "why": one.score.why}
            for who, one in said.items()
        ],
        "score": words.score_words(score, item.task.metrics),
        "prompt": item.prompt_text,
        "uid": item.uid,
        "subject": item.sample.subject,
    }


def _data_uri(picture: Image.Image) -> str:
    file = io.BytesIO()
    # Full colour resolution: the default halves it, which smears thin coloured lines.
    picture.save(file, "JPEG", quality=88, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def _unread(summaries: Mapping[Who, Sequence[Summary]], names: Sequence[str]) -> list[dict[str, Any]]:
    """Why replies held no answer, most frequent first; rare reasons of one part are counted together."""
    lines = []
    for who, of in summaries.items():
        for summary in of:
            reasons = list(summary.reasons.items())
            rare = sum(count for _, count in reasons[_REASONS:])
            reasons = reasons[:_REASONS] + ([("other reasons", rare)] if rare else [])
            if summary.unfinished:
                reasons.append(("cut off by the token budget, with or without an answer", summary.unfinished))
            lines += [
                {"part": names[summary.part], "title": TITLES[who], "reason": why, "count": count, "n": summary.n}
                for why, count in reasons
            ]
    return sorted(lines, key=lambda line: names.index(str(line["part"])))
