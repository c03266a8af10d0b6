import numpy as np
import pytest
from scipy import stats

from medft_bm.core.errors import DataError
from medft_bm.metrics import paired
from medft_bm.metrics.paired import MCNEMAR, WILCOXON, Pairs, compare_paired, holm, mcnemar, wilcoxon


def test_one_sample_per_patient_gives_the_exact_mcnemar_test():
    differences = np.repeat([1.0, -1.0, 0.0], [9, 2, 20])

    assert mcnemar(differences, np.arange(31)) == pytest.approx(stats.binomtest(9, 11).pvalue)


def test_patients_are_flipped_whole():
    # One patient of nine wins is one coin, not nine.
    differences, member = np.ones(9), np.zeros(9, int)
    four = np.repeat(np.arange(4), [3, 1, 2, 3])

    assert mcnemar(differences, member) == 1
    assert mcnemar(differences, four) == pytest.approx(2 / 2**4)
    # Sums 2 and -1: of the four ways to flip, ±3 and ±1; all are at least 1 from zero.
    assert mcnemar(np.array([1.0, 1.0, -1.0]), np.array([0, 0, 1])) == 1


def test_counting_all_flips_agrees_with_the_approximation_for_many(monkeypatch):
    rng = np.random.default_rng(0)
    member = np.repeat(np.arange(400), 3)
    differences = rng.choice([-1.0, 0, 1], p=[0.10, 0.75, 0.15], size=1200)
    exact = mcnemar(differences, member)

    monkeypatch.setattr(paired, "_EXACT", 0)
    assert mcnemar(differences, member) == pytest.approx(exact, rel=0.15)
    assert exact < 0.05


@pytest.mark.parametrize("test", [mcnemar, wilcoxon])
def test_without_a_true_difference_five_per_cent_are_significant_although_samples_are_alike(test):
    rng, member = np.random.default_rng(3), np.repeat(np.arange(30), 8)
    found, naive = 0, 0
    for _ in range(250):
        lean = np.repeat(rng.normal(size=30) * 2, 8)
        if test is mcnemar:
            differences = np.where(rng.random(240) < 0.5, 0.0, np.sign(lean + rng.normal(size=240)))
        else:
            differences = lean + rng.normal(size=240)
        found += test(differences, member) < 0.05
        naive += test(differences, np.arange(240)) < 0.05

    assert 0.02 <= found / 250 <= 0.08
    assert naive / 250 > 0.15  # what ignoring patients would do


def test_wilcoxon_takes_one_mean_per_patient():
    differences, member = np.array([1.0, 3, -1, 5, 5, 2, 0.5]), np.array([0, 0, 1, 2, 2, 3, 4])

    assert wilcoxon(differences, member) == pytest.approx(stats.wilcoxon([2, -1, 5, 2, 0.5]).pvalue)
    assert wilcoxon(np.zeros(4), np.arange(4)) == 1


def test_only_complete_pairs_count_and_the_others_are_counted():
    pairs = Pairs.complete([1, None, 4, 5, None], [2, 3, None, 9, None], list("aabbc"))

    got = compare_paired(pairs, resamples=200, seed=0)

    assert (got.n, got.unpaired, got.subjects) == (2, 3, 2)
    assert got.difference.value == 2.5
    assert got.test == WILCOXON


def test_zeros_and_ones_are_tested_by_mcnemar_and_nothing_is_tested_with_one_patient():
    first, second = [0, 0, 1, 0], [1, 1, 1, 1]

    several = compare_paired(Pairs.complete(first, second, list("abcd")), resamples=200, seed=0, share=True)
    alone = compare_paired(Pairs.complete(first, second, list("aaaa")), resamples=200, seed=0, share=True)

    assert (several.test, several.p) == (MCNEMAR, 0.25)
    assert several.difference.high <= 1
    assert (alone.test, alone.p, alone.difference.low) == ("", None, None)


def test_without_a_complete_pair_there_is_no_comparison():
    assert compare_paired(Pairs.complete([None], [1], ["a"]), resamples=10, seed=0) is None


def test_lists_of_different_length_are_no_pairs():
    with pytest.raises(DataError, match="no pairs"):
        Pairs.complete([1, 2], [1], ["a", "b"])


def test_two_models_that_are_always_right_may_still_differ():
    right = [1] * 20

    got = compare_paired(Pairs.complete(right, right, [f"p{k}" for k in range(20)]), resamples=100, seed=0, share=True)

    assert got.p == 1
    assert got.difference.low == -got.difference.high == pytest.approx(-0.168, abs=0.001)


def test_holm_is_that_of_the_textbook():
    assert holm([0.01, 0.04, None, 0.03]) == pytest.approx([0.03, 0.06, None, 0.06])
    assert holm([0.5, 0.9]) == [1, 1]
    assert holm([]) == []
