"""The laws of metrics and of guesses that never look at the image, for every registered task."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.contract.asked import FINE, VIEWS, Asked

from medft_bm.core.types import Metric, Score, View
from medft_bm.metrics.boxes import THRESHOLDS
from medft_bm.tasks.base import Answered, ClosedSet, Draws, Measures, Pools
from medft_bm.tasks.baseline import random_guess
from medft_bm.tasks.nearest import nearest_guess


def _best(metric: Metric) -> float:
    return 1.0 if metric.higher_is_better else 0.0


def _rounding(asked: Asked, metric: Metric, view: View) -> float:
    """How far from perfect the text of a reference answer leaves a metric: numbers are written with few decimals."""
    if asked.task.name == "detection" and metric.unit == "mm":
        return 0.51 * float(np.hypot(view.spacing.y, view.spacing.x))
    return 0.051


@pytest.mark.parametrize("view", FINE, ids=lambda view: f"{view.size.h}x{view.size.w}")
def test_the_reference_answer_scores_perfectly_on_every_metric(asked, view):
    for sample in asked.samples:
        values = asked.task.score(sample, view, asked.task.answer(sample, view)).values
        for metric in asked.task.metrics:
            assert values[metric.name] == pytest.approx(_best(metric), abs=_rounding(asked, metric, view)), metric


def _answered(asked: Asked, reply=None) -> list[Answered]:
    """Every sample with its reference answer, or with one reply, and with all probability on its class."""
    found = []
    for sample in asked.samples:
        answer = asked.task.answer(sample, VIEWS[0])
        score = asked.task.score(sample, VIEWS[0], answer if reply is None else reply)
        known = asked.task.candidates(sample, VIEWS[0]) if isinstance(asked.task, ClosedSet) else None
        found.append(Answered(sample, score, known and [float(one == answer) for one in known]))
    return found


def _rows(pooled, answered: list[Answered]) -> np.ndarray:
    return np.array([row for one in answered if (row := pooled.row(one)) is not None], np.float64)


def test_reference_answers_are_perfect_on_every_metric_over_all_samples(asked):
    answered = _answered(asked)
    for pooled in asked.task.pooled(asked.samples) if isinstance(asked.task, Pools) else ():
        rows = _rows(pooled, answered)
        assert len(rows), pooled.metric
        value = pooled.statistic(rows, np.ones(len(rows)))
        # Limits of agreement lie 1.96 standard deviations of the rounding away.
        assert value == pytest.approx(_best(pooled.metric), abs=0.15), pooled.metric
        assert (pooled.bounds is None) == (pooled.metric.unit != ""), "a number without a unit has bounds"


def test_a_metric_over_all_samples_counts_a_weight_as_that_many_samples(asked):
    rng = np.random.default_rng(2)
    view = VIEWS[0]
    shuffled = rng.permutation(len(asked.samples))
    answered = [
        Answered(
            sample,
            asked.task.score(sample, view, asked.task.answer(asked.samples[other], view)),
            rng.dirichlet([1, 1, 1]).tolist() if isinstance(asked.task, ClosedSet) else None,
        )
        for sample, other in zip(asked.samples, shuffled, strict=True)
    ]
    for pooled in asked.task.pooled(asked.samples) if isinstance(asked.task, Pools) else ():
        rows = _rows(pooled, answered)
        if not len(rows):
            continue
        for _ in range(5):
            weights = rng.integers(0, 4, len(rows))
            again = np.repeat(rows, weights, axis=0)
            many = pooled.statistic(again, np.ones(len(again)))
            assert pooled.statistic(rows, weights.astype(float)) == pytest.approx(many, nan_ok=True), pooled.metric


def test_no_metric_over_all_samples_fails_or_looks_good_when_nothing_was_read(asked):
    answered = [replace(one, probabilities=None) for one in _answered(asked, "I cannot tell.")]
    for pooled in asked.task.pooled(asked.samples) if isinstance(asked.task, Pools) else ():
        rows = _rows(pooled, answered)
        if len(rows):
            assert pooled.statistic(rows, np.ones(len(rows))) == 0, pooled.metric
            assert pooled.metric.higher_is_better, pooled.metric


def test_metrics_have_names_of_their_own(asked):
    every = [*asked.task.metrics]
    if isinstance(asked.task, Pools):
        every += [pooled.metric for pooled in asked.task.pooled(asked.samples)]
    names = [metric.name for metric in every]
    assert len(set(names)) == len(names)


def test_measured_quantities_are_the_true_ones_for_reference_answers(asked):
    if not isinstance(asked.task, Measures):
        pytest.skip("does not measure")
    for one in _answered(asked):
        measured = asked.task.measured(one.sample, one.score)
        assert measured
        for said, true in measured.values():
            assert said == pytest.approx(true, abs=0.051)
    assert asked.task.measured(asked.samples[0], Score(None, why="nothing")) == {}


def test_every_declared_metric_is_scored(asked):
    sample = asked.samples[0]
    score = asked.task.score(sample, VIEWS[0], asked.task.answer(sample, VIEWS[0]))
    assert set(score.values) == {metric.name for metric in asked.task.metrics}


def test_the_score_does_not_depend_on_the_view(asked):
    for sample, other in zip(asked.samples, reversed(asked.samples), strict=True):
        first, *scores = (asked.task.score(sample, view, asked.task.answer(other, view)).values for view in FINE)
        for view, values in zip(FINE[1:], scores, strict=True):
            for metric in asked.task.metrics:
                if "_over_" in metric.name and min(abs(first["iou"] - threshold) for threshold in THRESHOLDS) < 0.03:
                    continue  # rounding of the text may carry it over the threshold
                slack = max(0.02, _rounding(asked, metric, view) if metric.unit == "mm" else 0)
                assert values[metric.name] == pytest.approx(first[metric.name], abs=slack, rel=0.02), metric


@pytest.mark.parametrize("learn", [random_guess, nearest_guess])
def test_random_and_nearest_guesses_are_answers_and_the_same_each_time(asked, learn):
    guess, again = learn(asked.task, asked.samples), learn(asked.task, asked.samples[::-1])
    for view in VIEWS:
        said = [guess(sample, view) for sample in asked.samples]
        assert said == [again(sample, view) for sample in asked.samples]
        scores = [asked.task.score(one, view, text) for one, text in zip(asked.samples, said, strict=True)]
        assert all(score.values is not None for score in scores)


@pytest.mark.parametrize("learn", [random_guess, nearest_guess])
def test_random_and_nearest_guesses_do_not_know_the_truth(asked, learn):
    """The truth of every other sample in place of a sample's own changes no guess."""
    guess = learn(asked.task, asked.samples)
    for sample, other in zip(asked.samples, asked.samples[::-1], strict=True):
        tags = sample.tags if "label" in sample.truth or "lines" in sample.truth else {**sample.tags, "label": "?"}
        truth = {**other.truth, **{name: sample.truth[name] for name in ("label",) if name in sample.truth}}
        assert guess(replace(sample, truth=truth, tags=tags), VIEWS[0]) == guess(sample, VIEWS[0])


def test_random_and_nearest_guesses_with_nothing_to_learn_from_are_none_or_drawn(asked):
    for learn in (random_guess, nearest_guess):
        said = learn(asked.task, [])(asked.samples[0], VIEWS[0])
        drawn = learn is random_guess and isinstance(asked.task, Draws)
        assert (asked.task.score(asked.samples[0], VIEWS[0], said).values is not None) == drawn
