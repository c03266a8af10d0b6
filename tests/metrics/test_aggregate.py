import time

import numpy as np
import pytest

from medft_bm.core.errors import DataError
from medft_bm.metrics.aggregate import Interval, clustered_bootstrap


def test_two_patients_give_three_possible_means_in_known_proportions():
    # Patient a: three zeros; patient b: one one. Drawn aa, ab/ba, bb: means 0, 1/4, 1, with 1/4, 1/2, 1/4.
    values, patients = np.array([0.0, 0.0, 0.0, 1.0]), ["a", "a", "a", "b"]

    wide = clustered_bootstrap(values, patients, resamples=4000, seed=1)
    inner = clustered_bootstrap(values, patients, resamples=4000, seed=1, level=0.4)

    assert wide == Interval(0.25, 0.0, 1.0)
    assert inner == Interval(0.25, 0.25, 0.25)


def test_patients_of_one_sample_each_get_the_interval_of_the_textbook():
    values = np.random.default_rng(0).normal(size=900)
    one_each = [f"p{k}" for k in range(900)]
    standard_error = values.std() / 30

    for level, z in ((0.95, 1.960), (0.8, 1.282)):
        got = clustered_bootstrap(values, one_each, resamples=8000, seed=1, level=level)
        assert got.low == pytest.approx(values.mean() - z * standard_error, abs=0.08 * standard_error)
        assert got.high == pytest.approx(values.mean() + z * standard_error, abs=0.08 * standard_error)


def test_the_general_path_agrees_with_the_vectorised_mean():
    rng = np.random.default_rng(3)
    values, patients = rng.normal(size=60), [f"p{k}" for k in rng.integers(0, 15, 60)]

    fast = clustered_bootstrap(values, patients, resamples=300, seed=5)
    slow = clustered_bootstrap(values, patients, resamples=300, seed=5, statistic=lambda rows: float(rows.mean()))

    assert fast.value == pytest.approx(slow.value)
    assert (fast.low, fast.high) == pytest.approx((slow.low, slow.high))


def test_rows_of_several_numbers_are_drawn_together():
    pairs = np.array([[1, 1], [2, 2], [3, 3], [4, 4]])

    got = clustered_bootstrap(
        pairs,
        ["a", "b", "c", "d"],
        resamples=50,
        seed=0,
        statistic=lambda rows: float(np.mean(rows[:, 0] == rows[:, 1])),
    )

    assert got == Interval(1.0, 1.0, 1.0)


def test_the_order_of_samples_and_the_names_of_patients_do_not_matter_to_the_value():
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


def _coverage(clustered: bool, rounds: int = 300) -> float:
    """How often a nominal 95 % interval of the mean holds the true mean 0, with strongly alike samples per patient."""
    rng, hits = np.random.default_rng(11), 0
    patients = [f"p{k // 6}" for k in range(40 * 6)]
    alone = [str(k) for k in range(40 * 6)]
    for seed in range(rounds):
        values = np.repeat(rng.normal(size=40), 6) + rng.normal(scale=0.5, size=240)
        got = clustered_bootstrap(values, patients if clustered else alone, resamples=400, seed=seed)
        hits += got.low <= 0 <= got.high
    return hits / rounds


def test_drawing_whole_patients_covers_the_truth_and_drawing_slices_does_not():
    assert 0.90 <= _coverage(clustered=True) <= 0.98
    assert _coverage(clustered=False) < 0.75


def test_ten_thousand_samples_take_well_under_a_second_per_thousand_draws():
    rng = np.random.default_rng(0)
    values, patients = rng.random(10_000), [f"p{k}" for k in rng.integers(0, 2000, 10_000)]
    start = time.process_time()

    clustered_bootstrap(values, patients, resamples=1000, seed=0)

    assert time.process_time() - start < 2
