"""What the verbs are started on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    """A picture in a file that is called after its patient."""
    pixels = np.random.default_rng(0).integers(0, 255, (40, 60, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "Mustermann.png")
    return tmp_path / "Mustermann.png"


@pytest.fixture(scope="module")
def phantom_mix(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """Writes the mix of a task on eight pictures of phantoms of a kind, for the demo's Qwen."""

    def written(task: str, kind: str) -> Path:
        folder = tmp_path_factory.mktemp(kind)
        options = {"kind": kind, "subjects": 8, "images_per_subject": 1}
        part = {"name": kind, "task": task, "source": "phantom", "source_options": options}
        data = {"root": str(folder / "raw"), "cache": str(folder / "cache"), "mix": [part], "split": {"test": 0.4}}
        words = {
            "data": data,
            "model": {"name": "script/demo/base/qwen2_5_vl"},
            "run": {"folder": str(folder / "run")},
        }
        (folder / "mix.yaml").write_text(yaml.safe_dump(words), encoding="utf-8")
        return folder / "mix.yaml"

    return written
