"""A report as plain JSON: every number of the page, for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from medft_bm.core.types import Metric
from medft_bm.evaluate.compare import Row
from medft_bm.evaluate.report.agreement import Agreement
from medft_bm.evaluate.report.beside import Other
from medft_bm.evaluate.report.confusion import Confusion
from medft_bm.evaluate.report.content import Content
from medft_bm.evaluate.report.groups import Grouping
from medft_bm.evaluate.report.reliability import Reliability
from medft_bm.evaluate.run import summary_json
from medft_bm.metrics.aggregate import Interval

REPORT_VERSION = 1
"""Raised when a key of ``report.json`` is renamed, removed or gets another meaning; new keys leave it."""


def as_json(content: Content) -> dict[str, Any]:
    """The report as JSON data."""
    facts, marks = content.facts, dict(content.marks)
    return {
        "report_version": REPORT_VERSION,
        **{word.lower(): word in marks for word in ("DEMO", "FAKE")},
        **({"note": " ".join(marks.values())} if marks else {}),
        "date": facts.date,
        "model": facts.model,
        "verdict": content.verdict,
        "results": {
            who: [summary_json(one, content.names[one.part]) for one in of] for who, of in content.summaries.items()
        },
        "changes": [_change(row) for row in content.rows if row.change],
        "others": [_other(one) for one in content.others],
        "references": [asdict(one) for one in content.references],
        "tables": [asdict(one) for one in content.tables],
        "groups": [_grouping(one) for one in content.groups],
        "agreement": [_agreement(one) for one in content.agreements],
        "reliability": [_reliability(one) for one in content.reliabilities],
        "confusion": [_confusion(one) for one in content.confusions],
        "probes": {who: [asdict(one) for one in of] for who, of in content.probes.items() if of},
        "general": [_row(row) for row in content.general],
        "unread": [asdict(one) for one in content.unread],
        "files": {who: list(digests) for who, digests in facts.files.items()},
        "split": facts.split,
        "counts": facts.counts,
        "facts": dict(facts.lines),
        "reproduce": list(facts.commands),
        "versions": dict(facts.versions),
        "limits": list(content.limits),
    }


def _change(row: Row) -> dict[str, Any]:
    tested = {} if row.paired is None else {
        "n": row.paired.n,
        "unpaired": row.paired.unpaired,
        "test": row.paired.test,
        "p": row.paired.p,
        "adjusted_p": row.paired.adjusted_p,
    }  # fmt: skip
    return {
        "part": row.part,
        "metric": row.metric.name,
        "headline": row.headline,
        **_interval(row.change),
        **tested,
        "settled": row.settled,
        "detectable": row.detectable,
    }


def _row(row: Row) -> dict[str, Any]:
    results = {who: _interval(result.interval) for who, result in row.results.items()}
    return {**_metric(row.part, row.metric), "n": row.n, "subjects": row.subjects, "results": results,
            "change": _interval(row.change)}  # fmt: skip


def _other(one: Other) -> dict[str, Any]:
    return {
        **_metric(one.part, one.result.metric),
        "title": one.title,
        "kind": one.kind,
        "n": one.n,
        "subjects": one.subjects,
        "parse_rate": one.parse_rate,
        **_interval(one.result.interval),
    }


def _grouping(one: Grouping) -> dict[str, Any]:
    groups = [
        {
            "name": group.name,
            "n": group.n,
            "subjects": group.subjects,
            "results": {who: _interval(result) for who, result in group.results.items()},
        }
        for group in one.groups
    ]
    return {**_metric(one.part, one.metric), "by": one.by, "left_out": one.left_out, "groups": groups}


def _agreement(one: Agreement) -> dict[str, Any]:
    keys = ("part", "quantity", "unit", "who", "n", "subjects", "bias", "lower", "upper")
    return {key: getattr(one, key) for key in keys}


def _reliability(one: Reliability) -> dict[str, Any]:
    keys = ("part", "who", "n", "subjects", "error")
    return {key: getattr(one, key) for key in keys} | {"bins": [asdict(each) for each in one.bins]}


def _confusion(one: Confusion) -> dict[str, Any]:
    counts: Sequence[Sequence[int]] = [[cell.count for cell in row.cells] for row in one.rows]
    return {
        "part": one.part,
        "who": one.who,
        "true": [row.name for row in one.rows],
        "said": list(one.columns),
        "counts": counts,
    }


def _metric(part: str, metric: Metric) -> dict[str, Any]:
    return {"part": part, "metric": metric.name, "unit": metric.unit, "higher_is_better": metric.higher_is_better}


def _interval(interval: Interval | None) -> dict[str, float | None]:
    if interval is None:
        return {"value": None, "low": None, "high": None}
    return {"value": interval.value, "low": interval.low, "high": interval.high}
