"""What classification reports over all samples of a closed list of classes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from medft_bm.core.types import Metric
from medft_bm.metrics.calibration import brier_score, calibration_row, expected_calibration_error
from medft_bm.metrics.classification import (
    NO_ANSWER,
    balanced_accuracy,
    count_row,
    macro_f1,
    share,
    weighted_f1,
)
from medft_bm.metrics.ranking import Auroc
from medft_bm.metrics.statistic import OfSums
from medft_bm.tasks.base import Answered, Pooled
from medft_bm.tasks.pooling import SHARE, share_of

FEW = 10
"""With more classes than this, the numbers of each are left to the confusion matrix."""


def true_class(one: Answered) -> int:
    """Id of the class the image shows."""
    return int(one.sample.truth["class_id"])


def said_class(one: Answered) -> int:
    """Id of the class the reply names, or :data:`~medft_bm.metrics.classification.NO_ANSWER`."""
    return NO_ANSWER if one.score.values is None else int(one.score.predicted)


def class_metrics(classes: Sequence[str], occurring: Collection[int], positive: Collection[int]) -> tuple[Pooled, ...]:
    """Every metric that needs all samples.

    Args:
        classes: names, in the order of the ids.
        occurring: ids that are true of some sample.
        positive: ids that count as positive; empty when no reading as positive or negative is asked for.
    """
    named = [] if len(classes) > FEW or (positive and len(classes) == 2) else sorted(occurring)
    return (
        *_overall(len(classes)),
        *(_binary(len(classes), positive) if positive else ()),
        *_likelihoods(),
        *(metric for k in named for metric in _one_class(k, classes[k])),
    )


def _overall(classes: int) -> tuple[Pooled, ...]:
    rows = {
        (true, said): count_row(true, said, classes) for true in range(classes) for said in (NO_ANSWER, *range(classes))
    }

    def row(one: Answered) -> Sequence[float]:
        return rows[true_class(one), said_class(one)]

    statistics = {
        "balanced_accuracy": balanced_accuracy,
        "macro_f1": macro_f1,
        "weighted_f1": weighted_f1,
    }
    return tuple(Pooled(Metric(name), row, OfSums(of), SHARE) for name, of in statistics.items())


def _one_class(k: int, name: str) -> tuple[Pooled, Pooled]:
    """Recall and precision of one class (van Rijsbergen 1979, "Information retrieval", chapter 7)."""
    return (
        share_of(f"recall of {name}", lambda one: said_class(one) == k if true_class(one) == k else None),
        share_of(f"precision of {name}", lambda one: true_class(one) == k if said_class(one) == k else None),
    )


def _binary(classes: int, positive: Collection[int]) -> tuple[Pooled, ...]:
    """Reading of the classes as positive or negative (Altman and Bland 1994, BMJ 308:1552 and 309:102).

    A reply that names no class misses a positive and clears no negative; it says nothing about predictive values.
    """

    def found(one: Answered) -> bool:
        """Whether the reply is on the right side."""
        said = said_class(one)
        return said != NO_ANSWER and (said in positive) == (true_class(one) in positive)

    def among(side: bool, of: Callable[[Answered], int]) -> Callable[[Answered], bool | None]:
        """``found`` where ``of`` names a class of one side; no class is on none."""
        return lambda one: found(one) if of(one) != NO_ANSWER and (of(one) in positive) == side else None

    shares = (
        share_of("sensitivity", among(True, true_class)),
        share_of("specificity", among(False, true_class)),
        share_of("positive_predictive_value", among(True, said_class)),
        share_of("negative_predictive_value", among(False, said_class)),
    )
    if classes == 2:
        return shares
    return (share_of("binary_accuracy", found), *shares, _binary_auroc(positive))


def _binary_auroc(positive: Collection[int]) -> Pooled:
    def row(one: Answered) -> Sequence[float] | None:
        if one.probabilities is None:
            return None
        likely = sum(one.probabilities[k] for k in positive)
        return (float(true_class(one) in positive), 1 - likely, likely)

    return Pooled(Metric("binary_auroc"), row, Auroc(), SHARE)


def _likelihoods() -> tuple[Pooled, ...]:
    """From the probabilities of all classes, where the model was asked for them, whatever it wrote."""

    def ranked(one: Answered) -> Sequence[float] | None:
        return None if one.probabilities is None else (true_class(one), *one.probabilities)

    def distance(one: Answered) -> Sequence[float] | None:
        return None if one.probabilities is None else (brier_score(one.probabilities, true_class(one)), 1.0)

    def binned(one: Answered) -> Sequence[float] | None:
        return None if one.probabilities is None else calibration_row(one.probabilities, true_class(one))

    calibration = Metric("expected_calibration_error", higher_is_better=False)
    return (
        Pooled(Metric("auroc"), ranked, Auroc(), SHARE),
        Pooled(Metric("brier_score", higher_is_better=False), distance, OfSums(share), (0.0, 2.0)),
        Pooled(calibration, binned, OfSums(expected_calibration_error), SHARE),
    )
