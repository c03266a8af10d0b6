"""A small prepared dataset of phantoms and a tiny model, made once."""

from __future__ import annotations

import pytest

from medft_bm.config.schema import Config
from medft_bm.models import load_model_family
from medft_bm.models.base import Loaded
from medft_bm.models.tiny import build_tiny
from medft_bm.prepare.dataset import Prepared, prepare_dataset

TEXTS = ["This is an image. Where is the box? [0.123, 0.456, 0.789, 0.5] 12.3 mm 45.6 degrees"]


def phantom(kind: str, **options: object) -> dict[str, object]:
    return {"kind": kind, "subjects": 10, "seed": 5, **options}


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny") / "gemma3"
    build_tiny("gemma3", folder, TEXTS, seed=1, hidden=32, layers=(1, 2), heads=2)
    return folder


@pytest.fixture(scope="session")
def qwen_checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny") / "qwen"
    build_tiny("qwen2_5_vl", folder, TEXTS, seed=1, hidden=64, layers=(1, 2), heads=2)
    return folder


@pytest.fixture(scope="session")
def config(tmp_path_factory, checkpoint) -> Config:
    folder = tmp_path_factory.mktemp("phantoms")
    parts = [
        ("classification", {}, phantom("textures", images_per_subject=4)),
        ("detection", {}, phantom("volumes")),
        ("lesion_size", {}, phantom("volumes")),
        ("angle_distance", {}, phantom("heads", images_per_subject=2)),
    ]
    mix = [
        {"name": f"{task} {k}", "task": task, "task_options": options, "source": "phantom", "source_options": source}
        for k, (task, options, source) in enumerate(parts)
    ]
    limits = {"train": 20, "validation": 2, "test": 8}
    return Config.model_validate(
        {
            "demo": True,
            "model": {"name": str(checkpoint)},
            "data": {
                "root": folder / "raw",
                "cache": folder / "cache",
                "mix": mix,
                "split": {"test": 0.4, "validation": 0.1},
                "limit_per_task": limits,
            },
            "evaluate": {"examples": 10, "bootstrap": 100, "max_new_tokens": 6, "batch": 4},
        }
    )


@pytest.fixture(scope="session")
def prepared(config) -> Prepared:
    return prepare_dataset(config.data, load_model_family(config.model.name))


@pytest.fixture(scope="session")
def items(prepared):
    return list(prepared.items("test"))


@pytest.fixture(scope="session")
def load():
    """Load a checkpoint anew, in float32."""

    def loaded(folder) -> Loaded:
        return load_model_family(str(folder)).load(str(folder), revision=None, dtype="float32", attention="sdpa")

    return loaded


@pytest.fixture(scope="session")
def model(checkpoint, load) -> Loaded:
    return load(checkpoint)
