"""Phantoms and pictures with awkward labels, prepared for tiny checkpoints."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medft_bm.config.schema import Config
from medft_bm.export.base import Export
from medft_bm.export.formats import load_format
from medft_bm.export.make import make_export
from medft_bm.models import load_model_family
from medft_bm.models.pixels import Pixels
from medft_bm.prepare.dataset import prepare_dataset

BASES = Path(__file__).resolve().parents[2] / "script" / "demo" / "base"
PARTS = [
    ("grades", "classification", {"positive": ["grade 1"]}, {"kind": "textures", "images_per_subject": 2}),
    ("organs", "detection", {}, {"kind": "volumes"}),
    ("Lesions, in mm", "lesion_size", {}, {"kind": "volumes"}),
    ("lesions in mm", "lesion_size", {}, {"kind": "volumes", "seed": 6}),
    ("heads", "angle_distance", {}, {"kind": "heads", "images_per_subject": 2}),
]
AWKWARD = ['"quoted", it\'s {{ 7 * 7 }}', "two\N{LINE SEPARATOR}lines\x85 \N{SNOWMAN} \\n", "#, < & | `$x` %s {0}"]
"""Labels that every format holds."""


def part(name: str, task: str, options: dict[str, Any], source: dict[str, Any]) -> dict[str, Any]:
    source = {"subjects": 8, "seed": 5, **source}
    return {"name": name, "task": task, "task_options": options, "source": "phantom", "source_options": source}


def config_of(folder: Path, mix: list[dict[str, Any]], base: str = "qwen2_5_vl", **sections: Any) -> Config:
    data = {"root": folder / "raw", "cache": folder / "cache", "mix": mix, "split": {"validation": 0.25, "test": 0.4}}
    return Config.model_validate({"model": {"name": str(BASES / base)}, "data": data, **sections})


def export_of(config: Config) -> Export:
    model = config.model
    family = load_model_family(model.name, pixels=Pixels(model.min_pixels, model.max_pixels))
    return Export(prepare_dataset(config.data, family), family, config)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("export")


@pytest.fixture(scope="session")
def config(folder: Path) -> Config:
    return config_of(folder, [part(*one) for one in PARTS])


@pytest.fixture(scope="session")
def export(config: Config) -> Export:
    return export_of(config)


@pytest.fixture(scope="session")
def awkward(folder: Path):
    """Pictures of classes with these names, prepared."""

    def prepared(labels: list[str], size: tuple[int, int] = (40, 56)) -> Export:
        root = folder / f"pictures{len(list(folder.iterdir()))}"
        root.mkdir()
        rows = [["file", "label", "patient"]]
        rng = np.random.default_rng(3)
        for k in range(8 * len(labels)):
            Image.fromarray(rng.integers(0, 255, (*size, 3), np.uint8)).save(root / f"{k}.png")
            rows.append([f"{k}.png", labels[k % len(labels)], f"p{k}"])
        with (root / "labels.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
        options = {"table": "labels.csv", "image_column": "file", "label_column": "label", "subject_column": "patient"}
        mix = [{"task": "classification", "source": "image_folder", "source_options": options, "root": str(root)}]
        return export_of(config_of(root, mix))

    return prepared


@pytest.fixture
def written(tmp_path: Path):
    """Write an export into a new folder."""

    def write(export: Export, name: str) -> Path:
        out = tmp_path / name
        make_export(export, load_format(name), out)
        return out

    return write


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="ascii").split("\n")[:-1]]
