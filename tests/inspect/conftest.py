"""Phantoms of every kind, prepared for a tiny checkpoint of each family."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from medft_bm.config.schema import Config
from medft_bm.inspect.batches import Feeder
from medft_bm.models import load_model_family
from medft_bm.models.base import ModelFamily
from medft_bm.models.pixels import Pixels
from medft_bm.models.tiny import BUILDERS, build_tiny
from medft_bm.prepare.dataset import Prepared, prepare_dataset

torch.set_num_threads(1)

TEXTS = ["This is an axial image. One pixel is 1.349 mm wide. Where is the box? [0.123, 0.456, 0.789, 0.5] 12.3 mm"]
PARTS = [
    ("grades", "classification", "textures", {"images_per_subject": 2}),
    ("organs", "detection", "volumes", {}),
    ("lesions", "lesion_size", "volumes", {}),
    ("heads", "angle_distance", "heads", {"images_per_subject": 2}),
]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("inspect")


@pytest.fixture(scope="session", params=sorted(BUILDERS))
def checkpoint(request: pytest.FixtureRequest, folder: Path) -> Path:
    path = folder / request.param
    build_tiny(request.param, path, TEXTS, seed=1, hidden=64, layers=(1, 1), heads=4)
    return path


@pytest.fixture(scope="session")
def config(folder: Path, checkpoint: Path) -> Config:
    return config_of(folder, checkpoint)


def config_of(folder: Path, checkpoint: Path, **sections: Any) -> Config:
    mix = [
        {
            "name": name,
            "task": task,
            "source": "phantom",
            "source_options": {"kind": kind, "subjects": 8, "seed": 5, **options},
        }
        for name, task, kind, options in PARTS
    ]
    data = {
        "root": folder / "raw",
        "cache": folder / "cache",
        "mix": mix,
        "split": {"test": 0.4, "validation": 0.1},
        "limit_per_task": {"train": 12, "validation": 2, "test": 8},
    }
    model = {"name": str(checkpoint), **sections.pop("model", {})}
    return Config.model_validate({"data": data, "model": model, "run": {"folder": folder / "run"}, **sections})


def family_of(config: Config) -> ModelFamily:
    pixels = Pixels(config.model.min_pixels, config.model.max_pixels)
    return load_model_family(config.model.name, pixels=pixels)


@pytest.fixture(scope="session")
def family(config: Config) -> ModelFamily:
    return family_of(config)


@pytest.fixture(scope="session")
def prepared(config: Config, family: ModelFamily) -> Prepared:
    return prepare_dataset(config.data, family)


@pytest.fixture(scope="session")
def feeder(config: Config, family: ModelFamily) -> Feeder:
    return Feeder.of(config, family)
