"""Numbers and tables as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medft_bm.core.types import Metric, Score
from medft_bm.evaluate.compare import FEW_SUBJECTS, TITLES, WHO, Row, Who
from medft_bm.metrics.aggregate import Interval

NONE = "–"
EMPTY = "(empty)"
DIRECTIONS: Mapping[bool | None, str] = {True: "↑", False: "↓", None: "→ 0"}
DEMO_NOTE = "Demonstration on synthetic images with a toy model: nothing here has any medical value."
FAKE_NOTE = "No model was asked: the replies were made up from the reference answers, to try out everything else."
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
        return f"{value:.1e}".replace("-", "−", 1)
    decimals = 0 if size >= 100 else 1 if size >= 10 else 2 if size > 1 else 3
    return f"{value:.{decimals}f}".replace("-", "−")


def bounds(interval: Interval | None) -> str:
    """``0.61–0.78``; empty without an interval."""
    if interval is None or interval.low is None or interval.high is None:
        return ""
    between = "–" if interval.low >= 0 else " to "
    return f"{number(interval.low, interval.value)}{between}{number(interval.high, interval.value)}"


def signed(value: float, like: float) -> str:
    """A change with its sign, with as many decimals as ``like``."""
    return ("+" if value > 0 else "−" if value < 0 else "") + number(abs(value), like)


def difference(value: float | None) -> str:
    """A value with its sign, where zero means that nothing differs."""
    return NONE if value is None else signed(value, value)


def change_bounds(change: Interval | None) -> str:
    """Interval of a change, with signs; empty without one."""
    if change is None or change.low is None or change.high is None:
        return ""
    return f"{signed(change.low, change.value)} to {signed(change.high, change.value)}"


def p_value(p: float | None) -> str:
    """``p = 0.012``, never ``p = 0``; empty without one."""
    if p is None:
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def outcome(row: Row) -> str:
    """What the interval of the change says: better, worse, or why it does not tell."""
    if row.subjects < FEW_SUBJECTS:
        return f"under {FEW_SUBJECTS} subjects"
    if row.change is None or not row.settled:
        return "not settled"
    if row.metric.higher_is_better is None:
        return "changed"
    return "better" if (row.change.value > 0) == row.metric.higher_is_better else "worse"


def score_words(score: Score, metrics: Sequence[Metric]) -> str:
    """Metrics of one reply in one line; empty without an answer."""
    if score.values is None:
        return ""
    known = [metric for metric in metrics if metric.name in score.values]
    return "; ".join(
        f"{metric_name(metric)}: {with_unit(f'{score.values[metric.name]:.3g}', metric.unit)}" for metric in known
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


def metric_name(metric: Metric) -> str:
    """Name as people write it: ``absolute error``."""
    return metric.name.replace("_", " ")


def quantity(name: str, unit: str) -> str:
    """Name with its unit, if it has one: ``absolute error (mm)``."""
    return name.replace("_", " ") + (f" ({unit})" if unit else "")


def label(metric: Metric) -> str:
    """Name, unit and the direction that is better: ``absolute error (mm) ↓``."""
    return f"{quantity(metric.name, metric.unit)}\N{NO-BREAK SPACE}{DIRECTIONS[metric.higher_is_better]}"


def parse_rates(rates: Mapping[Who, float]) -> str:
    """Before → after, or whichever there is."""
    shown = [percent(rates[who]) for who in WHO if who != "baseline" and who in rates]
    return " → ".join(shown).replace(" % →", " →") or NONE


def text_table(rows: Sequence[Row], *, notes: Sequence[str] = ()) -> str:
    """The table for a terminal, under its notes: two lines per part, intervals under the values; headlines only."""
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
    return "\n".join([*notes, *lines, READING])


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    cells = [cell.ljust(width) if column < 2 else cell.rjust(width)
             for column, (cell, width) in enumerate(zip(line, widths, strict=True))]  # fmt: skip
    return "  ".join(cells).rstrip()


def markdown_table(rows: Sequence[Row]) -> str:
    """The table as Markdown: one line per metric, headline metrics in bold."""
    head = ["task/part", "metric", *(TITLES[who] for who in WHO), "change", "n", "subjects", "parse rate"]
    lines = [pipes(head), pipes(["---", "---", *["---:"] * (len(head) - 2)])]
    for row in rows:
        cells = [interval_text(row.results[who].interval) if who in row.results else NONE for who in WHO]
        name = f"**{label(row.metric)}**" if row.headline else label(row.metric)
        numbers = [
            *cells,
            change_text(row.change),
            str(row.n),
            str(row.subjects),
            parse_rates(row.parse_rates),
        ]
        lines.append(pipes([row.part, name, *numbers]))
    return "\n".join(lines)


def interval_text(interval: Interval | None) -> str:
    """``0.70 (0.61–0.78)``."""
    around = bounds(interval)
    return number(interval.value if interval else None) + (f" ({around})" if around else "")


def change_text(change: Interval | None) -> str:
    """``−0.70 (−0.81 to −0.58)``."""
    if change is None:
        return NONE
    around = change_bounds(change)
    return signed(change.value, change.value) + (f" ({around})" if around else "")


def pipes(cells: Sequence[str]) -> str:
    """One line of a Markdown table."""
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
