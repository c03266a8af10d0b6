"""Fine-tune medical vision-language models to measure, and evaluate them before and after."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from medft_bm.core.geometry import Box, PixelMap, Size, Spacing

if TYPE_CHECKING:
    from medft_bm.models import load_model_family
    from medft_bm.prepare.dataset import open_prepared, prepare_dataset
    from medft_bm.sources import load_source
    from medft_bm.tasks import load_task

__version__ = "0.1.0"

__all__ = [
    "Box",
    "PixelMap",
    "Size",
    "Spacing",
    "load_model_family",
    "load_source",
    "load_task",
    "open_prepared",
    "prepare_dataset",
]

_LAZY = {
    "load_model_family": "medft_bm.models",
    "load_source": "medft_bm.sources",
    "load_task": "medft_bm.tasks",
    "open_prepared": "medft_bm.prepare.dataset",
    "prepare_dataset": "medft_bm.prepare.dataset",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
