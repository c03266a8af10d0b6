"""Every fact that can change a byte of a prepared dataset names another cache entry; nothing else does."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from medft_bm.config.schema import Data
from medft_bm.core.geometry import Size
from medft_bm.models.gemma3 import Gemma3
from medft_bm.prepare.dataset import Prepared, prepare_dataset
from medft_bm.sources.nifti_masks import NiftiMasks
from medft_bm.tasks.detection import Detection

PART = {
    "task": "detection",
    "task_options": {},
    "source": "nifti_masks",
    "source_options": {"images": "*_image.mhd", "masks": "{prefix}_mask.nii.gz", "labels": {1: "liver"}},
}


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for number in range(8):
        mask = np.zeros((4, 9, 13), np.uint8)
        mask[1:3, 2:6, 3:9] = 1
        for name, array in (("image.mhd", rng.integers(0, 200, mask.shape, np.uint8)), ("mask.nii.gz", mask)):
            volume = SimpleITK.GetImageFromArray(array)
            volume.SetSpacing((0.7, 1.3, 2.9))
            (tmp_path / "raw").mkdir(exist_ok=True)
            SimpleITK.WriteImage(volume, str(tmp_path / "raw" / f"p{number}_{name}"))
    return tmp_path / "raw"


def make(raw: Path, family: Gemma3 | None = None, part: dict | None = None, **changes) -> Prepared:
    facts = {"root": raw, "cache": raw.parent / "cache", "mix": [{**PART, **(part or {})}], "split": {"test": 0.3}}
    return prepare_dataset(Data.model_validate({**facts, **changes}), family or Gemma3(Size(64, 64), 16))


@pytest.mark.parametrize(
    "changes",
    [
        {"part": {"task_options": {"min_side_px": 3}}},
        {"part": {"source_options": {**PART["source_options"], "window": "min_max"}}},
        {"part": {"source_options": {**PART["source_options"], "labels": {1: "spleen"}}}},
        {"part": {"source_options": {**PART["source_options"], "planes": ["coronal"]}}},
        {"part": {"name": "boxes"}},
        {"part": {"task": "lesion_size"}},
        {"split": {"test": 0.4}},
        {"split": {"test": 0.3, "validation": 0.2}},
        {"split": {"test": 0.3, "seed": 1}},
        {"limit": {"train": 2}},
        {"limit_per_task": {"test": 1}},
        {"seed": 3},
        {"salt": "pepper"},
        {"on_error": "skip"},
        {"family": Gemma3(Size(128, 64), 16)},
        {"family": Gemma3(Size(64, 64), 4)},
    ],
    ids=str,
)
def test_another_setting_is_another_entry(raw, changes):
    assert make(raw, **changes).folder.name != make(raw).folder.name


@pytest.mark.parametrize(
    ("kind", "fact", "value"),
    [
        (Detection, "version", 99),
        (NiftiMasks, "revision", 99),
        (Gemma3, "version", 99),
        (Gemma3, "coordinates", "pixel"),
    ],
)
def test_a_raised_version_of_the_code_is_another_entry(raw, monkeypatch, kind, fact, value):
    before = make(raw).folder.name
    monkeypatch.setattr(kind, fact, value)
    assert make(raw).folder.name != before


def touch(raw: Path) -> None:
    os.utime(raw / "p3_mask.nii.gz", ns=(1, 1))


def add(raw: Path) -> None:
    for file in raw.glob("p3_*"):
        shutil.copy2(file, raw / file.name.replace("p3", "p9"))
    header, voxels = raw / "p9_image.mhd", raw / "p9_image.raw"
    header.write_text(header.read_text().replace("p3_", "p9_"))
    voxels.write_bytes(voxels.read_bytes()[::-1])  # a copy under another name would be refused


def overwrite_the_voxels_beside_a_header(raw: Path) -> None:
    voxels = raw / "p3_image.raw"
    voxels.write_bytes(voxels.read_bytes()[::-1])


@pytest.mark.parametrize("change", [touch, add, overwrite_the_voxels_beside_a_header])
def test_another_raw_file_is_another_entry(raw, change):
    before = make(raw).folder.name
    change(raw)
    assert make(raw).folder.name != before


def test_another_content_of_the_split_file_is_another_entry_and_another_layout_of_it_is_not(raw, tmp_path):
    path = tmp_path / "split.json"
    listed = {f"p{number}_image": "train" for number in range(8)}
    path.write_text(json.dumps(listed))
    first = make(raw, split={"file": path}).folder.name
    path.write_text(json.dumps(listed, indent=3))
    assert make(raw, split={"file": path}).folder.name == first
    path.write_text(json.dumps({**listed, "p3_image": "test"}))
    assert make(raw, split={"file": path}).folder.name != first


def test_the_place_of_the_raw_data_does_not_matter(raw, tmp_path):
    before = make(raw).folder.name
    moved = Path(shutil.copytree(raw, tmp_path / "moved"))
    assert make(moved).folder.name == before


def test_the_salt_is_not_written_down(raw):
    made = make(raw, salt="a secret of this hospital")
    assert made.parts
    for path in (raw.parent / "cache").rglob("*"):
        assert path.is_dir() or b"a secret of this hospital" not in path.read_bytes(), path
