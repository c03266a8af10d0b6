"""What each family refuses, and the corners of its rule."""

from __future__ import annotations

import pytest

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.geometry import Size
from medft_bm.models import MODELS
from medft_bm.models.base import ModelFamily
from medft_bm.models.cells import Cells
from medft_bm.models.checkpoint import CheckpointSettings
from medft_bm.models.pixels import Pixels

SQUARE = {"size": {"height": 896, "width": 896}}
QWENS = ("qwen2_5_vl", "qwen3_vl")


def bind(family: str, processor: dict) -> ModelFamily:
    return MODELS.get(family).from_settings(CheckpointSettings(family, processor))


def fit(cells: Cells, h: int, w: int) -> Size:
    return cells.view(Size(h, w), None, "pixel").size


def test_gemma_refuses_pan_and_scan():
    with pytest.raises(ConfigError, match="crops"):
        bind("gemma3", {**SQUARE, "do_pan_and_scan": True})


@pytest.mark.parametrize("off", [None, False])
def test_gemma_takes_pan_and_scan_switched_off(off):
    assert bind("gemma3", {**SQUARE, "do_pan_and_scan": off}).image_tokens == 256


def test_gemma_needs_a_height_and_a_width():
    with pytest.raises(ConfigError, match="height and width"):
        bind("gemma3", {"size": {"shortest_edge": 896}})


@pytest.mark.parametrize("family", ["gemma3", *QWENS])
def test_a_processor_that_does_not_resize_is_refused(family):
    with pytest.raises(ConfigError, match="do_resize"):
        bind(family, {**SQUARE, "do_resize": False})


def test_gemma_does_not_keep_the_aspect_ratio():
    there = bind("gemma3", SQUARE).view(Size(448, 1792), None).from_slice
    assert (there.scale_y, there.scale_x) == (2.0, 0.5)


@pytest.mark.parametrize(("side", "snapped"), [(42, 56), (70, 56), (98, 112), (43, 56), (41, 28)])
def test_qwen_rounds_half_a_cell_to_the_even_cell(side, snapped):
    assert fit(Cells(28, 56 * 56, 28 * 28 * 1280), side, 560) == Size(snapped, 560)


def test_qwen_keeps_every_image_within_the_budget_of_pixels():
    cells = Cells(28, 56 * 56, 28 * 28 * 40)
    assert cells.view(Size(2000, 3001), None, "pixel").image_tokens <= 40
    assert cells.view(Size(9, 13), None, "pixel").image_tokens >= 4


def test_qwen_refuses_an_image_longer_than_200_times_its_width():
    cells = Cells(28, 56 * 56, 28 * 28 * 1280)
    assert fit(cells, 2000, 10).w == 28
    with pytest.raises(DataError, match="200"):
        fit(cells, 2001, 10)


def test_qwen_follows_the_older_keys_where_both_are_present():
    settings = {"size": {"shortest_edge": 3136, "longest_edge": 12845056}, "max_pixels": 50176, "min_pixels": 784}
    assert bind("qwen2_5_vl", settings).cells == Cells(28, 784, 50176)


def test_qwen_without_any_budget_uses_the_processor_s_own_default():
    from transformers import Qwen2VLImageProcessor

    size = Qwen2VLImageProcessor().size
    assert bind("qwen2_5_vl", {}).cells == Cells(28, size["shortest_edge"], size["longest_edge"])


@pytest.mark.parametrize("family", QWENS)
def test_qwen_with_half_a_budget_says_so(family):
    with pytest.raises(ConfigError, match="pixel budget"):
        bind(family, {"size": {"shortest_edge": 3136}})


def test_a_budget_replaces_only_what_it_names():
    cells = Cells(32, 65536, 16777216)
    assert cells.within(Pixels(most=262144)) == Cells(32, 65536, 262144)
    assert cells.within(Pixels(least=4096)) == Cells(32, 4096, 16777216)
    assert not Pixels()
    assert Pixels(least=1)


@pytest.mark.parametrize(
    ("pixels", "key", "said"),
    [
        (Pixels(most=1023), "model.max_pixels", "less than one cell of 32 x 32"),
        (Pixels(most=2048), "model.min_pixels", "least pixels 65536 are more than the most 2048"),
        (Pixels(least=20_000_000), "model.min_pixels", "20000000 are more than the most 16777216"),
    ],
)
def test_a_budget_that_nothing_fits_in_is_refused_where_it_was_set(pixels, key, said):
    with pytest.raises(ConfigError, match=said) as caught:
        Cells(32, 65536, 16777216).within(pixels)
    assert caught.value.where == key


@pytest.mark.parametrize(("pixels", "key"), [(Pixels(most=896 * 896 - 1), "max"), (Pixels(least=896 * 896 + 1), "min")])
def test_gemma_has_one_size_and_refuses_a_budget_without_it(pixels, key):
    with pytest.raises(ConfigError, match="896 x 896 = 802816") as caught:
        bind("gemma3", SQUARE).within(pixels)
    assert caught.value.where == f"model.{key}_pixels"


def test_gemma_takes_a_budget_that_its_square_is_within():
    family = bind("gemma3", SQUARE)
    assert family.within(Pixels(least=896 * 896, most=896 * 896)) == family


def test_gemma_refuses_flash_attention_because_it_would_blind_image_tokens_to_each_other():
    family = bind("gemma3", SQUARE)
    with pytest.raises(ConfigError, match="both directions"):
        family.load("never read", revision=None, dtype="float32", attention="flash_attention_2")
