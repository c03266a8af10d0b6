"""How often intervals hold the truth, counted over data sets whose truth is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from medft_bm.metrics.aggregate import clustered_bootstrap

ROUNDS = 500
NOISE = 0.03  # three standard errors of a share of 0.95 in so many rounds

Made = tuple[np.ndarray, np.ndarray]


def sizes(patients: int, unequal: bool, rng: np.random.Generator) -> np.ndarray:
    """Samples of every patient: all 6, or from 1 to 11."""
    return rng.integers(1, 12, patients) if unequal else np.full(patients, 6)


def errors(patients: int, alike: float, unequal: bool, rng: np.random.Generator) -> Made:
    """Normal errors with mean 0, of which a share ``alike`` of the variance is between patients."""
    member = np.repeat(np.arange(patients), sizes(patients, unequal, rng))
    between, within = rng.normal(size=patients)[member], rng.normal(size=len(member))
    return np.sqrt(alike) * between + np.sqrt(1 - alike) * within, member


def skewed(patients: int, alike: float, unequal: bool, rng: np.random.Generator) -> Made:
    """Absolute values of normal errors, less their mean."""
    values, member = errors(patients, alike, unequal, rng)
    return np.abs(values) - np.sqrt(2 / np.pi), member


def share(truth: float) -> Callable[..., Made]:
    """Zeros and ones with mean ``truth``."""

    def made(patients: int, alike: float, unequal: bool, rng: np.random.Generator) -> Made:
        member = np.repeat(np.arange(patients), sizes(patients, unequal, rng))
        rest = (1 - alike) / alike
        chance = rng.beta(truth * rest, (1 - truth) * rest, patients)[member]
        return (rng.random(len(member)) < chance).astype(float), member

    return made


def lopsided(patients: int, alike: float, unequal: bool, rng: np.random.Generator) -> Made:
    """As :func:`errors`, with a quarter of the patients holding most of the samples."""
    member = np.repeat(np.arange(patients), np.where(np.arange(patients) % 4, 2, 30))
    between, within = rng.normal(size=patients)[member], rng.normal(size=len(member))
    return np.sqrt(alike) * between + np.sqrt(1 - alike) * within, member


def coverage(make, truth, patients, alike, unequal, *, clustered=True, bounds=None, rounds=ROUNDS) -> float:
    rng, held = np.random.default_rng(11), 0
    for seed in range(rounds):
        values, member = make(patients, alike, unequal, rng)
        who = member if clustered else np.arange(len(member))
        got = clustered_bootstrap(values, who, resamples=400, seed=seed, bounds=bounds)
        held += got.low <= truth <= got.high
    return held / rounds


@pytest.mark.parametrize("unequal", [False, True])
@pytest.mark.parametrize(("patients", "alike"), [(20, 0.0), (20, 0.5), (50, 0.8)])
def test_intervals_of_errors_hold_the_truth_as_often_as_they_say(patients, alike, unequal):
    assert abs(coverage(errors, 0.0, patients, alike, unequal) - 0.95) <= NOISE


@pytest.mark.parametrize(("truth", "patients", "alike"), [(0.5, 20, 0.3), (0.9, 20, 0.3), (0.9, 50, 0.6)])
def test_intervals_of_shares_hold_the_truth_as_often_as_they_say(truth, patients, alike):
    assert abs(coverage(share(truth), truth, patients, alike, False, bounds=(0, 1)) - 0.95) <= NOISE


def test_intervals_of_skewed_errors_come_close():
    assert coverage(skewed, 0.0, 30, 0.5, True) >= 0.90


def test_percentiles_alone_miss_shares_near_one_which_is_why_bounds_are_used():
    truth, setting = 0.9, (10, 0.3, False)

    assert coverage(share(truth), truth, *setting, bounds=(0, 1)) >= 0.93
    # Without bounds; data sets in which nothing varies then have no ends, and are left out.
    rng, held = np.random.default_rng(11), []
    for seed in range(ROUNDS):
        got = clustered_bootstrap(*share(truth)(*setting, rng), resamples=400, seed=seed)
        held += [] if got.low is None else [got.low <= truth <= got.high]
    assert np.mean(held) < 0.92


def test_ten_patients_are_not_too_few_for_normal_errors():
    assert coverage(errors, 0.0, 10, 0.5, True) >= 0.92


def test_a_few_patients_with_most_of_the_samples_count_as_few():
    assert coverage(lopsided, 0.0, 20, 0.5, True) >= 0.94


def test_drawing_slices_instead_of_patients_misses_the_truth():
    assert coverage(errors, 0.0, 40, 0.8, False, clustered=False, rounds=200) < 0.75
