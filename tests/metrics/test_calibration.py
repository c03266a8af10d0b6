import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from medft_bm.metrics.calibration import BINS, bin_of, brier_score, calibration_row, expected_calibration_error


def test_a_brier_score_of_a_hand_computed_example():
    assert brier_score([0.7, 0.2, 0.1], 0) == pytest.approx(0.09 + 0.04 + 0.01)
    assert brier_score([0.0, 0.0, 1.0], 0) == 2
    assert brier_score([1.0, 0.0, 0.0], 0) == 0


def test_brier_scores_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    probabilities, truth = rng.dirichlet([1, 2, 3], 50), rng.integers(0, 3, 50)

    mine = np.mean([brier_score(p, k) for p, k in zip(probabilities.tolist(), truth.tolist(), strict=True)])

    assert mine == pytest.approx(brier_score_loss(truth, probabilities, labels=[0, 1, 2], scale_by_half=False))


@pytest.mark.parametrize(("confidence", "place"), [(0.0, 0), (0.1, 0), (0.1001, 1), (0.55, 5), (0.999, 9), (1.0, 9)])
def test_a_bin_holds_its_upper_end(confidence, place):
    assert bin_of(confidence) == place


def _by_definition(probabilities, truth):
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    total = 0.0
    for k in range(BINS):
        inside = (confidence > k / BINS) & (confidence <= (k + 1) / BINS)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return total


@pytest.mark.parametrize("seed", range(3))
def test_the_calibration_error_is_the_one_of_its_definition(seed):
    rng = np.random.default_rng(seed)
    probabilities, truth = rng.dirichlet([1, 1, 4], 200), rng.integers(0, 3, 200)
    weights = rng.integers(0, 3, 200)
    rows = np.array([calibration_row(p, k) for p, k in zip(probabilities.tolist(), truth.tolist(), strict=True)])

    drawn = np.repeat(np.arange(200), weights)

    assert expected_calibration_error(weights @ rows) == pytest.approx(
        _by_definition(probabilities[drawn], truth[drawn])
    )


def test_a_model_that_is_as_often_right_as_it_says_is_calibrated_and_a_boaster_is_not():
    rng = np.random.default_rng(5)
    sure = rng.uniform(0.5, 1, 20_000)
    right = rng.random(20_000) < sure
    rows = np.array([calibration_row([p, 1 - p], int(not hit)) for p, hit in zip(sure, right, strict=True)])
    boast = np.array([calibration_row([0.99, 0.01], int(not hit)) for hit in right])

    assert expected_calibration_error(rows.sum(axis=0)) < 0.02
    assert expected_calibration_error(boast.sum(axis=0)) == pytest.approx(0.99 - right.mean())


def test_no_samples_have_no_calibration_error():
    assert np.isnan(expected_calibration_error(np.zeros(BINS + 1)))
