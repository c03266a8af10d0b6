"""A tiny checkpoint per family, and a few prepared rows with real images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch

from medft_bm.config.schema import Config
from medft_bm.core.geometry import Size, Spacing
from medft_bm.core.types import ImageRef, Sample
from medft_bm.models import load_model_family
from medft_bm.models.base import ModelFamily
from medft_bm.models.tiny import BUILDERS, build_tiny
from medft_bm.prepare.codec import dump_view
from medft_bm.prepare.dataset import Item, PartInfo, TrainingRows, numbered

torch.set_num_threads(1)

QUESTION = "The image is {h} x {w} pixels of {y:.3f} x {x:.3f} mm. How wide is the bright bar, in mm?"


class NoTask:
    """Training never asks the task anything."""


@dataclass(frozen=True)
class Rows:
    """The part of ``Prepared`` that training uses, over rows made on the spot."""

    folder: Path
    tables: Mapping[str, datasets.Dataset]
    images: datasets.Dataset
    about: Mapping[str, Sequence[Item]]
    parts: Sequence[PartInfo] = (PartInfo("bars", NoTask(), "test"), PartInfo("more bars", NoTask(), "test"))

    def rows(self, split: str) -> datasets.Dataset:
        return self.tables[split]

    def items(self, split: str) -> Sequence[Item]:
        return self.about[split]

    def training_set(self, split: str) -> datasets.Dataset:
        return numbered(self.tables[split]).with_transform(TrainingRows(self.images))


def make_rows(family: ModelFamily, folder: Path, **counts: int) -> Rows:
    """Bars of known width on anisotropic images that are not square."""
    from PIL import Image

    rng = np.random.default_rng(0)
    pictures: list[Any] = []
    tables, about = {}, {}
    starts: dict[str, list[Item]] = {split: [] for split in counts}
    for split, count in counts.items():
        for _ in range(count):
            pictures.append(None)
            starts[split].append(_item(family, rng, len(pictures) - 1, pictures, Image))
    images = datasets.Dataset.from_dict({"image": pictures}).cast_column("image", datasets.Image())
    for split, items in starts.items():
        about[split] = [Item(**{**vars(item), "images": images}) for item in items]
        tables[split] = datasets.Dataset.from_list(
            [
                {
                    "uid": item.uid,
                    "part": item.part,
                    "view": dump_view(item.view),
                    "image": item.row,
                    "prompt": [{"role": "user", "content": item.prompt_text}],
                    "completion": [{"role": "assistant", "content": item.answer_text}],
                }
                for item in items
            ]
        )
    return Rows(folder, tables, images, about)


def _item(family: ModelFamily, rng: np.random.Generator, row: int, pictures: list[Any], library: Any) -> Item:
    size, spacing = Size(40 + 8 * (row % 3), 96), Spacing(y=0.7, x=2.5)
    width = int(rng.integers(8, 60))
    pixels = np.zeros((size.h, size.w, 3), np.uint8)
    pixels[10:30, 20 : 20 + width] = 255
    pictures[row] = library.fromarray(pixels)
    view = family.view(size, spacing)
    answer = f"{width * spacing.x:.1f}"
    sample = Sample(f"uid{row}", "bar", "test", f"s{row}", ImageRef("x.png"), size, spacing, {"width": width})
    question = QUESTION.format(h=view.size.h, w=view.size.w, y=view.spacing.y, x=view.spacing.x)
    return Item(sample.uid, row % 2, NoTask(), sample, view, question, answer, row, None)


def make_config(checkpoint: Path, run: Path, **train: Any) -> Config:
    lora, towers = train.pop("lora", {"rank": 4, "alpha": 8}), train.pop("towers", {})
    few = {
        "max_steps": 2,
        "device_batch": 2,
        "accumulation": 1,
        "workers": 0,
        "logging_steps": 1,
        "gradient_checkpointing": False,
        "warmup": 0.5,
        "lr": 1e-3,
    }
    return Config.model_validate(
        {
            "data": {"mix": [{"task": "detection", "source": "phantom"}]},
            "model": {"name": str(checkpoint)},
            "lora": lora,
            "towers": towers,
            "train": {**few, **train},
            "run": {"folder": str(run)},
        }
    )


@pytest.fixture(scope="session", params=sorted(BUILDERS))
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("base") / request.param
    build_tiny(request.param, path, [QUESTION] * 3, seed=0, hidden=64, layers=(1, 2))
    return path


@pytest.fixture(scope="session")
def family(checkpoint: Path) -> ModelFamily:
    return load_model_family(str(checkpoint))


@pytest.fixture(scope="session")
def prepared(family: ModelFamily, tmp_path_factory: pytest.TempPathFactory) -> Rows:
    return make_rows(family, tmp_path_factory.mktemp("prepared"), train=12, validation=3)


@pytest.fixture(scope="session")
def adapter(checkpoint: Path, family: ModelFamily, prepared: Rows, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter that real training saved, with validation, on the language tower."""
    from medft_bm.train.run import train_model

    run = tmp_path_factory.mktemp("runs") / "lora"
    return train_model(prepared, family, make_config(checkpoint, run, max_steps=4, save_steps=2, eval_steps=2, lr=5e-3))


@pytest.fixture(scope="session")
def helpers() -> Any:
    """The makers above, for tests that need rows or a config of their own."""

    class Helpers:
        rows = staticmethod(make_rows)
        config = staticmethod(make_config)

    return Helpers
