import pytest

from medft_bm.core.errors import GeometryError
from medft_bm.metrics.measurement import absolute_error, relative_error, within


def test_errors_do_not_care_about_the_direction():
    assert absolute_error(12.5, 10.0) == absolute_error(7.5, 10.0) == 2.5
    assert relative_error(12.5, 10.0) == relative_error(7.5, 10.0) == 0.25


def test_a_relative_error_is_a_share_of_the_truth_not_of_the_guess():
    assert relative_error(20.0, 10.0) == 1.0
    assert relative_error(10.0, 20.0) == 0.5


@pytest.mark.parametrize("truth", [0.0, -3.0, float("nan"), float("inf")])
def test_a_relative_error_needs_something_to_be_relative_to(truth):
    with pytest.raises(GeometryError, match="above 0"):
        relative_error(1.0, truth)


def test_a_bound_is_reached_in_spite_of_the_last_bit_and_not_beyond():
    assert within(0.1 + 0.2, 0.3) == 1
    assert within(2.0, 2.0) == 1
    assert within(2.001, 2.0) == 0
