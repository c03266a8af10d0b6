import numpy as np
import pytest

from medft_bm.core.errors import DataError
from medft_bm.metrics.classification import accuracy, balanced_accuracy, confusion_matrix, macro_f1

# Class 0: 4 samples, 3 right, 1 unanswered. Class 1: 2 samples, 1 right. Class 2: never true, said once.
TRUTH = np.array([0, 0, 0, 0, 1, 1])
SAID = np.array([0, 0, 0, -1, 1, 2])


def test_the_confusion_matrix_keeps_unanswered_replies_in_a_column_of_their_own():
    assert confusion_matrix(TRUTH, SAID, 3).tolist() == [[3, 0, 0, 1], [0, 1, 1, 0], [0, 0, 0, 0]]


def test_accuracy_counts_an_unanswered_reply_as_wrong():
    assert accuracy(TRUTH, SAID) == pytest.approx(4 / 6)


def test_balanced_accuracy_weighs_every_true_class_alike():
    assert balanced_accuracy(TRUTH, SAID) == pytest.approx((3 / 4 + 1 / 2) / 2)


def test_macro_f1_includes_a_class_that_was_only_said_and_ignores_no_answer():
    # F1: class 0: 2*3/(4+3); class 1: 2*1/(2+1); class 2: 0
    assert macro_f1(TRUTH, SAID) == pytest.approx((6 / 7 + 2 / 3 + 0) / 3)


def test_saying_the_commonest_class_looks_good_only_to_plain_accuracy():
    truth, said = np.array([0] * 9 + [1]), np.zeros(10, int)

    assert accuracy(truth, said) == pytest.approx(0.9)
    assert balanced_accuracy(truth, said) == pytest.approx(0.5)
    assert macro_f1(truth, said) == pytest.approx((18 / 19) / 2)


def test_nothing_answered_is_zero_everywhere():
    said = np.full(6, -1)

    assert accuracy(TRUTH, said) == balanced_accuracy(TRUTH, said) == macro_f1(TRUTH, said) == 0


@pytest.mark.parametrize(
    ("truth", "said"),
    [([0, 3], [0, 0]), ([0, 1], [0, 3]), ([0, -1], [0, 0]), ([0, 1], [0, -2]), ([0, 1], [0])],
)
def test_ids_that_cannot_be_counted_are_refused(truth, said):
    with pytest.raises(DataError):
        confusion_matrix(np.array(truth), np.array(said), 3)


def test_scores_of_no_samples_are_refused():
    nothing = np.array([], int)

    for metric in (accuracy, balanced_accuracy, macro_f1):
        with pytest.raises(DataError, match="no samples"):
            metric(nothing, nothing)
    assert confusion_matrix(nothing, nothing, 2).tolist() == [[0, 0, 0], [0, 0, 0]]
