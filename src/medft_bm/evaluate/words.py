"""Numbers and tables as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medft_bm.core.types import Metric, Score
from medft_bm.evaluate.compare import FEW_SUBJECTS, TITLES, WHO, Row, Who
from medft_bm.metrics.aggregate import Interval

NONE = "–"
EMPTY = "(empty)"
DEMO_NOTE = "Demonstration on synthetic images with a toy model: nothing here has any medical value."
READING = (
    "95 % intervals resample whole subjects. The trivial baseline never looks at the image.\n"
    "Parse: share of replies an answer could be read from, before → after; a mean error leaves the others out."
)


def number(value: float | None, like: float | None = None) -> str:
    """A value with as many decimals as its size deserves, or as that of ``like``."""
    if value is None:
        return NONE
    size = abs(value if like is None else like)
    if max(size, abs(value)) >= 1e6:
        return f"{value:.1e}"
    decimals = 0 if size >= 100 else 1 if size >= 10 else 2 if size > 1 else 3
    return f"{value:.{decimals}f}"


def bounds(interval: Interval | None) -> str:
    """``0.61–0.78``; empty without an interval."""
    if interval is None or interval.low is None or interval.high is None:
        return ""
    between = "–" if interval.low >= 0 else " to "
    return f"{number(interval.low, interval.value)}{between}{number(interval.high, interval.value)}"


def signed(value: float, like: float) -> str:
    """A change with its sign, with as many decimals as ``like``."""
    return ("+" if value > 0 else "−" if value < 0 else "") + number(abs(value), like)


def change_bounds(change: Interval | None) -> str:
    """Interval of a change, with signs; empty without one."""
    if change is None or change.low is None or change.high is None:
        return ""
    return f"{signed(change.low, change.value)} to {signed(change.high, change.value)}"


def outcome(row: Row) -> str:
    """What the interval of the change says: better, worse, or why it does not tell."""
    if row.subjects < FEW_SUBJECTS:
        return f"under {FEW_SUBJECTS} subjects"
    if row.change is None or not row.settled:
        return "not settled"
    return "better" if (row.change.value > 0) == row.metric.higher_is_better else "worse"


def score_words(score: Score, metrics: Sequence[Metric]) -> str:
    """Every metric of one reply in one line."""
    if score.values is None:
        return f"no answer: {score.why}"
    known = [metric for metric in metrics if metric.name in score.values]
    return "; ".join(
        f"{metric.name.replace('_', ' ')}: {score.values[metric.name]:.3g}{' ' + metric.unit if metric.unit else ''}"
        for metric in known
    )


def with_unit(answer: str, unit: str) -> str:
    """A reference answer with its unit, where the text does not hold it."""
    return answer if not unit or unit in answer else f"{answer} {unit}"


def count(n: int, of: int, noun: str) -> str:
    """``3 of 4 parts``."""
    return f"{n} of {of} {noun}{'' if of == 1 else 's'}"


def percent(share: float | None) -> str:
    """A share in whole per cent, never rounded up to all or down to none."""
    if share is None:
        return NONE
    shown = round(100 * share)
    return f"{min(max(shown, 1 if share > 0 else 0), 99 if share < 1 else 100)} %"


def label(metric: Metric) -> str:
    """Name, unit and the direction that is better: ``absolute error (mm) ↓``."""
    unit = f" ({metric.unit})" if metric.unit else ""
    return f"{metric.name.replace('_', ' ')}{unit}\N{NO-BREAK SPACE}{'↑' if metric.higher_is_better else '↓'}"


def parse_rates(rates: Mapping[Who, float]) -> str:
    """Before → after, or whichever there is."""
    shown = [percent(rates[who]) for who in WHO if who != "baseline" and who in rates]
    return " → ".join(shown).replace(" % →", " →") or NONE


def text_table(rows: Sequence[Row], *, demo: bool = False) -> str:
    """The table for a terminal: two lines per part, intervals under the values; headline metrics only."""
    head = ["task/part", "metric", *(TITLES[who].removeprefix("trivial ") for who in WHO), "n", "subjects", "parse"]
    body: list[list[str]] = []
    for row in rows:
        if row.headline:
            results = [row.results.get(who) for who in WHO]
            values = [number(row.value(who)) for who in WHO]
            body.append([row.part, label(row.metric), *values, str(row.n), str(row.subjects),
                         parse_rates(row.parse_rates)])  # fmt: skip
            body.append(["", "", *(bounds(result.interval) if result else "" for result in results), "", "", ""])
    widths = [max(len(line[column]) for line in [head, *body]) for column in range(len(head))]
    lines = [_aligned(line, widths) for line in [head, ["─" * width for width in widths], *body]]
    return "\n".join([*([DEMO_NOTE] if demo else []), *lines, READING])


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    cells = [cell.ljust(width) if column < 2 else cell.rjust(width)
             for column, (cell, width) in enumerate(zip(line, widths, strict=True))]  # fmt: skip
    return "  ".join(cells).rstrip()


def markdown_table(rows: Sequence[Row]) -> str:
    """The table as Markdown: one line per metric, headline metrics in bold."""
    head = ["task/part", "metric", *(TITLES[who] for who in WHO), "change", "n", "subjects", "parse rate"]
    lines = [_markdown(head), _markdown(["---", "---", *["---:"] * (len(head) - 2)])]
    for row in rows:
        cells = [_cell(row.results[who].interval) if who in row.results else NONE for who in WHO]
        name = f"**{label(row.metric)}**" if row.headline else label(row.metric)
        numbers = [
            *cells,
            _change(row.change),
            str(row.n),
            str(row.subjects),
            parse_rates(row.parse_rates),
        ]
        lines.append(_markdown([row.part, name, *numbers]))
    return "\n".join(lines)


def _cell(interval: Interval | None) -> str:
    around = bounds(interval)
    return number(interval.value if interval else None) + (f" ({around})" if around else "")


def _change(change: Interval | None) -> str:
    if change is None:
        return NONE
    around = change_bounds(change)
    return signed(change.value, change.value) + (f" ({around})" if around else "")


def _markdown(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
