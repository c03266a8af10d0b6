"""Metrics over all samples, computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from medft_bm.core.errors import ConfigError
from medft_bm.core.geometry import PixelMap, Size, Spacing
from medft_bm.core.records import AxesLabel, ClassLabel, Record
from medft_bm.core.types import ImageRef, View
from medft_bm.tasks import load_task
from medft_bm.tasks.base import Answered

SIZE, SPACING = Size(40, 60), Spacing(y=0.5, x=2.0)
VIEW = View(SIZE, SPACING, PixelMap.identity(SIZE), 4)


def only(task, annotation):
    [sample] = task.samples(Record("p1", ImageRef("a.nii.gz", 2, 7), SIZE, SPACING, (annotation,)), "part", print)
    return sample


def pooled(task, samples, replies, probabilities=None) -> dict[str, tuple[float, int]]:
    """Every metric over all samples, with how many of them it is about."""
    scores = [task.score(sample, VIEW, reply) for sample, reply in zip(samples, replies, strict=True)]
    known = probabilities or [None] * len(samples)
    answered = [Answered(*one) for one in zip(samples, scores, known, strict=True)]
    found = {}
    for one in task.pooled(samples):
        rows = np.array([row for each in answered if (row := one.row(each)) is not None], float)
        value = one.statistic(rows, np.ones(len(rows))) if len(rows) else math.nan
        found[one.metric.name] = (value, len(rows))
    return found


GRADES = ("benign", "in situ", "invasive")
TRUE, SAID = [0, 0, 0, 1, 2, 2], ["benign", "benign", "invasive", "invasive", "invasive", "?"]


def graded(task):
    return [only(task, ClassLabel(k, GRADES)) for k in TRUE]


def test_classes_are_also_read_as_positive_and_negative():
    task = load_task("classification", {"positive": ["in situ", "invasive"]})
    found = pooled(task, graded(task), SAID)
    # Positive: in situ taken for invasive is right, no answer is a miss. Negative: one of three is called positive.
    assert found["sensitivity"] == (pytest.approx(2 / 3), 3)
    assert found["specificity"] == (pytest.approx(2 / 3), 3)
    assert found["positive_predictive_value"] == (pytest.approx(2 / 3), 3)
    assert found["negative_predictive_value"] == (1, 2)
    assert found["binary_accuracy"] == (pytest.approx(4 / 6), 6)


def test_every_class_has_its_recall_and_precision():
    task = load_task("classification")
    found = pooled(task, graded(task), SAID)
    assert found["recall of benign"] == (pytest.approx(2 / 3), 3)
    assert found["recall of in situ"] == (0, 1)
    assert found["recall of invasive"] == (0.5, 2)
    assert found["precision of benign"] == (1, 2)
    assert found["precision of in situ"][1] == 0  # nobody said so
    assert found["precision of invasive"] == (pytest.approx(1 / 3), 3)
    assert found["balanced_accuracy"] == (pytest.approx((2 / 3 + 0 + 1 / 2) / 3), 6)
    assert found["macro_f1"] == (pytest.approx((4 / 5 + 0 + 2 / 5) / 3), 6)
    assert found["weighted_f1"] == (pytest.approx((3 * 4 / 5 + 0 + 2 * 2 / 5) / 6), 6)
    assert "sensitivity" not in found


def test_probabilities_are_ranked_and_calibrated_whatever_was_written():
    task = load_task("classification", {"positive": ["in situ", "invasive"]})
    probabilities = [(0.8, 0.1, 0.1), (0.5, 0.3, 0.2), (0.2, 0.2, 0.6), (0.3, 0.4, 0.3), (0.1, 0.0, 0.9), None]
    found = pooled(task, graded(task), SAID, probabilities)
    # Positive with 0.7 and 0.9 against negative with 0.2, 0.5 and 0.8: five of six pairs are in order.
    assert found["binary_auroc"] == (pytest.approx(5 / 6), 5)
    # benign 5/6; in situ first of five; invasive first of five
    assert found["auroc"] == (pytest.approx((5 / 6 + 1 + 1) / 3), 5)
    assert found["brier_score"] == (pytest.approx((0.06 + 0.38 + 1.04 + 0.54 + 0.02) / 5), 5)
    # Confidences 0.8, 0.5, 0.6, 0.4, 0.9 in bins of their own; the third is wrong.
    assert found["expected_calibration_error"] == (pytest.approx((0.2 + 0.5 + 0.6 + 0.6 + 0.1) / 5), 5)


def test_many_classes_leave_their_own_numbers_to_the_confusion_matrix():
    task, classes = load_task("classification"), tuple(f"class {k}" for k in range(11))
    samples = [only(task, ClassLabel(k, classes)) for k in range(11)]
    names = {one.metric.name for one in task.pooled(samples)}
    assert not any(" of " in name for name in names)


def test_lists_of_different_classes_in_one_part_have_nothing_in_common():
    task = load_task("classification")
    samples = [only(task, ClassLabel(0, classes)) for classes in (("a", "b"), ("b", "a"))]
    assert task.pooled(samples) == ()


@pytest.mark.parametrize(
    ("positive", "words"), [(["invasiv"], "did you mean 'invasive'"), (GRADES, "none is negative")]
)
def test_positive_classes_that_cannot_be_are_refused(positive, words):
    with pytest.raises(ConfigError, match=words):
        graded(load_task("classification", {"positive": list(positive)}))


def test_measurements_have_a_median_error_a_bias_and_limits_of_agreement():
    task = load_task("lesion_size")
    samples = [only(task, AxesLabel("tumour", major, 10.0)) for major in (20.0, 30.0, 40.0, 50.0)]
    found = pooled(task, samples, ["22, 10", "34, 10", "43, 10", "no idea"])
    assert found["median_absolute_error"] == (pytest.approx(1.5), 3)
    assert found["major_axis_bias"] == (pytest.approx(3), 3)  # 2, 4, 3: standard deviation 1
    assert found["major_axis_lower_limit"] == (pytest.approx(3 - 1.96), 3)
    assert found["major_axis_upper_limit"] == (pytest.approx(3 + 1.96), 3)
    assert found["minor_axis_bias"] == (0, 3)
