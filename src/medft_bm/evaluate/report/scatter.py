"""The headline metric of every reply against the true size of what was asked about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medft_bm.core.types import Metric
from medft_bm.evaluate.compare import TITLES, Who
from medft_bm.evaluate.report.axes import axis_of, share_axis
from medft_bm.evaluate.report.plots import MOST_POINTS, Plot, series
from medft_bm.evaluate.report.sizes import Sizes, true_sizes
from medft_bm.evaluate.report.words import label, metric_name, number, with_unit
from medft_bm.evaluate.score import Scored

Dots = dict[str, tuple[float, float, str]]


def size_plots(
    parts: Mapping[int, Mapping[Who, Sequence[Scored]]], names: Sequence[str], most: int = MOST_POINTS
) -> list[Plot]:
    """One plot for every part whose truths have a size.

    Args:
        parts: by part, what the models answered on the same items.
        names: of the parts of the mix.
        most: points drawn for one model.
    """
    plots = [_plot(names[part], members, most) for part, members in parts.items()]
    return [plot for plot in plots if plot is not None]


def _plot(name: str, members: Mapping[Who, Sequence[Scored]], most: int) -> Plot | None:
    first = next(iter(members.values()))
    sizes = true_sizes([one.item for one in first], [one.score for one in first])
    metric = first[0].item.task.metrics[0]
    if sizes is None:
        return None
    found = {who: _dots(of, sizes, metric) for who, of in members.items()}
    dots = [dot for of in found.values() for dot in of.values()]
    if not dots:
        return None
    x = axis_of(f"true {sizes.label}", [dot[0] for dot in dots], around_zero=True)
    share = not metric.unit and metric.higher_is_better
    y = share_axis(label(metric)) if share else axis_of(label(metric), [dot[1] for dot in dots], around_zero=True)
    drawn = tuple(series(who, TITLES[who], of, x, y, most) for who, of in found.items() if of)
    summary = (
        f"{metric_name(metric)} of each reply against the true {sizes.name}, "
        + ", ".join(f"{one.title}: {one.of} replies" for one in drawn)
        + "; the table of groups by size gives the means"
    )
    return Plot(name, f"{metric_name(metric)} by {sizes.name}", summary, x, y, drawn)


def _dots(scored: Sequence[Scored], sizes: Sizes, metric: Metric) -> Dots:
    dots = {}
    for one, size in zip(scored, sizes.values, strict=True):
        value = (one.score.values or {}).get(metric.name)
        if value is not None:
            said = (
                f"true {sizes.name} {with_unit(number(size), sizes.unit)}, "
                f"{metric_name(metric)} {with_unit(number(value), metric.unit)}"
            )
            what = one.item.sample.tags.get("label", "")[:60]
            dots[one.item.uid] = (size, value, f"{what}: {said}" if what else said)
    return dots
