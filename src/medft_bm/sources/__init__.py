"""Readers for layouts of raw data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medft_bm.config.options import build
from medft_bm.core.registry import Registry
from medft_bm.sources.base import Source

SOURCES: Registry[type[Source]] = Registry(
    kind="source",
    group="medft_bm.sources",
    builtin={
        "breakhis": "medft_bm.sources.breakhis:BreakHis",
        "hf_dataset": "medft_bm.sources.hf_dataset:HfDataset",
        "image_folder": "medft_bm.sources.image_folder:ImageFolder",
        "landmarks": "medft_bm.sources.landmarks:LandmarkFile",
        "medvision": "medft_bm.sources.medvision:MedVision",
        "nifti_masks": "medft_bm.sources.nifti_masks:NiftiMasks",
        "phantom": "medft_bm.sources.phantom:Phantom",
    },
)


def load_source(name: str, options: Mapping[str, Any] | None = None) -> Source:
    """The source of that name with these options.

    Raises:
        ConfigError: unknown source or option.
    """
    return build(SOURCES.get(name), options or {}, where=f"source {name}")
