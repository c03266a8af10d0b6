import numpy as np
import pytest
from scipy import stats

from medft_bm.metrics.power import detectable, patients_needed


def made(patients: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Paired differences with mean 0, alike within patients of 1 to 9 samples."""
    member = np.repeat(np.arange(patients), rng.integers(1, 10, patients))
    return rng.normal(size=patients)[member] + rng.normal(size=len(member)), member


def test_one_sample_per_patient_gives_the_formula_of_the_textbook():
    values = np.random.default_rng(0).normal(size=40)
    quantiles = stats.t.ppf([0.975, 0.8], 39).sum()

    got = detectable(values, [f"p{k}" for k in range(40)])

    assert got == pytest.approx(quantiles * values.std(ddof=1) / np.sqrt(40))


def test_a_difference_of_that_size_is_found_four_times_in_five():
    rng = np.random.default_rng(1)
    sizes = [detectable(*made(40, rng)) for _ in range(100)]
    typical = float(np.mean(sizes))

    found = 0
    for _ in range(500):
        values, member = made(40, rng)
        error = np.sqrt(40 / 39 * (np.bincount(member, values - values.mean()) ** 2).sum()) / len(values)
        found += abs((values + typical).mean()) / error > stats.t.ppf(0.975, 39 * 0.75)

    assert 0.74 <= found / 500 <= 0.87


def test_the_patients_needed_are_those_that_detect_it():
    values, member = made(30, np.random.default_rng(2))
    smallest = detectable(values, member)

    assert patients_needed(smallest * 1.0001, values, member) == 30
    assert patients_needed(smallest * 0.999, values, member) == 31
    assert patients_needed(-smallest / 2, values, member) == pytest.approx(4 * 30, abs=8)
    assert patients_needed(100 * smallest, values, member) == 2


def test_more_patients_show_less():
    rng = np.random.default_rng(3)

    assert np.mean([detectable(*made(80, rng)) for _ in range(20)]) < 0.6 * np.mean(
        [detectable(*made(20, rng)) for _ in range(20)]
    )


@pytest.mark.parametrize(("values", "member"), [([1.0, 2.0], [0, 0]), ([1.0, 1.0], [0, 1]), ([], [])])
def test_without_a_spread_between_patients_nothing_can_be_said(values, member):
    assert detectable(np.array(values), np.array(member)) is None
    assert patients_needed(1.0, np.array(values), np.array(member)) is None


def test_no_difference_needs_no_number_of_patients():
    assert patients_needed(0.0, *made(10, np.random.default_rng(0))) is None
