import numpy as np
import pytest

from medft_bm.core.errors import DataError
from medft_bm.metrics import aggregate
from medft_bm.metrics.aggregate import Interval, clustered_bootstrap, effective_clusters
from medft_bm.metrics.statistic import OfSums


def median(rows, weights):
    """Of the first column, by repetition."""
    return float(np.median(np.repeat(np.ravel(rows), np.asarray(weights, int))))


def test_two_patients_can_only_be_drawn_in_three_ways():
    # Patient a: three zeros; patient b: one one. Drawn aa, ab/ba, bb: means 0, 1/4, 1.
    values, patients = np.array([0.0, 0.0, 0.0, 1.0]), ["a", "a", "a", "b"]

    assert clustered_bootstrap(values, patients, resamples=4000, seed=1) == Interval(0.25, 0.0, 1.0)


def test_patients_of_one_sample_each_get_the_interval_of_the_textbook():
    values = np.random.default_rng(0).normal(size=900)
    one_each = [f"p{k}" for k in range(900)]
    standard_error = values.std() / 30

    for level, z in ((0.95, 1.960), (0.8, 1.282)):
        got = clustered_bootstrap(values, one_each, resamples=8000, seed=1, level=level)
        assert got.low == pytest.approx(values.mean() - z * standard_error, abs=0.08 * standard_error)
        assert got.high == pytest.approx(values.mean() + z * standard_error, abs=0.08 * standard_error)


def test_a_share_of_independent_samples_gets_the_interval_of_wilson():
    values, patients = np.repeat([1.0, 0.0], [180, 20]), [f"p{k}" for k in range(200)]
    n, p, z = 200, 0.9, 1.972  # Student's quantile with 199 degrees of freedom
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))

    got = clustered_bootstrap(values, patients, resamples=8000, seed=1, bounds=(0, 1))

    assert (got.low, got.high) == pytest.approx((middle - half, middle + half), abs=0.004)
    assert middle - half == pytest.approx(0.850, abs=0.001)


def test_any_statistic_is_drawn_by_weights_and_agrees_with_its_sums():
    rng = np.random.default_rng(3)
    values, patients = rng.normal(size=60), [f"p{k}" for k in rng.integers(0, 15, 60)]

    fast = clustered_bootstrap(values, patients, resamples=300, seed=5)
    slow = clustered_bootstrap(
        values[:, None],
        patients,
        resamples=300,
        seed=5,
        statistic=lambda rows, weights: float((weights @ rows)[0] / weights.sum()),
    )

    assert slow.value == pytest.approx(fast.value)
    assert (slow.low, slow.high) == pytest.approx((fast.low, fast.high))


def test_the_median_of_draws_is_the_median_of_repeated_rows():
    values, patients = np.array([1.0, 2.0, 50.0, 3.0, 4.0]), ["a", "b", "b", "c", "d"]

    got = clustered_bootstrap(values[:, None], patients, resamples=2000, seed=0, statistic=median)

    assert got.value == 3
    assert (got.low, got.high) == (1, 50) or (got.low >= 1 and got.high <= 50)


def test_draws_are_the_same_in_one_block_and_in_many(monkeypatch):
    values, patients = np.linspace(0, 1, 30) ** 2, [f"p{k // 3}" for k in range(30)]
    whole = clustered_bootstrap(values, patients, resamples=500, seed=7)

    monkeypatch.setattr(aggregate, "_KEPT", 0)
    again = clustered_bootstrap(values, patients, resamples=500, seed=7)

    assert again == whole


def test_a_statistic_that_is_rarely_undefined_has_an_interval_and_says_so_and_another_has_none():
    def ratio(sums):
        return sums[..., 0] / sums[..., 1]

    def hits(marked):
        return np.column_stack([np.ones(20), np.arange(20) < marked]).astype(float)

    patients = [f"p{k}" for k in range(20)]
    # All draws miss m of 20 patients with probability (1 - m / 20)^20: 0.8 % for 4, 12 % for 2.
    some = clustered_bootstrap(hits(4), patients, resamples=2000, seed=0, statistic=OfSums(ratio))
    many = clustered_bootstrap(hits(2), patients, resamples=2000, seed=0, statistic=OfSums(ratio))
    nothing = clustered_bootstrap(hits(0), patients, resamples=2000, seed=0, statistic=lambda rows, weights: np.nan)

    assert 0 < some.undefined < 60
    assert some.low < 5 < some.high
    assert (many.value, many.low, many.high) == (10, None, None)
    assert 150 < many.undefined < 350
    assert np.isnan(nothing.value)
    assert nothing.low is None


def test_where_all_are_right_the_interval_is_that_of_clopper_and_pearson_over_patients():
    patients = [f"p{k // 3}" for k in range(30)]

    right = clustered_bootstrap(np.ones(30), patients, resamples=100, seed=0, bounds=(0, 1))
    wrong = clustered_bootstrap(np.zeros(30), patients, resamples=100, seed=0, bounds=(0, 1))
    same = clustered_bootstrap(np.zeros(30), patients, resamples=100, seed=0, bounds=(-1, 1))
    unknown = clustered_bootstrap(np.full(30, 4.2), patients, resamples=100, seed=0)

    # Tables give 0.3085 for 0 of 10 (not of 30: samples of a patient are alike).
    assert (right.low, right.high) == pytest.approx((1 - 0.3085, 1), abs=1e-4)
    assert (wrong.low, wrong.high) == pytest.approx((0, 0.3085), abs=1e-4)
    assert (same.low, same.high) == pytest.approx((-0.3085, 0.3085), abs=1e-4)
    assert unknown.value == pytest.approx(4.2)
    assert unknown.low is unknown.high is None


def test_patients_of_unequal_size_count_for_fewer():
    assert effective_clusters(np.array([5, 5, 5, 5])) == 4
    assert effective_clusters(np.array([17, 1, 1, 1])) == pytest.approx(2)
    assert effective_clusters(np.array([10, 10, 1, 1])) == pytest.approx(22**2 / 202)


def test_the_order_of_samples_does_not_matter():
    rng = np.random.default_rng(0)
    values, patients = rng.normal(size=40), np.array([f"p{k % 8}" for k in range(40)])
    shuffled = rng.permutation(40)

    one = clustered_bootstrap(values, patients.tolist(), resamples=200, seed=2)
    two = clustered_bootstrap(values[shuffled], patients[shuffled].tolist(), resamples=200, seed=2)

    assert (one.value, one.low, one.high) == pytest.approx((two.value, two.low, two.high))


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    values, patients = np.linspace(0, 1, 30) ** 2, [f"p{k // 3}" for k in range(30)]

    one, again, other = (clustered_bootstrap(values, patients, resamples=100, seed=s) for s in (7, 7, 8))

    assert one == again != other


def test_one_patient_has_a_value_and_no_interval():
    assert clustered_bootstrap(np.array([1.0, 3.0]), ["a", "a"], resamples=100, seed=0) == Interval(2.0, None, None)


@pytest.mark.parametrize(("values", "patients"), [([], []), ([1.0], ["a", "b"]), ([1.0, float("nan")], ["a", "b"])])
def test_values_that_cannot_be_averaged_are_refused(values, patients):
    with pytest.raises(DataError):
        clustered_bootstrap(np.array(values), patients, resamples=10, seed=0)


def test_a_share_never_leaves_its_bounds_and_a_single_wrong_reply_leaves_room_on_both_sides():
    values, patients = np.ones(60), [f"p{k // 3}" for k in range(60)]
    values[0] = 0

    got = clustered_bootstrap(values, patients, resamples=1000, seed=0, bounds=(0, 1))

    assert 0 < got.low < got.value < got.high < 1
    assert got.low < 0.95
