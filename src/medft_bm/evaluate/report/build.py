"""The report of a run: one self-contained HTML page, Markdown for a README, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medft_bm.config.schema import Config
from medft_bm.core.errors import DataError
from medft_bm.evaluate.baselines import BASELINES, open_baselines
from medft_bm.evaluate.compare import TITLES, Row, Who
from medft_bm.evaluate.probing import open_probes
from medft_bm.evaluate.replies import write_text
from medft_bm.evaluate.report.as_json import as_json
from medft_bm.evaluate.report.as_markdown import as_markdown
from medft_bm.evaluate.report.beside import Beside
from medft_bm.evaluate.report.content import gather
from medft_bm.evaluate.report.gallery import cards
from medft_bm.evaluate.report.page import render_page
from medft_bm.evaluate.report.words import text_table
from medft_bm.evaluate.run import Evaluation, open_conditions, open_evaluation
from medft_bm.prepare.dataset import Prepared


@dataclass(frozen=True)
class Report:
    """Where the report is, and its table for a terminal."""

    html: Path
    table: str
    rows: Sequence[Row]


def build_report(
    run_folder: Path, prepared: Prepared, config: Config, *, date: str = "", general: Sequence[Row] = ()
) -> Report:
    """Write ``report.html``, ``report.md`` and ``report.json`` from every evaluation of a run.

    Args:
        run_folder: with ``evaluation/base`` and ``evaluation/tuned``, or one of them.
        prepared: the data they were asked about.
        config: of the run.
        date: to print, as it should read; a report is otherwise the same whenever it is built.
        general: rows of a comparison on a set that was not trained for.

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
    baselines = open_baselines(folder, prepared, items)
    beside = Beside(
        baselines={BASELINES[name]: of for name, of in baselines.items() if name != "baseline"},
        conditions={_condition(name, of): of for name, of in open_conditions(folder, prepared).items()},
        probes={who: open_probes(folder / who, of.about) for who, of in found.items()},
        general=general,
    )
    every: dict[Who, Evaluation] = {"baseline": baselines["baseline"], **found}
    return write_report(run_folder, prepared, config, every, beside, date=date)


def _condition(name: str, of: Evaluation) -> str:
    """A condition as the report calls it: ``before, 3 examples shown``."""
    who: Who = "base" if name.startswith("base") else "tuned"
    shots = of.about["shots"]
    return f"{TITLES[who]}, {shots} example{'' if shots == 1 else 's'} shown"


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
    run_folder: Path,
    prepared: Prepared,
    config: Config,
    evaluations: Mapping[Who, Evaluation],
    beside: Beside | None = None,
    *,
    date: str = "",
) -> Report:
    """Write the three files from evaluations at hand; see :func:`build_report`."""
    content = gather(prepared, config, evaluations, beside or Beside(), date)
    scored = {who: of.scored for who, of in evaluations.items()}
    shown = cards(scored, content.names, config.evaluate.examples)
    replies = sum(summary.n for summary in next(iter(content.summaries.values()), ()))
    html = run_folder / "report.html"
    write_text(html, render_page(content, shown, replies=replies))
    write_text(run_folder / "report.md", as_markdown(content))
    text = json.dumps(as_json(content), indent=1, ensure_ascii=False, allow_nan=False)
    write_text(run_folder / "report.json", text + "\n")
    return Report(html, text_table(content.rows, notes=[note for _, note in content.marks]), content.rows)
