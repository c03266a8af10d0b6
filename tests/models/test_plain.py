"""A model of which only the name is known is told of the picture as it is sent."""

import pytest

from medft_bm.core.errors import ConfigError
from medft_bm.core.geometry import Size, Spacing
from medft_bm.models import load_model_family
from medft_bm.models.pixels import Pixels


@pytest.fixture
def family():
    return load_model_family("gpt-of-tomorrow", "plain")


@pytest.mark.parametrize("spacing", [Spacing(y=0.7, x=2.5), None])
def test_the_view_is_the_picture_itself(family, spacing):
    view = family.view(Size(31, 512), spacing)

    assert (view.size, view.spacing) == (Size(31, 512), spacing)
    assert view.from_slice.points([[3.5, 100.25]]).tolist() == [[3.5, 100.25]]
    assert view.coordinates == "fraction"


def test_a_name_alone_is_enough_only_where_the_family_is_asked_for():
    with pytest.raises(ConfigError, match="gpt-of-tomorrow"):
        load_model_family("gpt-of-tomorrow")


def test_a_budget_of_pixels_is_refused_because_pictures_are_sent_as_they_are():
    for key, pixels in (("max", Pixels(most=4096)), ("min", Pixels(least=64))):
        with pytest.raises(ConfigError) as error:
            load_model_family("gpt-of-tomorrow", "plain", pixels=pixels)
        assert error.value.where == f"model.{key}_pixels"


def test_there_is_nothing_to_load_or_train(family):
    with pytest.raises(ConfigError, match="behind a server"):
        family.load("gpt-of-tomorrow", revision=None, dtype="float32", attention="sdpa")
    with pytest.raises(ConfigError, match="behind a server"):
        family.lora_targets(["language"])
