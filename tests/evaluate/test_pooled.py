"""Metrics over all samples have intervals where all replies are right, and none where they say nothing."""

from __future__ import annotations

from medft_bm.evaluate.replies import Reply
from medft_bm.evaluate.score import score_replies, summarise


def results(items, text):
    replies = [Reply(item.uid, text(item), 3, True) for item in items]
    summaries = summarise(score_replies(items, replies), resamples=50, seed=0)
    return {(one.part, result.metric.name): result for one in summaries for result in one.results}


def test_a_share_that_nobody_misses_has_an_interval_all_the_same(items):
    found = results(items, lambda item: item.answer_text)

    for name in ("accuracy", "balanced_accuracy", "macro_f1"):
        interval = found[0, name].interval
        assert interval.value == interval.high == 1
        assert 0 < interval.low < 1


def test_a_metric_that_nothing_was_read_for_has_no_value(items):
    found = results(items, lambda item: "no idea")

    for name in ("median_absolute_error", "major_axis_bias", "major_axis_lower_limit"):
        assert (found[2, name].interval, found[2, name].n) == (None, 0)
    assert found[0, "balanced_accuracy"].interval.value == 0
    assert found[0, "auroc"].interval is None
