"""Samples and views as JSON text, the form in which rows keep what scoring needs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from medft_bm.core.geometry import PixelMap, Size, Spacing
from medft_bm.core.types import ImageRef, Sample, View


def dump(value: Sample | View) -> str:
    """One line of JSON; every float as written, so that reading it back gives the same bits."""
    return json.dumps(asdict(value), ensure_ascii=False, separators=(",", ":"))


def load_sample(text: str) -> Sample:
    """The sample that :func:`dump` wrote."""
    facts: dict[str, Any] = json.loads(text)
    return Sample(
        **{
            **facts,
            "image": ImageRef(**facts["image"]),
            "size": Size(**facts["size"]),
            "spacing": _spacing(facts["spacing"]),
        }
    )


def load_view(text: str) -> View:
    """The view that :func:`dump` wrote."""
    facts: dict[str, Any] = json.loads(text)
    moved = facts["from_slice"]
    pixel_map = PixelMap(**{**moved, "src": Size(**moved["src"]), "dst": Size(**moved["dst"])})
    return View(
        **{**facts, "size": Size(**facts["size"]), "spacing": _spacing(facts["spacing"]), "from_slice": pixel_map}
    )


def _spacing(facts: dict[str, float] | None) -> Spacing | None:
    return None if facts is None else Spacing(**facts)
