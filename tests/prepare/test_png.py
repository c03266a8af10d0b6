from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from medft_bm.prepare.png import png, pngs

SIDES = st.integers(1, 40)


@given(st.data(), SIDES, SIDES, st.sampled_from([(), (3,)]))
def test_pillow_reads_back_every_pixel(data, h, w, channels):
    image = data.draw(arrays(np.uint8, (h, w, *channels)))
    back = Image.open(io.BytesIO(png(image)))
    assert back.mode == ("RGB" if channels else "L")
    assert np.array_equal(np.asarray(back), image)


def test_a_view_with_any_strides_is_written_as_it_looks():
    image = np.arange(60, dtype=np.uint8).reshape(6, 10)[::-1, ::2].T
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(png(image)))), image)


def test_a_smooth_image_is_smaller_than_its_pixels():
    y, x = np.mgrid[:256, :256]
    assert len(png(((y + x) // 4).astype(np.uint8))) < 256 * 256 / 20


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 3)])
def test_the_bytes_do_not_depend_on_anything_but_the_pixels(shape):
    image = np.full(shape, 7, np.uint8)
    assert png(image) == png(image.copy(order="F"))


@pytest.mark.parametrize("shape", [(1, 1), (35, 50), (7, 9, 3), (90, 80), (70, 60, 3)])
def test_files_that_are_written_together_are_those_written_alone(shape):
    images = np.random.default_rng(5).integers(0, 256, (4, *shape), dtype=np.uint8)[:, ::-1, ::-1]
    assert pngs(images) == [png(image) for image in images]
    assert np.array_equal([np.asarray(Image.open(io.BytesIO(file))) for file in pngs(images)], images)
