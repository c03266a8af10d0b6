"""Two models on the same samples: how much they differ, and whether chance would do the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from medft_bm.core.errors import DataError
from medft_bm.metrics.aggregate import Floats, Interval, clustered_bootstrap

MCNEMAR = "clustered McNemar"
WILCOXON = "Wilcoxon on patient means"

_EXACT = 20_000_000  # steps up to which all ways to flip patients are counted


@dataclass(frozen=True)
class Paired:
    """A paired comparison: second minus first.

    Attributes:
        n: samples with a value from both.
        unpaired: samples left out because one side or both have no value.
        subjects: patients behind the ``n``.
        difference: mean of the differences with its interval, patients resampled.
        test: name of the test; empty when there was too little to test.
        p: two-sided p value; ``None`` when there was too little to test.
        adjusted_p: ``p`` adjusted by Holm for the rows compared together; ``None`` where none was made.
    """

    n: int
    unpaired: int
    subjects: int
    difference: Interval
    test: str
    p: float | None
    adjusted_p: float | None = None


@dataclass(frozen=True)
class Pairs:
    """Samples with a value from both models.

    Attributes:
        values: ``(n, 2)``, of the first and the second.
        subjects: ``(n,)``, patient of each.
        unpaired: samples left out because one side or both have no value.
    """

    values: Floats
    subjects: NDArray[np.str_]
    unpaired: int

    @classmethod
    def complete(cls, first: Sequence[float | None], second: Sequence[float | None], subjects: Sequence[str]) -> Pairs:
        """The complete pairs among samples; ``None`` is no value.

        Raises:
            DataError: not exactly one value of each and one subject per sample.
        """
        if not len(first) == len(second) == len(subjects):
            raise DataError(f"{len(first)} and {len(second)} values of {len(subjects)} samples are no pairs")
        both = [(a, b, who) for a, b, who in zip(first, second, subjects, strict=True) if None not in (a, b)]
        values = np.array([pair[:2] for pair in both], np.float64).reshape(-1, 2)
        return cls(values, np.array([who for *_, who in both], str), len(subjects) - len(both))

    @property
    def differences(self) -> Floats:
        """``(n,)``, second minus first."""
        return np.asarray(self.values[:, 1] - self.values[:, 0])


def compare_paired(pairs: Pairs, *, resamples: int, seed: int, share: bool = False) -> Paired | None:
    """Compare two models by their complete pairs.

    Values of 0 and 1 are tested by :func:`mcnemar`, others by :func:`wilcoxon`; both take a patient as a whole.

    Args:
        pairs: values of both.
        resamples: draws of patients behind the interval of the difference.
        seed: of those draws.
        share: whether every value has to be between 0 and 1.

    Returns:
        ``None`` without a pair.
    """
    differences = pairs.differences
    if not len(differences):
        return None
    names, member = np.unique(pairs.subjects, return_inverse=True)
    binary = bool(np.isin(pairs.values, (0, 1)).all())
    test, p = "", None
    if len(names) > 1:
        test = MCNEMAR if binary else WILCOXON
        p = (mcnemar if binary else wilcoxon)(differences, member)
    bounds = (-1.0, 1.0) if share else None
    return Paired(
        n=len(differences),
        unpaired=pairs.unpaired,
        subjects=len(names),
        difference=clustered_bootstrap(differences, member, resamples=resamples, seed=seed, bounds=bounds),
        test=test,
        p=p,
    )


def mcnemar(differences: Floats, member: NDArray[np.intp]) -> float:
    """Two-sided p value of McNemar's test for clustered pairs of 0 and 1.

    Were the models alike, each patient's difference would be as likely with the other sign: the p value is the share of
    all ways to flip whole patients that give at least the sum observed, counted exactly. With one sample per patient
    this is the exact McNemar test (binomial test of the pairs that differ). Where there are too many ways to count,
    the squared sum over the sum of squares is compared with the chi-squared distribution, which is the test of Yang,
    Sun and Hardin (2010), "A note on the tests for clustered matched-pair binary data", Biometrical Journal 52(5).

    Args:
        differences: ``(n,)`` of -1, 0 and 1.
        member: ``(n,)``, patient of every pair, from 0.
    """
    sums = np.abs(np.rint(np.bincount(member, differences))).astype(np.int64)
    observed = abs(round(float(differences.sum())))
    moved = sums[sums > 0]
    if not observed:
        return 1.0
    total = int(moved.sum())
    if len(moved) * total > _EXACT:
        return float(2 * ndtr(-observed / np.sqrt((moved.astype(np.float64) ** 2).sum())))
    ways = np.ones(1)
    for size in moved.tolist():
        longer = np.zeros(len(ways) + 2 * size)
        longer[: len(ways)] += ways / 2
        longer[2 * size :] += ways / 2
        ways = longer
    extreme = np.abs(np.arange(-total, total + 1)) >= observed
    return float(min(1.0, ways[extreme].sum()))


def wilcoxon(differences: Floats, member: NDArray[np.intp]) -> float:
    """Two-sided p value of Wilcoxon's signed-rank test on the mean difference of every patient.

    Wilcoxon (1945), "Individual comparisons by ranking methods", Biometrics Bulletin 1(6). Patients without a
    difference are left out, as he did.

    Args:
        differences: ``(n,)``.
        member: ``(n,)``, patient of every difference, from 0.
    """
    from scipy import stats

    # Rounding makes equal differences of measured lengths the ties that they are.
    means = np.round(np.bincount(member, differences) / np.bincount(member), 12)
    return float(stats.wilcoxon(means).pvalue) if means.any() else 1.0


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """P values adjusted so that the chance of any false claim among them stays below the level.

    Holm (1979), "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6(2).

    Args:
        ps: of the tests made together; ``None`` was not tested, and does not count.
    """
    tested = sorted((p, place) for place, p in enumerate(ps) if p is not None)
    adjusted: list[float | None] = [None] * len(ps)
    highest = 0.0
    for rank, (p, place) in enumerate(tested):
        highest = max(highest, min(1.0, (len(tested) - rank) * p))
        adjusted[place] = highest
    return adjusted
