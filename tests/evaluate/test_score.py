from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from medft_bm.core.errors import DataError
from medft_bm.core.types import Metric, Score
from medft_bm.evaluate.replies import Reply
from medft_bm.evaluate.score import Scored, bounds_of, score_replies, summarise
from medft_bm.tasks.base import Pooled


def said(items, text, finished=True) -> list[Scored]:
    """Every item answered with ``text(item)``."""
    return score_replies(items, [Reply(item.uid, text(item), 3, finished) for item in items])


def by_task(summaries, items):
    tasks = {item.part: item.task.name for item in items}
    return {f"{tasks[one.part]} {one.part}": one for one in summaries}


def test_reference_answers_score_perfectly_in_every_part(items):
    summaries = summarise(said(items, lambda item: item.answer_text), resamples=100, seed=0)

    assert [summary.part for summary in summaries] == [0, 1, 2, 3]
    assert sum(summary.n for summary in summaries) == len(items)
    for summary in summaries:
        value = summary.headline.interval.value
        good = value > 0.9 if summary.headline.metric.higher_is_better else value < 0.5
        assert good, summary
        assert summary.parse_rate == 1
        assert summary.reasons == {}


def test_an_unreadable_reply_is_zero_for_a_ratio_and_left_out_of_an_error(items):
    unreadable = {item.uid for item in items[::2]}
    scored = said(items, lambda item: "no idea" if item.uid in unreadable else item.answer_text, finished=False)

    for name, summary in by_task(summarise(scored, resamples=100, seed=0), items).items():
        members = [item for item in items if item.part == summary.part]
        answered = [item for item in members if item.uid not in unreadable]
        assert summary.parse_rate == pytest.approx(len(answered) / len(members))
        assert summary.unfinished == len(members)
        assert sum(summary.reasons.values()) == len(members) - len(answered)
        if name.startswith(("classification", "detection")):
            assert summary.headline.n == len(members)
            assert summary.headline.interval.value <= len(answered) / len(members)
        else:
            assert summary.headline.n == len(answered)
            assert summary.headline.interval.value < 0.5


def test_errors_have_no_mean_when_nothing_could_be_read(items):
    summaries = by_task(summarise(said(items, lambda item: ""), resamples=100, seed=0), items)

    assert summaries["detection 1"].headline.interval.value == 0
    assert summaries["lesion_size 2"].headline.interval is None
    assert summaries["lesion_size 2"].headline.n == 0


def test_subjects_are_counted_once_and_one_subject_has_no_interval(items):
    part = [item for item in items if item.part == 0]
    most = max(part, key=lambda item: sum(other.sample.subject == item.sample.subject for other in part))
    one_subject = [item for item in part if item.sample.subject == most.sample.subject]
    assert len(one_subject) > 1

    everyone = summarise(said(part, lambda item: item.answer_text), resamples=100, seed=0)[0]
    alone = summarise(said(one_subject, lambda item: item.answer_text), resamples=100, seed=0)[0]

    assert everyone.subjects == len({item.sample.subject for item in part}) < everyone.n
    assert alone.subjects == 1
    assert alone.headline.interval.low is None


def test_metrics_of_all_items_at_once_follow_those_of_single_items(items):
    part = [item for item in items if item.part == 0]
    first = part[0].sample.truth["classes"][part[0].sample.truth["class_id"]]

    summary = summarise(said(part, lambda item: first), resamples=100, seed=0)[0]

    values = {result.metric.name: result.interval.value for result in summary.results if result.interval}
    truth = np.array([item.sample.truth["class_id"] for item in part])
    right = float(np.mean(truth == truth[0]))
    assert summary.headline.metric.name == "accuracy"
    assert values["accuracy"] == pytest.approx(right)
    assert values["balanced_accuracy"] == pytest.approx(1 / len(set(truth)))
    assert values["macro_f1"] == pytest.approx(2 * right / (1 + right) / len(set(truth)))


@dataclass(frozen=True)
class Longest:
    """A task with two metrics of all items: the largest answer, and one that is never defined."""

    metrics: ClassVar[tuple[Metric, ...]] = (Metric("length", "mm", unscored=None),)

    def score(self, sample, view, reply):
        return Score({"length": float(reply)}) if reply else Score(None, why="empty")

    def pooled(self, samples):
        def row(one):
            return None if one.score.values is None else (one.score.values["length"], *(one.probabilities or (0,)))

        return (
            Pooled(Metric("longest", "mm"), row, lambda rows, weights: float(rows[weights > 0, 0].max())),
            Pooled(Metric("likeliest"), row, lambda rows, weights: float(rows[weights > 0, 1].max())),
            Pooled(Metric("undefined"), row, lambda rows, weights: float("nan")),
            Pooled(Metric("nowhere"), lambda one: None, lambda rows, weights: 1.0),
        )


def test_a_task_may_report_any_number_of_all_items(items):
    ours = [replace(item, part=0, task=Longest()) for item in items]
    replies = [Reply(item.uid, str(k) if k else "", 1, True, (k / 100,)) for k, item in enumerate(ours)]

    summary = summarise(score_replies(ours, replies), resamples=100, seed=0)[0]

    results = {result.metric.name: result for result in summary.results}
    assert list(results) == ["length", "longest", "likeliest", "undefined", "nowhere"]
    assert results["longest"].interval.value == len(items) - 1
    assert results["longest"].interval.low <= results["longest"].interval.value
    assert results["likeliest"].interval.value == pytest.approx((len(items) - 1) / 100)
    assert {name: one.n for name, one in results.items()} == {
        "length": len(items) - 1, "longest": len(items) - 1, "likeliest": len(items) - 1,
        "undefined": len(items) - 1, "nowhere": 0,
    }  # fmt: skip
    assert results["undefined"].interval is results["nowhere"].interval is None


def test_all_right_is_not_certainty(items):
    part = [item for item in items if item.part == 0]

    summary = summarise(said(part, lambda item: item.answer_text), resamples=100, seed=0)[0]

    assert summary.headline.interval.value == summary.headline.interval.high == 1
    assert summary.headline.interval.low == pytest.approx(0.025 ** (1 / summary.subjects))


@pytest.mark.parametrize(
    ("metric", "values", "bounds"),
    [
        (Metric("iou"), [0.2, 1.0], (0, 1)),
        (Metric("points"), [20.0, 100.0], None),
        (Metric("relative_error", higher_is_better=False), [0.2, 0.9], None),
        (Metric("bias", higher_is_better=None), [0.2, 0.9], None),
        (Metric("length", "mm"), [0.2, 0.9], None),
    ],
)
def test_only_a_share_has_bounds(metric, values, bounds):
    assert bounds_of(metric, np.array(values)) == bounds


def test_replies_to_other_items_are_refused(items):
    replies = [Reply(item.uid, "", 0, True) for item in items]

    with pytest.raises(DataError, match="one to one"):
        score_replies(items, replies[::-1])
