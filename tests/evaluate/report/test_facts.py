"""The sentence above every report, on rows that a plug-in's task could make."""

from __future__ import annotations

import pytest

from medft_bm.core.types import Metric
from medft_bm.evaluate.compare import Row
from medft_bm.evaluate.report.facts import verdict
from medft_bm.evaluate.score import Result
from medft_bm.metrics.aggregate import Interval


def row(higher_is_better, before, after, change):
    metric = Metric("m", "mm", higher_is_better=higher_is_better)
    values = {"baseline": 9.0, "base": before, "tuned": after}
    results = {who: Result(metric, Interval(value, value - 1, value + 1), 40) for who, value in values.items()}
    return Row("part", "task", metric, True, 40, 20, results, dict.fromkeys(values, 1.0), Interval(*change))


@pytest.mark.parametrize(
    ("higher_is_better", "before", "after", "change", "settled"),
    [
        (False, 5.0, 2.0, (-3.0, -4.0, -2.0), 1),
        (False, 5.0, 2.0, (-3.0, -7.0, 1.0), 0),
        (True, 2.0, 5.0, (3.0, 2.0, 4.0), 1),
        # From 3 mm too much to 2 mm too little: the change is sure, that it is nearer to 0 is not.
        (None, 3.0, -2.0, (-5.0, -6.0, -4.0), 0),
    ],
)
def test_better_is_settled_only_where_the_interval_of_the_change_says_better(
    higher_is_better, before, after, change, settled
):
    said = verdict([row(higher_is_better, before, after, change)])

    assert "is better than before in 1 of 1 part" in said
    assert f"(settled by the interval of the change in {settled} of them)" in said
