"""Metrics over all samples that several tasks report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from medft_bm.core.types import Metric
from medft_bm.metrics.agreement import bias, difference_row, lower_limit, upper_limit
from medft_bm.metrics.classification import share
from medft_bm.metrics.ranking import Median
from medft_bm.metrics.statistic import OfSums
from medft_bm.tasks.base import Answered, Measures, Pooled

SHARE = (0.0, 1.0)
"""Bounds of what is a share, or a mean of shares."""

LIMITS = {"bias": bias, "lower_limit": lower_limit, "upper_limit": upper_limit}


def median_error(unit: str) -> Pooled:
    """Median of ``absolute_error``, which one absurd answer cannot move."""
    metric = Metric("median_absolute_error", unit, higher_is_better=False)
    return Pooled(metric, lambda one: _values(one, "absolute_error"), Median())


def _values(one: Answered, name: str) -> Sequence[float] | None:
    return None if one.score.values is None else (one.score.values[name],)


def agreement(task: Measures, quantities: Sequence[str], unit: str) -> tuple[Pooled, ...]:
    """Bias and limits of agreement of measured quantities, predicted minus true (see ``metrics/agreement.py``).

    Args:
        task: whose quantities they are.
        quantities: all that its :meth:`~medft_bm.tasks.base.Measures.measured` names.
        unit: of the quantities.
    """

    def row(one: Answered) -> Sequence[float] | None:
        pairs = task.measured(one.sample, one.score)
        return [number for name in quantities for number in difference_row(*pairs[name])] if pairs else None

    def of(place: int, limit: Callable[[NDArray[Any]], NDArray[Any]]) -> OfSums:
        return OfSums(lambda sums: limit(sums[..., 3 * place : 3 * place + 3]))

    return tuple(
        Pooled(Metric(f"{quantity.replace(' ', '_')}_{name}", unit, higher_is_better=None), row, of(place, limit))
        for place, quantity in enumerate(quantities)
        for name, limit in LIMITS.items()
    )


def share_of(name: str, right: Callable[[Answered], bool | None]) -> Pooled:
    """Share of the samples for which something is right, among those it says something about.

    Args:
        name: of the metric.
        right: whether it is right for a sample; ``None`` leaves the sample out.
    """

    def row(one: Answered) -> Sequence[float] | None:
        said = right(one)
        return None if said is None else (float(said), 1.0)

    return Pooled(Metric(name), row, OfSums(share), SHARE)
