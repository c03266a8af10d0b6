"""Options of tasks and sources."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pytest

from medft_bm.config.options import build
from medft_bm.core.errors import ConfigError


@dataclass(frozen=True)
class Toy:
    labels: dict[int, str]
    plane: Literal["axial", "coronal"] = "axial"
    every: int = 1
    names: tuple[str, ...] = field(default_factory=tuple)


def test_options_become_the_types_of_the_fields():
    made = build(Toy, {"labels": {"3": "liver"}, "names": ["a", "b"]}, where="source toy")

    assert made == Toy({3: "liver"}, "axial", 1, ("a", "b"))


def test_every_wrong_option_is_reported_at_once():
    with pytest.raises(ConfigError) as caught:
        build(Toy, {"everyy": 2, "plane": "sideways"}, where="source toy")

    text = str(caught.value)
    assert "everyy: unknown option; did you mean 'every'?" in text
    assert "labels: Field required" in text
    assert "plane: Input should be 'axial' or 'coronal'" in text
    assert "where: source toy" in text
