import numpy as np
import pytest

from medft_bm.metrics.agreement import bias, difference_row, lower_limit, upper_limit


def sums(pairs, weights=None):
    rows = np.array([difference_row(*pair) for pair in pairs])
    return (np.ones(len(rows)) if weights is None else weights) @ rows


def test_bias_and_limits_of_a_hand_computed_example():
    counted = sums([(12, 10), (24, 20), (33, 30)])  # 2, 4, 3: mean 3, standard deviation 1

    assert bias(counted) == pytest.approx(3)
    assert (lower_limit(counted), upper_limit(counted)) == pytest.approx((3 - 1.96, 3 + 1.96))


def test_measuring_too_little_is_a_bias_below_zero():
    assert bias(sums([(8, 10), (19, 20)])) == pytest.approx(-1.5)


@pytest.mark.parametrize("offset", [0, 1e5])
def test_limits_are_sample_standard_deviations_from_the_mean_difference_for_any_weights(offset):
    rng = np.random.default_rng(1)
    pairs = np.column_stack([rng.normal(50 + offset, 8, 40), rng.normal(50, 5, 40)])
    weights = rng.integers(0, 4, 40)
    differences = np.repeat(pairs[:, 0] - pairs[:, 1], weights)

    counted = sums(pairs, weights)

    spread = 1.96 * np.std(differences, ddof=1)
    assert bias(counted) == pytest.approx(differences.mean())
    assert upper_limit(counted) - bias(counted) == pytest.approx(spread, rel=1e-4)
    assert bias(counted) - lower_limit(counted) == pytest.approx(spread, rel=1e-4)


def test_the_limits_hold_95_percent_of_new_differences():
    rng = np.random.default_rng(3)
    counted = sums(np.column_stack([rng.normal(2, 3, 4000), np.zeros(4000)]))

    new = rng.normal(2, 3, 100_000)

    assert np.mean((new > lower_limit(counted)) & (new < upper_limit(counted))) == pytest.approx(0.95, abs=0.01)


def test_one_pair_has_a_bias_and_no_limits_and_none_has_neither():
    one = sums([(12, 10)])

    assert bias(one) == 2
    assert np.isnan([lower_limit(one), upper_limit(one)]).all()
    assert np.isnan([bias(np.zeros(3)), lower_limit(np.zeros(3))]).all()


def test_equal_differences_have_limits_at_the_bias_in_spite_of_rounding():
    counted = sums([(0.1 + k, 0.0 + k) for k in range(7)])

    assert lower_limit(counted) == pytest.approx(0.1, abs=1e-6)
    assert upper_limit(counted) == pytest.approx(0.1, abs=1e-6)
