"""A user's working folder: raw data to break, a config, a tiny checkpoint, and what the command leaves behind."""

from __future__ import annotations

import gzip
import json
import shutil
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK
import yaml
from PIL import Image
from tests.contract.asked import CASES, Asked, asked_of
from tests.sources.medvision_plans import box_slices, case_of, stored, task_of, write_plan

PIXDIM = 80
"""Byte of a NIfTI-1 header where the first voxel size stands."""


@dataclass
class Bench:
    """Everything below ``folder``; parts of the mix and sections of the config are changed before a command runs."""

    folder: Path
    model: Path
    parts: list[dict[str, Any]] = field(default_factory=list)
    sections: dict[str, Any] = field(default_factory=dict)

    @property
    def raw(self) -> Path:
        return self.folder / "raw"

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def run(self) -> Path:
        return self.folder / "run"

    def volume(self, name: str = "p1", mask: Any = None, image: Any = None, mask_spacing: Any = None) -> None:
        """Write ``p1_image.nii.gz`` and ``p1_mask.nii.gz``, and nothing wrong with them unless asked for."""
        labels = np.zeros((6, 11, 13), np.uint8)
        labels[2:5, 3:9, 2:8] = 1
        values = np.arange(labels.size, dtype=np.float32).reshape(labels.shape)
        spacing = (0.7, 1.3, 2.9)
        (self.raw / name).parent.mkdir(parents=True, exist_ok=True)
        for kind, array, step in (
            ("image", values if image is None else image, spacing),
            ("mask", labels if mask is None else mask, mask_spacing or spacing),
        ):
            made = SimpleITK.GetImageFromArray(array)
            made.SetSpacing(step)
            SimpleITK.WriteImage(made, str(self.raw / f"{name}_{kind}.nii.gz"))

    def ask_volumes(self, **options: Any) -> None:
        known = {"images": "*_image.nii.gz", "masks": "{prefix}_mask.nii.gz", "labels": {1: "liver"}}
        self.parts.append({"task": "detection", "source": "nifti_masks", "source_options": {**known, **options}})

    def ask_phantoms(self, **options: Any) -> None:
        kind = {"kind": "textures", "subjects": 12, "images_per_subject": 1, "seed": 7}
        self.parts.append({"task": "classification", "source": "phantom", "source_options": {**kind, **options}})

    def pictures(self, *folders: str, **options: Any) -> None:
        """Write ``a.png`` into each folder, and ask for the class."""
        noise = np.random.default_rng(0).integers(0, 256, (40, 60), np.uint8)
        for folder in folders:
            (self.raw / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(noise).save(self.raw / folder / "a.png")
        self.parts.append({"task": "classification", "source": "image_folder", "source_options": options})

    def table(self, *rows: str, **options: Any) -> None:
        """Write ``table.csv`` (columns file, diagnosis, patient, set) and two pictures, and ask for the class."""
        self.raw.mkdir(exist_ok=True)
        for number, name in enumerate(("a.png", "b.png")):
            noise = np.random.default_rng(number).integers(0, 256, (40, 60), np.uint8)
            Image.fromarray(noise).save(self.raw / name)
        text = "\n".join(("file,diagnosis,patient,set", *(rows or ("a.png,naevus,p1,train", "b.png,melanoma,p2,test"))))
        (self.raw / "table.csv").write_text(text + "\n", encoding="utf-8")
        known = {"table": "table.csv", "image_column": "file", "label_column": "diagnosis"}
        self.parts.append({"task": "classification", "source": "image_folder", "source_options": {**known, **options}})

    def medvision(self, cases: Mapping[str, Any] | None = None, **options: Any) -> None:
        """Write a volume of the dataset Toy with a plan of boxes, version 1.0.0, and ask for them.

        Args:
            cases: what to change of what the plan says of the volume's file.
            options: of the source.
        """
        self.volume("Toy/p1")
        folder = self.raw / "Toy"
        labels, _ = stored(folder / "p1_mask.nii.gz")
        case = case_of(folder, "p1_image.nii.gz", "p1_mask.nii.gz") | box_slices(labels, (0.7, 1.3, 2.9))
        case["image_file_info"] = {**case["image_file_info"], **(cases or {})}
        write_plan(folder, "detection", "1.0.0", [task_of([case], image_folder="", mask_folder="")])
        known = {"version": "1.0.0", "tasks": "Toy_BoxSize_Task01_Axial"}
        self.parts.append({"task": "detection", "source": "medvision", "source_options": {**known, **options}})

    def landmarks(self, *entries: Mapping[str, Any]) -> None:
        """Write the list and a picture of 40 x 60 pixels called ``a.png``, and ask for one distance."""
        self.raw.mkdir(exist_ok=True)
        Image.fromarray(np.arange(2400, dtype=np.uint8).reshape(40, 60)).save(self.raw / "a.png")
        (self.raw / "marks.json").write_text(json.dumps(entries), encoding="utf-8")
        options = {"file": "marks.json", "distances": [["tip", "base"]], "pixel_size_mm": [0.7, 1.3]}
        self.parts.append({"task": "angle_distance", "source": "landmarks", "source_options": options})

    def config(self) -> Path:
        """The config as a user would write it."""
        few = {"max_steps": 1, "device_batch": 2, "accumulation": 1, "gradient_checkpointing": False, "workers": 0}
        sections: dict[str, Any] = {
            "data": {"root": str(self.raw), "cache": str(self.cache), "mix": self.parts},
            "model": {"name": str(self.model)},
            "lora": {"rank": 2},
            "train": few,
            "evaluate": {"batch": 4, "max_new_tokens": 4, "examples": 0, "bootstrap": 100},
            "run": {"folder": str(self.run)},
        }
        for name, section in self.sections.items():
            sections[name] = {**sections.get(name, {}), **section}
        path = self.folder / "mine.yaml"
        path.write_text(yaml.safe_dump(sections), encoding="utf-8")
        return path

    def entries(self) -> list[str]:
        """Finished and unfinished entries of the cache."""
        return sorted(path.name for path in self.cache.glob("*/*") if not path.name.endswith(".lock"))

    def left(self) -> list[str]:
        """Everything in the run folder, hidden drafts too."""
        return sorted(path.relative_to(self.run).as_posix() for path in self.run.rglob("*"))


def rewrite(path: Path, voxel_size: float) -> None:
    """Put another first voxel size into a NIfTI header, as a careless converter would."""
    data = bytearray(gzip.decompress(path.read_bytes()))
    struct.pack_into("<f", data, PIXDIM, voxel_size)
    path.write_bytes(gzip.compress(bytes(data)))


def truncate(path: Path, keep: float = 0.5) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that loads, small and random."""
    import torch

    from medft_bm.models.tiny import build_tiny

    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("checkpoint") / "tiny"
    build_tiny("gemma3", path, ["Which of these does it show: glands, fat?"], seed=0, hidden=64, layers=(1, 2))
    return path


@pytest.fixture
def settings_only(tmp_path: Path) -> Path:
    """What preparing needs of a checkpoint: its JSON."""
    path = tmp_path / "settings"
    path.mkdir()
    (path / "config.json").write_text('{"model_type": "gemma3"}', encoding="utf-8")
    processor = {"size": {"height": 64, "width": 64}, "image_seq_length": 16}
    (path / "preprocessor_config.json").write_text(json.dumps(processor), encoding="utf-8")
    return path


@pytest.fixture
def bench(tmp_path: Path, settings_only: Path) -> Bench:
    return Bench(tmp_path, settings_only)


@pytest.fixture
def loaded_bench(tmp_path: Path, tiny: Path) -> Bench:
    """A bench with phantoms and a checkpoint of its own that can be broken."""
    made = Bench(tmp_path, Path(shutil.copytree(tiny, tmp_path / "model")))
    made.ask_phantoms()
    return made


def refused(done: Any, code: int, *said: str) -> None:
    """The command ended with this exit code and one complete message that says all of these."""
    assert done.code == code, done.err
    assert done.out == ""
    assert "Traceback" not in done.err
    assert done.err.count("medft: ") == 1, done.err
    message = done.err[done.err.index("medft: ") :]
    assert "unexpected" not in message, message
    # A config with several problems says where for each of them.
    listed = "problem(s) in the config" in message
    assert [message.count(f"\n  {label}: ") for label in ("where", "fix")] == [0 if listed else 1, 1], message
    for words in said:
        assert words in message, message


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}{case[1] or ''}")
def asked(request) -> Asked:
    return asked_of(*request.param)
