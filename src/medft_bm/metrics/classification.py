"""How well class ids agree; a reply without an answer is class -1 and never right."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medft_bm.core.errors import DataError

NO_ANSWER = -1
"""Predicted id of a reply that names no class."""

Ids = NDArray[np.int64]


def confusion_matrix(truth: Ids, predicted: Ids, classes: int) -> Ids:
    """Count samples by true and predicted class.

    Args:
        truth: ``(n,)`` ids, 0..classes-1.
        predicted: ``(n,)`` ids, 0..classes-1 or :data:`NO_ANSWER`.
        classes: how many classes there are.

    Returns:
        ``(classes, classes + 1)``: rows are the truth, columns the prediction; the last column counts no answer.

    Raises:
        DataError: an id outside its range, or arrays of different length.
    """
    _check(truth, predicted)
    if truth.size and (truth.max() >= classes or predicted.max() >= classes):
        raise DataError(f"class id {max(truth.max(), predicted.max())} does not exist among {classes} classes")
    columns = np.where(predicted == NO_ANSWER, classes, predicted)
    counts = np.bincount(truth * (classes + 1) + columns, minlength=classes * (classes + 1))
    return counts.reshape(classes, classes + 1).astype(np.int64)


def count_row(truth: int, predicted: int, classes: int) -> tuple[float, ...]:
    """What one sample adds to the sums of the functions below: the true class, the named class, and a hit, by class.

    Args:
        truth: id, 0..classes-1.
        predicted: id, 0..classes-1 or :data:`NO_ANSWER`.
        classes: how many classes there are.

    Returns:
        ``3 * classes`` numbers, 0 or 1.
    """
    row = [0.0] * (3 * classes)
    row[truth] = 1.0
    if predicted != NO_ANSWER:
        row[classes + predicted] = 1.0
    if predicted == truth:
        row[2 * classes + truth] = 1.0
    return tuple(row)


def balanced_accuracy(sums: NDArray[Any]) -> NDArray[Any]:
    """Mean recall over the classes that occur in the truth, so that a frequent class counts no more than a rare one.

    Brodersen et al. 2010, "The balanced accuracy and its posterior distribution", ICPR.

    Args:
        sums: ``(..., 3 * classes)`` sums of :func:`count_row`.

    Returns:
        ``(...)``, 0..1; NaN without a sample.
    """
    true, _, hits = _counts(sums)
    return _mean(_shares(hits, true), true > 0)


def macro_f1(sums: NDArray[Any]) -> NDArray[Any]:
    """Mean F1 over the classes that occur in the truth or among the predictions; no answer is not a class.

    A class that occurs and is never hit has F1 0. The mean of F1 scores, not the F1 of means (Opitz and Burst 2019,
    "Macro F1 and macro F1", arXiv 1911.03347), equal to ``sklearn.metrics.f1_score(average="macro")`` with ``labels``
    set to those classes. For ``sums`` see :func:`balanced_accuracy`.
    """
    true, said, hits = _counts(sums)
    return _mean(_shares(2 * hits, true + said), true + said > 0)


def weighted_f1(sums: NDArray[Any]) -> NDArray[Any]:
    """Mean F1 over the classes of the truth, each as often as it occurs there.

    Equal to ``sklearn.metrics.f1_score(average="weighted")``; Sokolova and Lapalme 2009, "A systematic analysis of
    performance measures for classification tasks", Information Processing & Management 45(4). For ``sums`` see
    :func:`balanced_accuracy`.
    """
    true, said, hits = _counts(sums)
    return share(np.stack([(true * _shares(2 * hits, true + said)).sum(axis=-1), true.sum(axis=-1)], axis=-1))


def share(sums: NDArray[Any]) -> NDArray[Any]:
    """First of two sums as a share of the second: a mean of rows ``(value, 1)``; NaN without a row."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., 0] / sums[..., 1])


def _counts(sums: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    true, said, hits = np.split(np.asarray(sums, np.float64), 3, axis=-1)
    return true, said, hits


def _shares(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[Any]:
    shares: NDArray[Any] = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    return shares


def _mean(values: NDArray[Any], present: NDArray[np.bool_]) -> NDArray[Any]:
    """Mean along the last axis where ``present``; the others are 0."""
    return share(np.stack([values.sum(axis=-1), present.sum(axis=-1)], axis=-1))


def _check(truth: Ids, predicted: Ids) -> None:
    if truth.shape != predicted.shape or truth.ndim != 1:
        raise DataError(f"{truth.shape} true and {predicted.shape} predicted class ids cannot be compared")
    if truth.size and (truth.min() < 0 or predicted.min() < NO_ANSWER):
        raise DataError(f"class ids start at 0 ({NO_ANSWER} is no answer), got {min(truth.min(), predicted.min())}")
