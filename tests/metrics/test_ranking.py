import numpy as np
import pytest
from scipy.stats import mannwhitneyu
from sklearn.metrics import roc_auc_score

from medft_bm.metrics.ranking import Auroc, Median


@pytest.mark.parametrize("n", [1, 2, 7, 30])
def test_a_weighted_median_is_that_of_repeated_values(n):
    rng, median = np.random.default_rng(n), Median()
    rows = rng.integers(0, 6, (n, 1)) * 1.5
    for _ in range(20):
        weights = rng.integers(0, 4, n)
        if weights.any():
            assert median(rows, weights) == np.median(np.repeat(rows[:, 0], weights))


def test_nothing_has_no_median():
    assert np.isnan(Median()(np.ones((3, 1)), np.zeros(3)))
    assert np.isnan(Median()(np.ones((0, 1)), np.zeros(0)))


@pytest.mark.parametrize("samples", [1, 2, 3, 50, 64, 65, 1000, 5000])
@pytest.mark.parametrize("ties", [False, True])
def test_medians_of_many_draws_are_those_of_one_after_another(samples, ties):
    rng, median = np.random.default_rng(samples), Median()
    rows = rng.gamma(1, 5, (samples, 1))
    rows = np.round(rows / 4) if ties else rows
    clusters = min(samples, 20)
    member = np.concatenate([np.arange(clusters), rng.integers(0, clusters, samples - clusters)])
    draws = rng.multinomial(clusters, np.full(clusters, 1 / clusters), 60).astype(float)

    at_once = median.redrawn(rows, member, clusters)(draws)

    assert at_once.tolist() == [median(rows, draw[member]) for draw in draws]


def test_areas_of_many_draws_are_those_of_one_after_another():
    rng, auroc = np.random.default_rng(3), Auroc()
    rows = np.column_stack([rng.integers(0, 3, 90), rng.dirichlet(np.ones(3), 90)])
    member = np.repeat(np.arange(6), 15)
    draws = rng.multinomial(6, np.full(6, 1 / 6), 20).astype(float)

    at_once = auroc.redrawn(rows, member, 6)(draws)

    assert at_once.tolist() == [auroc(rows, draw[member]) for draw in draws]


def test_an_area_of_a_hand_computed_example():
    # Positive: 0.7, 0.9; negative: 0.2, 0.7, 0.8. Pairs in order: 0.7 > 0.2, 0.9 > all; a tie counts half.
    likely = np.array([0.7, 0.9, 0.2, 0.7, 0.8])
    rows = np.column_stack([[1, 1, 0, 0, 0], 1 - likely, likely])

    assert Auroc()(rows, np.ones(5)) == pytest.approx((1 + 0.5 + 3) / 6)


@pytest.mark.parametrize("classes", [2, 4])
def test_areas_are_those_of_scikit_learn_for_any_weights(classes):
    rng, auroc = np.random.default_rng(classes), Auroc()
    truth = np.concatenate([np.arange(classes), rng.integers(0, classes, 80)])
    probabilities = np.round(rng.dirichlet(np.ones(classes), len(truth)), 2)  # with ties
    probabilities[:, 0] += 1 - probabilities.sum(axis=1)
    rows = np.column_stack([truth, probabilities])
    for _ in range(5):
        weights = rng.integers(0, 3, len(truth))
        weights[:classes] = 1
        shown = probabilities[:, 1] if classes == 2 else probabilities
        expected = roc_auc_score(truth, shown, sample_weight=weights, multi_class="ovr")
        assert auroc(rows, weights) == pytest.approx(expected)


def test_the_area_is_the_share_of_pairs_in_order():
    rng = np.random.default_rng(9)
    sick, well = rng.normal(1, 1, 40), rng.normal(0, 1, 60)
    likely = np.concatenate([sick, well])
    rows = np.column_stack([np.repeat([1, 0], [40, 60]), -likely, likely])

    assert Auroc()(rows, np.ones(100)) == pytest.approx(mannwhitneyu(sick, well).statistic / 2400)


def test_classes_without_samples_on_both_sides_are_left_out_and_without_any_there_is_no_area():
    probabilities = np.array([[0.5, 0.3, 0.2], [0.2, 0.6, 0.2], [0.6, 0.3, 0.1]])
    rows = np.column_stack([[0, 1, 1], probabilities])  # nobody is of class 2

    assert Auroc()(rows, np.ones(3)) == pytest.approx((0.5 + 0.75) / 2)
    assert np.isnan(Auroc()(rows, np.array([0.0, 1.0, 1.0])))
