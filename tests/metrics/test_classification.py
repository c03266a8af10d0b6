import warnings

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score

from medft_bm.core.errors import DataError
from medft_bm.metrics.classification import (
    balanced_accuracy,
    confusion_matrix,
    count_row,
    macro_f1,
    share,
    weighted_f1,
)

# Class 0: 4 samples, 3 right, 1 unanswered. Class 1: 2 samples, 1 right. Class 2: never true, said once.
TRUTH = np.array([0, 0, 0, 0, 1, 1])
SAID = np.array([0, 0, 0, -1, 1, 2])


def test_the_confusion_matrix_keeps_unanswered_replies_in_a_column_of_their_own():
    assert confusion_matrix(TRUTH, SAID, 3).tolist() == [[3, 0, 0, 1], [0, 1, 1, 0], [0, 0, 0, 0]]


def sums(truth, said, classes=3, weights=None):
    rows = np.array([count_row(int(t), int(p), classes) for t, p in zip(truth, said, strict=True)])
    return (np.ones(len(rows)) if weights is None else weights) @ rows


def test_balanced_accuracy_weighs_every_true_class_alike():
    assert balanced_accuracy(sums(TRUTH, SAID)) == pytest.approx((3 / 4 + 1 / 2) / 2)


def test_macro_f1_includes_a_class_that_was_only_said_and_ignores_no_answer():
    # F1: class 0: 2*3/(4+3); class 1: 2*1/(2+1); class 2: 0
    assert macro_f1(sums(TRUTH, SAID)) == pytest.approx((6 / 7 + 2 / 3 + 0) / 3)


def test_weighted_f1_counts_classes_as_often_as_they_are_true():
    assert weighted_f1(sums(TRUTH, SAID)) == pytest.approx((4 * 6 / 7 + 2 * 2 / 3) / 6)


def test_saying_the_commonest_class_looks_good_only_to_plain_accuracy():
    counts = sums([0] * 9 + [1], [0] * 10, classes=2)

    assert balanced_accuracy(counts) == pytest.approx(0.5)
    assert macro_f1(counts) == pytest.approx((18 / 19) / 2)


def test_nothing_answered_is_zero_everywhere():
    counts = sums(TRUTH, [-1] * 6)

    assert balanced_accuracy(counts) == macro_f1(counts) == weighted_f1(counts) == 0


def test_no_samples_have_no_value():
    for metric in (balanced_accuracy, macro_f1, weighted_f1):
        assert np.isnan(metric(np.zeros(9)))
    assert np.isnan(share(np.zeros(2)))


@pytest.mark.parametrize("seed", range(5))
def test_every_mean_over_classes_is_the_one_of_scikit_learn_for_any_weights(seed):
    rng = np.random.default_rng(seed)
    truth, said = rng.integers(0, 4, 60), rng.integers(-1, 5, 60)
    weights = rng.integers(0, 4, 60).astype(float)
    drawn = np.repeat(np.arange(60), weights.astype(int))
    known = np.union1d(truth[drawn], said[drawn][said[drawn] >= 0])

    counts = sums(truth, said, 5, weights)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that are said and never true, and the other way round
        assert balanced_accuracy(counts) == pytest.approx(balanced_accuracy_score(truth[drawn], said[drawn]))
        for average, metric in (("macro", macro_f1), ("weighted", weighted_f1)):
            expected = f1_score(truth[drawn], said[drawn], labels=known, average=average, zero_division=0)
            assert metric(counts) == pytest.approx(expected)


def test_many_draws_are_computed_at_once():
    rng = np.random.default_rng(0)
    rows = np.array([count_row(*pair, 3) for pair in rng.integers(0, 3, (30, 2)).tolist()])
    draws = rng.integers(0, 3, (50, 30)) @ rows

    for metric in (balanced_accuracy, macro_f1, weighted_f1):
        assert metric(draws) == pytest.approx([float(metric(draw)) for draw in draws])


@pytest.mark.parametrize(
    ("truth", "said"),
    [([0, 3], [0, 0]), ([0, 1], [0, 3]), ([0, -1], [0, 0]), ([0, 1], [0, -2]), ([0, 1], [0])],
)
def test_ids_that_cannot_be_counted_are_refused(truth, said):
    with pytest.raises(DataError):
        confusion_matrix(np.array(truth), np.array(said), 3)


def test_no_samples_make_an_empty_table():
    nothing = np.array([], int)

    assert confusion_matrix(nothing, nothing, 2).tolist() == [[0, 0, 0], [0, 0, 0]]
