"""The report of a run: one self-contained HTML page, Markdown for a README, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from medft_bm.config.schema import Config
from medft_bm.core.errors import DataError
from medft_bm.evaluate.compare import Row, Who, compare
from medft_bm.evaluate.facts import Facts, gather_facts, limits, title_of, verdict
from medft_bm.evaluate.page import render_page
from medft_bm.evaluate.replies import write_text
from medft_bm.evaluate.run import Evaluation, open_baseline, open_evaluation, summary_json
from medft_bm.evaluate.score import Scored, Summary, summarise
from medft_bm.evaluate.words import DEMO_NOTE, READING, markdown_table, text_table
from medft_bm.prepare.dataset import Prepared


@dataclass(frozen=True)
class Report:
    """Where the report is, and its table for a terminal."""

    html: Path
    table: str
    rows: list[Row]


def build_report(run_folder: Path, prepared: Prepared, config: Config, *, date: str = "") -> Report:
    """Write ``report.html``, ``report.md`` and ``report.json`` from every evaluation of a run.

    Args:
        run_folder: with ``evaluation/base`` and ``evaluation/tuned``, or one of them.
        prepared: the data they were asked about.
        config: of the run.
        date: to print, as it should read; a report is otherwise the same whenever it is built.

    Raises:
        DataError: nothing was evaluated, or the evaluations do not fit together.
    """
    folder = run_folder / "evaluation"
    found: dict[Who, Evaluation] = {}
    for who in ("base", "tuned"):
        evaluation = open_evaluation(folder / who, prepared)
        if evaluation is not None:
            found[who] = evaluation
    if not found:
        raise DataError("nothing has been evaluated yet", where=str(folder), fix="run `medft evaluate` first")
    found = _on_common_items(found, folder)
    items = [one.item for one in next(iter(found.values())).scored]
    every: dict[Who, Evaluation] = {"baseline": open_baseline(folder / "baseline", prepared, items), **found}
    return write_report(run_folder, prepared, config, every, date=date)


def _on_common_items(found: Mapping[Who, Evaluation], folder: Path) -> dict[Who, Evaluation]:
    """The evaluations on the items that every model was asked: limits may differ, and the smaller one nests."""
    common = set.intersection(*({one.item.uid for one in of.scored} for of in found.values()))
    if not common:
        raise DataError(
            "the models before and after were asked about different items, so nothing can be compared",
            where=str(folder),
            fix="evaluate both with the same evaluate.split",
        )
    return {who: replace(of, scored=[one for one in of.scored if one.item.uid in common]) for who, of in found.items()}


def write_report(
    run_folder: Path, prepared: Prepared, config: Config, evaluations: Mapping[Who, Evaluation], *, date: str = ""
) -> Report:
    """Write the three files from evaluations at hand; see :func:`build_report`."""
    names = [part.name for part in prepared.parts]
    draws = {"resamples": config.evaluate.bootstrap, "seed": config.run.seed}
    scored: dict[Who, Sequence[Scored]] = {who: of.scored for who, of in evaluations.items()}
    rows = compare(scored, names, **draws)
    summaries = {who: summarise(of, **draws) for who, of in scored.items()}
    facts = gather_facts(prepared, config, evaluations, date)
    page = render_page(
        scored,
        summaries,
        rows,
        facts,
        title=title_of(config),
        names=names,
        examples=config.evaluate.examples,
        demo=config.demo,
    )
    html = run_folder / "report.html"
    write_text(html, page)
    write_text(run_folder / "report.md", _markdown(rows, facts, config, date))
    write_text(run_folder / "report.json", _json(summaries, names, rows, facts, config, date))
    return Report(html, text_table(rows, demo=config.demo), rows)


def _markdown(rows: list[Row], facts: Facts, config: Config, date: str) -> str:
    blocks = [
        f"# {'DEMO: ' if config.demo else ''}{title_of(config)}",
        *([date] if date else []),
        *([f"> **{DEMO_NOTE}**"] if config.demo else []),
        verdict(rows),
        markdown_table(rows),
        READING,
        "## Facts",
        "\n".join(f"- {name}: {value}" for name, value in facts.lines),
        "## Limits",
        "\n".join(f"- {limit}" for limit in limits(config.demo)),
    ]
    return "\n\n".join(blocks) + "\n"


def _json(
    summaries: Mapping[Who, Sequence[Summary]],
    names: Sequence[str],
    rows: list[Row],
    facts: Facts,
    config: Config,
    date: str,
) -> str:
    content = {
        "demo": config.demo,
        **({"note": DEMO_NOTE} if config.demo else {}),
        "date": date,
        "model": facts.model,
        "verdict": verdict(rows),
        "results": {who: [summary_json(one, names[one.part]) for one in of] for who, of in summaries.items()},
        "changes": [{"part": row.part, "metric": row.metric.name, **asdict(row.change)} for row in rows if row.change],
        "split": facts.split,
        "counts": facts.counts,
        "facts": dict(facts.lines),
        "versions": dict(facts.versions),
        "limits": limits(config.demo),
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
