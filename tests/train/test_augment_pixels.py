"""Pixels go where the map says, and intensities change where they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from medft_bm.core.geometry import Size, Spacing
from medft_bm.core.motion import Motion
from medft_bm.train.augment_pixels import Intensity, move_picture

SIZE, SPACING = Size(90, 130), Spacing(y=0.7, x=1.9)


def dot(y: float, x: float, size: Size = SIZE, colour: bool = False) -> Image.Image:
    """A smooth blob whose centre of gravity is at (y, x)."""
    rows, columns = np.mgrid[: size.h, : size.w] + 0.5
    grey = np.rint(250 * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * 2.5**2))).astype(np.uint8)
    return Image.fromarray(np.stack([grey, grey // 2, grey * 0], -1) if colour else grey)


def centre(image: Image.Image) -> np.ndarray:
    grey = np.asarray(image.convert("RGB"), np.float64)[..., 0]
    rows, columns = np.mgrid[: grey.shape[0], : grey.shape[1]] + 0.5
    return np.array([(rows * grey).sum(), (columns * grey).sum()]) / grey.sum()


@settings(max_examples=60)
@given(
    y=st.floats(40, 50),
    x=st.floats(55, 75),
    turn=st.floats(-20, 20),
    scale=st.floats(0.8, 1.4),
    flips=st.tuples(st.booleans(), st.booleans()),
    cut=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    colour=st.booleans(),
)
def test_what_is_drawn_at_a_point_is_seen_where_the_motion_says(y, x, turn, scale, flips, cut, colour):
    motion = Motion.window(
        SIZE,
        SPACING,
        dst=Size(SIZE.h - cut[0], SIZE.w - cut[1]),
        centre=(SIZE.h / 2 - 1, SIZE.w / 2 + 2),
        scale=scale,
        turn_deg=turn,
        flip_y=flips[0],
        flip_x=flips[1],
    )
    seen = move_picture(dot(y, x, colour=colour), motion)
    assert (seen.height, seen.width) == (motion.dst.h, motion.dst.w)
    np.testing.assert_allclose(centre(seen), motion.points([[y, x]])[0], atol=0.08)


def test_a_flip_and_a_crop_copy_pixels_as_numpy_would():
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE.h, SIZE.w, 3), np.uint8)
    image = Image.fromarray(pixels)
    cut = {"dst": Size(31, 44), "centre": (12 + 15.5, 20 + 22)}
    window = pixels[12:43, 20:64]
    for flips, wanted in (
        ({}, window),
        ({"flip_x": True}, window[:, ::-1]),
        ({"flip_y": True}, window[::-1]),
        ({"flip_y": True, "flip_x": True}, window[::-1, ::-1]),
    ):
        motion = Motion.window(SIZE, SPACING, **cut, **flips)
        assert motion.lossless
        np.testing.assert_array_equal(np.asarray(move_picture(image, motion)), wanted)


def test_what_was_not_there_before_is_black():
    white = Image.fromarray(np.full((SIZE.h, SIZE.w), 255, np.uint8))
    seen = np.asarray(move_picture(white, Motion.window(SIZE, SPACING, scale=1.5)))
    assert seen[:10].max() == seen[:, :10].max() == 0
    assert seen[20:-20, 30:-30].min() == 255


def test_shrinking_loses_nothing_between_the_pixels():
    stripes = np.zeros((SIZE.h, SIZE.w), np.uint8)
    stripes[:, ::2] = 200
    seen = np.asarray(move_picture(Image.fromarray(stripes), Motion.window(SIZE, SPACING, scale=1.5, turn_deg=0.5)))
    inside = seen[25:-25, 35:-35].astype(float)
    assert inside.mean() == pytest.approx(100, abs=3)
    assert inside.std() < 40  # without the average over new pixels: 60


@given(st.integers(0, 10**6), st.floats(0, 1), st.booleans())
@settings(max_examples=30)
def test_intensity_moves_nothing_and_is_the_same_each_time(seed, strength, colour):
    change = Intensity.draw(np.random.default_rng(seed), strength)
    assert change == Intensity.draw(np.random.default_rng(seed), strength)
    image = dot(40, 60, colour=colour)
    seen = change.apply(image)
    assert (seen.mode, seen.size) == (image.mode, image.size)
    assert seen.tobytes() == change.apply(image).tobytes()
    bright = np.asarray(seen.convert("RGB"))[..., 0].astype(float)
    assert bright[38:42, 58:62].mean() > bright[:10].mean() + 40


def test_no_strength_changes_nothing_and_noise_is_as_strong_as_it_says():
    image = Image.fromarray(np.full((200, 300), 120, np.uint8))
    assert np.asarray(Intensity.draw(np.random.default_rng(1), 0.0).apply(image)).tolist() == np.asarray(image).tolist()
    noisy = np.asarray(Intensity(0.0, 1.0, 1.0, 0.03, 7).apply(image)).astype(float)
    assert noisy.std() == pytest.approx(255 * 0.03, rel=0.05)
    assert noisy.mean() == pytest.approx(120, abs=0.2)
    colour = np.asarray(Intensity(0.0, 1.0, 1.0, 0.03, 7).apply(image.convert("RGB")))
    assert (colour == colour[..., :1]).all(), "a grey image stays grey"
