"""A small mix of phantoms, prepared once per session."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.prepare.cohort import Cohort

from medft_bm.config.schema import Data
from medft_bm.core.geometry import Size
from medft_bm.models.gemma3 import Gemma3
from medft_bm.prepare.dataset import Prepared, prepare_dataset


def mix(subjects: int = 8) -> list[dict]:
    volumes = {"kind": "volumes", "subjects": subjects}
    return [
        {"task": "detection", "source": "phantom", "source_options": volumes},
        {"task": "lesion_size", "task_options": {"labels": ["lesion"]}, "source": "phantom", "source_options": volumes},
        {
            "task": "angle_distance",
            "source": "phantom",
            "source_options": {"kind": "heads", "subjects": subjects, "images_per_subject": 2},
        },
        {
            "task": "classification",
            "source": "phantom",
            "source_options": {"kind": "textures", "subjects": subjects, "images_per_subject": 2},
        },
    ]


def data(folder: Path, **changes) -> Data:
    facts = {"root": folder / "raw", "cache": folder / "cache", "mix": mix(), "split": {"validation": 0.2, "test": 0.3}}
    return Data.model_validate({**facts, **changes})


@pytest.fixture(scope="session")
def family() -> Gemma3:
    return Gemma3(Size(64, 64), 16)


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("prepare")


@pytest.fixture(scope="session")
def prepared(folder, family) -> Prepared:
    return prepare_dataset(data(folder), family)


@pytest.fixture
def cohort(tmp_path) -> Cohort:
    made = Cohort(tmp_path)
    for number in range(4):
        made.write(f"P{number}", made.image(number), made.mask())
    return made
