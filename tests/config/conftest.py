"""A valid config to start from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from medft_bm.config.load import Loaded, load_config

VALID = """\
data:
  mix:
    - {task: detection, source: nifti_masks, source_options: {labels: {1: liver}}}
model: {name: somewhere/model}
"""

Write = Callable[[str], Path]
Load = Callable[..., Loaded]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        path = tmp_path / "mine.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def load(write: Write) -> Load:
    """Load VALID plus some YAML, with words and variables; never the ones of the process."""

    def load(text: str = "", words: list[str] | None = None, environ: dict[str, str] | None = None) -> Loaded:
        return load_config(write(VALID + text), words or [], environ or {})

    return load
