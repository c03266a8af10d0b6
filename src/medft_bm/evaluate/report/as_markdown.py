"""A report as Markdown, for a README, an issue or a supplement."""

from __future__ import annotations

from collections.abc import Sequence

from medft_bm.evaluate.compare import TITLES, Row
from medft_bm.evaluate.medvision.tables import Table
from medft_bm.evaluate.report.content import Content
from medft_bm.evaluate.report.groups import Grouping
from medft_bm.evaluate.report.words import (
    NONE,
    READING,
    change_text,
    count,
    difference,
    interval_text,
    label,
    markdown_table,
    number,
    p_value,
    percent,
    pipes,
    quantity,
)


def as_markdown(content: Content) -> str:
    """The report as Markdown."""
    facts = content.facts
    blocks = [
        f"# {''.join(f'{word}: ' for word, _ in content.marks)}{content.title}",
        facts.date,
        *(f"> **{note}**" for _, note in content.marks),
        content.verdict,
        markdown_table([row for row in content.rows if row.headline]),
        READING,
        *_section("## Paired tests", _tests(content.rows)),
        *_section("## All metrics", [markdown_table(content.rows)]),
        *_section("## Other baselines and conditions", _others(content)),
        *_section("## Published numbers", _references(content)),
        *[block for one in content.tables for block in _published(one)],
        *_section("## Groups", [block for one in content.groups for block in _grouping(one)]),
        *_section("## Agreement with the truth", _agreement(content)),
        *_section("## Calibration", _calibration(content)),
        *_section("## Probes", _probes(content)),
        *_section("## General abilities", [markdown_table(content.general)] if content.general else []),
        *_section("## Replies without an answer", _unread(content)),
        "## Facts",
        "\n".join(f"- {name}: {value}" for name, value in facts.lines),
        "## Reproduce",
        "```bash\n" + "\n".join(facts.commands) + "\n```",
        "## Limits",
        "\n".join(f"- {limit}" for limit in content.limits),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _section(title: str, blocks: Sequence[str]) -> list[str]:
    return [title, *blocks] if blocks else []


def _table(head: Sequence[str], lines: Sequence[Sequence[str]], words: int) -> list[str]:
    """A table whose first ``words`` columns are text and the others numbers; none without lines."""
    if not lines:
        return []
    rule = ["---"] * words + ["---:"] * (len(head) - words)
    return ["\n".join(pipes(line) for line in [head, rule, *lines])]


def _tests(rows: Sequence[Row]) -> list[str]:
    lines = []
    for row in rows:
        if row.headline and row.paired is not None and row.paired.p is not None:
            paired = row.paired
            adjusted = p_value(paired.adjusted_p) or NONE
            power = number(row.detectable)
            lines.append([row.part, label(row.metric), paired.test, p_value(paired.p), adjusted,
                          str(paired.n), str(paired.unpaired), power])  # fmt: skip
    head = ["task/part", "metric", "test", "p", "p after Holm", "pairs", "left out", "detectable change"]
    return _table(head, lines, 3)


def _others(content: Content) -> list[str]:
    lines = [
        [one.part, one.title, label(one.result.metric), interval_text(one.result.interval),
         str(one.n), percent(one.parse_rate)]
        for one in content.others
    ]  # fmt: skip
    return _table(["task/part", "answered by", "metric", "value", "n", "parse rate"], lines, 3)


def _references(content: Content) -> list[str]:
    lines = [
        [one.model, one.task, one.setting, quantity(one.metric, one.unit), number(one.before), number(one.after),
         f"[{one.source}]({one.url})", one.note]
        for one in content.references
    ]  # fmt: skip
    return _table(["model", "task", "setting", "metric", "before", "after", "source", "what differs"], lines, 4)


def _published(one: Table) -> list[str]:
    rule = ["---", *["---:"] * (len(one.columns) - 1)]
    table = "\n".join(pipes(line) for line in [one.columns, rule, *one.text()])
    return [f"## {one.title}", table, *one.notes]


def _grouping(one: Grouping) -> list[str]:
    lines = [
        [group.name + (" (few subjects)" if group.few else ""), str(group.n), str(group.subjects),
         *(interval_text(group.results.get(who)) for who in one.answered)]
        for group in one.groups
    ]  # fmt: skip
    head = [one.by, "n", "subjects", *(TITLES[who] for who in one.answered)]
    more = [f"{count(one.left_out, one.left_out + len(one.groups), 'group')} left out."] if one.left_out else []
    return [f"**{one.part}** by {one.by}: {label(one.metric)}", *_table(head, lines, 1), *more]


def _agreement(content: Content) -> list[str]:
    lines = [
        [one.part, one.quantity, one.title, difference(one.bias), difference(one.lower), difference(one.upper),
         one.unit, str(one.n), str(one.subjects)]
        for one in content.agreements
    ]  # fmt: skip
    head = ["task/part", "quantity", "model", "bias", "lower limit", "upper limit", "unit", "n", "subjects"]
    return _table(head, lines, 3)


def _calibration(content: Content) -> list[str]:
    lines = [[one.part, one.title, number(one.error), str(one.n), str(one.subjects)] for one in content.reliabilities]
    return _table(["task/part", "model", "expected calibration error", "n", "subjects"], lines, 2)


def _probes(content: Content) -> list[str]:
    lines = [
        [one.part, TITLES[who], one.probe, one.expectation, one.verdict,
         "scaling" if one.scaling else quantity(one.metric, one.unit), interval_text(one.plain),
         interval_text(one.probed), interval_text(one.scaling) if one.scaling else change_text(one.change),
         percent(one.same), str(one.n), str(one.subjects)]
        for who, of in content.probes.items()
        for one in of
    ]  # fmt: skip
    head = ["task/part", "model", "probe", "expected", "verdict", "metric", "as asked", "after the probe",
            "change", "same answers", "n", "subjects"]  # fmt: skip
    return _table(head, lines, 6)


def _unread(content: Content) -> list[str]:
    lines = [[one.part, one.title, one.reason, f"{one.count} of {one.n}"] for one in content.unread]
    return _table(["task/part", "model", "reason", "replies"], lines, 3)
