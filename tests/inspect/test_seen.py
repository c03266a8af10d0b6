"""The picture turned back from the processor's numbers is the one that went in, and the truth lies right on it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from medft_bm.core.geometry import Box, PixelMap, Size
from medft_bm.core.types import ImageRef, Sample
from medft_bm.inspect.marks import lines_on
from medft_bm.inspect.seen import picture_of


def processed(feeder, pixels):
    return feeder.processor.image_processor([Image.fromarray(pixels)], return_tensors="pt")


def test_noise_that_needs_no_resize_comes_back_as_it_was(feeder, family):
    size = family.view(Size(70, 110), None).size  # a size that the processor leaves alone
    noise = np.random.default_rng(0).integers(0, 256, (size.h, size.w, 3), np.uint8)

    back = picture_of(feeder.processor.image_processor, processed(feeder, noise))

    assert np.array_equal(back, noise)


@pytest.mark.parametrize("shape", [(70, 110), (131, 64), (97, 97)])
def test_a_bright_body_lies_where_the_truth_is_drawn(feeder, family, shape):
    size, box = Size(*shape), Box(20, 12, 52, 55)
    pixels = np.zeros((size.h, size.w, 3), np.uint8)
    pixels[20:52, 12:55] = 255
    view = family.view(size, None)
    sample = Sample("u", "detection", "s", "p", ImageRef("x"), size, None, {"box": [box.y0, box.x0, box.y1, box.x1]})

    seen = picture_of(feeder.processor.image_processor, processed(feeder, pixels))
    drawn = lines_on(sample, view.from_slice)

    assert seen.shape == (view.size.h, view.size.w, 3)
    assert (drawn.h, drawn.w) == (view.size.h, view.size.w)
    corners = np.array([[float(v) for v in pair.split()] for pair in drawn.paths[0].strip("MZ").split("L")])[:, ::-1]
    there = Box.of_mask(seen[..., 0] > 127)
    assert Box.around(corners).corners == pytest.approx(there.corners, abs=1)
    assert drawn.paths[0].endswith("Z")


def test_what_is_no_single_image_is_not_guessed_at(feeder):
    batch = processed(feeder, np.zeros((64, 64, 3), np.uint8))
    tiles = {"pixel_values": batch["pixel_values"][None, None]}

    assert picture_of(feeder.processor.image_processor, tiles) is None


def test_landmarks_get_dots_and_a_scale_bar_has_its_length():
    from medft_bm.core.geometry import Spacing

    truth = {"points": {"a": [10.0, 20.0], "b": [30.0, 50.0]}, "lines": [["a", "b"]], "kind": "distance"}
    size = Size(60, 100)
    sample = Sample("u", "angle_distance", "s", "p", ImageRef("x"), size, Spacing(2.0, 0.5), truth)

    drawn = lines_on(sample, PixelMap.stretch(size, Size(120, 50)))

    assert drawn.dots == ((10.0, 20.0), (25.0, 60.0))
    assert drawn.paths == ("M10.00 20.00L25.00 60.00",)
    assert (drawn.bar_mm, drawn.bar) == (10, pytest.approx(20))  # 100 px of 0.5 mm are 50 mm wide
