"""Which formats there are; a format is imported when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medft_bm.export.base import Format

FORMATS = {
    "jsonl": "plain",
    "llamafactory": "llamafactory",
    "ms-swift": "swift",
    "qwen": "qwen",
    "lmms-eval": "lmms_eval",
}
"""Modules of this package, by the name given to ``--format``."""


def load_format(name: str) -> Format:
    """The format of that name."""
    found: Format = import_module(f"medft_bm.export.{FORMATS[name]}").FORMAT
    return found
