"""How well class ids agree; a reply without an answer is class -1 and never right."""

from __future__ import annotations

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


def accuracy(truth: Ids, predicted: Ids) -> float:
    """Share of samples with the right class.

    Raises:
        DataError: no samples, or ids that cannot be compared.
    """
    _check(truth, predicted, some=True)
    return float(np.mean(truth == predicted))


def balanced_accuracy(truth: Ids, predicted: Ids) -> float:
    """Mean recall over the classes that occur in the truth, so that a frequent class counts no more than a rare one.

    Raises:
        DataError: no samples, or ids that cannot be compared.
    """
    _check(truth, predicted, some=True)
    return float(np.mean([np.mean(predicted[truth == k] == k) for k in np.unique(truth)]))


def macro_f1(truth: Ids, predicted: Ids) -> float:
    """Mean F1 over the classes that occur in the truth or among the predictions; no answer is not a class.

    A class that occurs and is never hit has F1 0. Equal to ``sklearn.metrics.f1_score(average="macro")`` with
    ``labels`` set to those classes.

    Raises:
        DataError: no samples, or ids that cannot be compared.
    """
    _check(truth, predicted, some=True)
    present = np.union1d(truth, predicted[predicted != NO_ANSWER])
    hits = np.array([np.sum((truth == k) & (predicted == k)) for k in present])
    seen = np.array([np.sum(truth == k) + np.sum(predicted == k) for k in present])
    return float(np.mean(2 * hits / seen))


def _check(truth: Ids, predicted: Ids, *, some: bool = False) -> None:
    if truth.shape != predicted.shape or truth.ndim != 1:
        raise DataError(f"{truth.shape} true and {predicted.shape} predicted class ids cannot be compared")
    if some and not truth.size:
        raise DataError("no samples to score")
    if truth.size and (truth.min() < 0 or predicted.min() < NO_ANSWER):
        raise DataError(f"class ids start at 0 ({NO_ANSWER} is no answer), got {min(truth.min(), predicted.min())}")
