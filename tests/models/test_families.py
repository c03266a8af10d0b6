"""What each family refuses, and the corners of its rule."""

from __future__ import annotations

import pytest

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.geometry import Size
from medft_bm.models.gemma3 import Gemma3
from medft_bm.models.qwen2_5_vl import Qwen25VL

SQUARE = {"size": {"height": 896, "width": 896}}


def test_gemma_refuses_pan_and_scan():
    with pytest.raises(ConfigError, match="crops"):
        Gemma3.from_processor({**SQUARE, "do_pan_and_scan": True})


@pytest.mark.parametrize("off", [None, False])
def test_gemma_takes_pan_and_scan_switched_off(off):
    assert Gemma3.from_processor({**SQUARE, "do_pan_and_scan": off}).image_tokens == 256


def test_gemma_needs_a_height_and_a_width():
    with pytest.raises(ConfigError, match="height and width"):
        Gemma3.from_processor({"size": {"shortest_edge": 896}})


@pytest.mark.parametrize("family", [Gemma3, Qwen25VL])
def test_a_processor_that_does_not_resize_is_refused(family):
    with pytest.raises(ConfigError, match="do_resize"):
        family.from_processor({**SQUARE, "do_resize": False})


def test_gemma_does_not_keep_the_aspect_ratio():
    there = Gemma3.from_processor(SQUARE).view(Size(448, 1792), None).from_slice
    assert (there.scale_y, there.scale_x) == (2.0, 0.5)


@pytest.mark.parametrize(("side", "snapped"), [(42, 56), (70, 56), (98, 112), (43, 56), (41, 28)])
def test_qwen_rounds_half_a_cell_to_the_even_cell(side, snapped):
    view = Qwen25VL(28, 56 * 56, 28 * 28 * 1280).view(Size(side, 560), None)
    assert view.size == Size(snapped, 560)


def test_qwen_keeps_every_image_within_the_budget_of_pixels():
    family = Qwen25VL(28, 56 * 56, 28 * 28 * 40)
    assert family.view(Size(2000, 3001), None).image_tokens <= 40
    assert family.view(Size(9, 13), None).image_tokens >= 4


def test_qwen_refuses_an_image_longer_than_200_times_its_width():
    family = Qwen25VL(28, 56 * 56, 28 * 28 * 1280)
    assert family.view(Size(2000, 10), None).size.w == 28
    with pytest.raises(DataError, match="200"):
        family.view(Size(2001, 10), None)


def test_qwen_follows_the_older_keys_where_both_are_present():
    settings = {"size": {"shortest_edge": 3136, "longest_edge": 12845056}, "max_pixels": 50176, "min_pixels": 784}
    family = Qwen25VL.from_processor(settings)
    assert (family.min_pixels, family.max_pixels) == (784, 50176)


def test_qwen_without_any_budget_uses_the_processor_s_own_default():
    from transformers import Qwen2VLImageProcessor

    size = Qwen2VLImageProcessor().size
    family = Qwen25VL.from_processor({})
    assert (family.min_pixels, family.max_pixels) == (size["shortest_edge"], size["longest_edge"])


def test_qwen_with_half_a_budget_says_so():
    with pytest.raises(ConfigError, match="pixel budget"):
        Qwen25VL.from_processor({"size": {"shortest_edge": 3136}})


def test_gemma_refuses_flash_attention_because_it_would_blind_image_tokens_to_each_other():
    family = Gemma3.from_processor(SQUARE)
    with pytest.raises(ConfigError, match="both directions"):
        family.load("never read", revision=None, dtype="float32", attention="flash_attention_2")
