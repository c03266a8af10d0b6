from __future__ import annotations

import numpy as np
import pytest

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.imaging.windows import WINDOWS, apply_window, apply_windows

HOUNSFIELD = {"ct_soft_tissue": (-160, 240), "ct_lung": (-1350, 150), "ct_bone": (-500, 1300), "ct_brain": (0, 80)}


def by_arithmetic(array: np.ndarray, name: str) -> np.ndarray:
    """The definition, in double precision on every pixel."""
    low, high = HOUNSFIELD.get(name) or np.percentile(array, (0.5, 99.5) if name == "percentile" else (0, 100))
    grey = (array.astype(np.float64) - low) * (255.0 / (high - low))
    return np.rint(np.clip(grey, 0, 255)).astype(np.uint8)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int16, np.uint16])
@pytest.mark.parametrize("name", WINDOWS[1:])
def test_every_value_that_a_type_can_hold_is_shown_as_the_definition_says(name, kind):
    limits = np.iinfo(kind)
    values = np.arange(limits.min, limits.max + 1).astype(kind).reshape(-1, 128)
    for array in (values, values[::-1, ::3], values.T.astype(np.int32), values.astype(np.float32)):
        assert (apply_window(array, name) == by_arithmetic(array, name)).all()


@pytest.mark.parametrize("shape", [(1, 1), (7, 9), (35, 50), (240, 180), (131, 129, 3)])
@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint32, np.float32, np.float64, ">i2"])
def test_large_and_small_images_of_every_type_are_shown_as_the_definition_says(shape, kind):
    rng = np.random.default_rng(7)
    for spread in (3, 60, 900):
        drawn = np.clip(rng.normal(100, spread, shape), 0, 255 if kind == np.uint8 else 30000)
        if np.dtype(kind).kind == "i":
            drawn = drawn - 500
        array = drawn.astype(kind)
        for name in WINDOWS[1:]:
            if name not in HOUNSFIELD and array.size == 1:
                continue
            assert (apply_window(array, name) == by_arithmetic(array, name)).all()


def test_hounsfield_windows_put_their_edges_at_black_and_white_and_their_level_in_the_middle():
    for name, level, width in (
        ("ct_soft_tissue", 40, 400),
        ("ct_lung", -600, 1500),
        ("ct_bone", 400, 1800),
        ("ct_brain", 40, 80),
    ):
        hu = np.array([[-3000, level - width // 2, level], [level + width // 2, 3000, level + 1]], np.int16)
        shown = apply_window(hu, name)
        assert shown[:, :2].tolist() == [[0, 0], [255, 255]]
        assert shown[0, 2] in (127, 128)
        assert shown[1, 2] == round((width / 2 + 1) * 255 / width)


def test_min_max_stretches_each_slice_over_all_grey_values_without_integer_overflow():
    assert apply_window(np.array([[-32768, 0, 32767]], np.int16), "min_max").tolist() == [[0, 128, 255]]
    assert apply_window(np.array([[0, 2**31 - 1]], np.int32), "min_max").tolist() == [[0, 255]]
    assert apply_window(np.array([[0.25, 0.75]], np.float32), "min_max").tolist() == [[0, 255]]


def test_percentiles_cut_the_rare_extremes():
    values = np.arange(1000, dtype=np.float32).reshape(20, 50)
    values[3, 7] = 1e6
    shown = apply_window(values, "percentile")
    assert shown[3, 7] == 255
    assert np.ptp(shown.astype(int)) == 255
    assert shown[10, 0] == pytest.approx(128, abs=2)  # min_max would leave everything but the spike black


def test_half_a_percent_is_cut_on_either_side():
    ramp = np.arange(2001, dtype=np.int32).reshape(3, 667)  # percentile 0.5 is 10, percentile 99.5 is 1990
    shown = apply_window(ramp, "percentile").ravel()
    assert shown[[10, 1990]].tolist() == [0, 255]
    assert shown[[16, 1984]].tolist() == [1, 254]


def test_a_small_bright_lesion_on_black_is_not_lost_to_the_percentiles():
    values = np.zeros((60, 70), np.int16)
    values[30, 40] = 900
    shown = apply_window(values, "percentile")
    assert shown[30, 40] == 255
    assert shown.sum() == 255


@pytest.mark.parametrize("name", ["min_max", "percentile"])
def test_a_constant_slice_is_black(name):
    assert apply_window(np.full((3, 5), 7, np.int16), name).tolist() == np.zeros((3, 5)).tolist()


def test_as_is_changes_nothing_and_refuses_what_is_not_8_bit():
    values = np.arange(15, dtype=np.uint8).reshape(3, 5)
    assert (apply_window(values, "as_is") == values).all()
    with pytest.raises(DataError, match="8-bit values, got int16 from -5 to 9") as caught:
        apply_window(np.array([[-5, 9]], np.int16), "as_is", where="a.nii.gz, slice 4")
    assert caught.value.where == "a.nii.gz, slice 4"
    assert "percentile" in caught.value.fix


@pytest.mark.parametrize("name", [name for name in WINDOWS if name != "as_is"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(name, bad):
    with pytest.raises(DataError, match="1 of 6 values are NaN or infinite"):
        apply_window(np.array([[1.0, 2, 3], [bad, 5, 6]]), name)


def test_an_unknown_window_suggests_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'ct_lung'"):
        apply_window(np.zeros((2, 3)), "ct_lungs")


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("shape", [(3, 5), (3, 5, 3)])
def test_the_result_is_8_bit_and_of_the_same_shape(name, shape):
    shown = apply_window(np.arange(np.prod(shape), dtype=np.uint8).reshape(shape), name)
    assert shown.dtype == np.uint8
    assert shown.shape == shape


@pytest.mark.parametrize("name", WINDOWS[1:])
@pytest.mark.parametrize("shape", [(7, 9), (131, 129), (300, 200)])
@pytest.mark.parametrize("kind", [np.int16, np.float32])
def test_images_together_are_shown_as_each_by_itself(name, shape, kind):
    rng = np.random.default_rng(3)
    images = np.stack([rng.normal(level, 90, shape).astype(kind) for level in (-400, 0, 700)])
    images[1] = 7  # without a span
    together = apply_windows(images, name, ["a", "b", "c"])
    assert (together == [apply_window(image, name) for image in images]).all()


def test_the_image_with_a_bad_value_is_named():
    images = np.zeros((3, 4, 5), np.float32)
    images[1, 2, 3] = np.nan
    with pytest.raises(DataError, match="1 of 20 values") as caught:
        apply_windows(images, "min_max", ["slice 4", "slice 5", "slice 6"])
    assert caught.value.where == "slice 5"
