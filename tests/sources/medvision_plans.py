"""Writes MedVision plans for masks, the way the plans describe themselves: everything counted anew from the voxels."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
from scipy import ndimage

from medft_bm.core.geometry import PixelMap
from medft_bm.core.records import Record
from medft_bm.core.types import View

PRESET = "medvision-v1.0.0"
STEP = (0.7, 1.3, 2.9)
"""mm along i, j, k of the volumes of ``Toy``."""


def toy(annotation: str = "BoxSize", plane: str = "Axial", **options: Any) -> dict[str, Any]:
    """Options of the source for the first task of ``Toy``."""
    return {"version": "1.0.0", "tasks": f"Toy_{annotation}_Task01_{plane}", **options}


def view_of(record: Record) -> View:
    """What a model sees that resizes nothing."""
    return View(record.size, record.spacing, PixelMap.identity(record.size), 1)


def none_left_out(what: str, why: str) -> None:
    raise AssertionError(f"{what}: {why}")


def stored(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Voxels indexed [i, j, k] and the affine from them to RAS, by SimpleITK alone."""
    image = SimpleITK.ReadImage(str(path))
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    return SimpleITK.GetArrayFromImage(image).T, np.diag([-1, -1, 1, 1]) @ affine


def case_of(folder: Path, image: str, mask: str, **more: Any) -> dict[str, Any]:
    """What a plan says of a volume, without slices; paths are relative to the dataset's folder."""
    _, affine = stored(folder / image)
    shape = stored(folder / mask)[0].shape
    info = {
        "voxel_size": np.linalg.norm(affine[:3, :3], axis=0).round(3).tolist(),
        "affine": affine.round(3).tolist(),
        "orientation": "RAS",
        "array_size": list(shape),
    }
    named = {"case_ID": Path(image).name, "image_file": image, "mask_file": mask}
    return {**named, "image_file_info": info, "mask_file_info": info, **more}


def box_slices(labels: np.ndarray, voxel_size: Sequence[float]) -> dict[str, Any]:
    """Boxes of every 4-connected piece of every label, on every slice along every axis."""
    profiles: dict[str, Any] = {}
    for axis, letter in enumerate("xyz"):
        step = np.delete(np.asarray(voxel_size), axis)
        found = []
        for index in range(labels.shape[axis]):
            shown = labels.take(index, axis)
            items = [
                {"label": int(value), "bboxes": [_box(piece, step) for piece in _pieces(shown == value)]}
                for value in np.unique(shown[shown > 0])
            ]
            if items:
                found.append({"slice_idx": index, "slice_profile": items})
        profiles[f"slice_profiles_{letter}"] = found
    return profiles


def _pieces(mask: np.ndarray) -> list[np.ndarray]:
    named, count = ndimage.label(mask)
    return [np.argwhere(named == number + 1) for number in range(count)]


def _box(points: np.ndarray, step: np.ndarray) -> dict[str, Any]:
    low, high = points.min(axis=0), points.max(axis=0)
    return {
        "min_coords": low.tolist(),
        "max_coords": high.tolist(),
        "center_coords": ((low + high) // 2).tolist(),
        "dimensions": (high - low + 1).tolist(),
        "sizes": ((high - low + 1) * step).tolist(),
    }


def no_slices() -> dict[str, Any]:
    return {f"slice_profiles_{letter}": [] for letter in "xyz"}


def lesion(major_mm: float, minor_mm: float) -> list[dict[str, Any]]:
    """One ellipse, as a plan states it."""
    common = {"metric_type": "distance", "metric_map_name": "lines_map", "metric_unit": "mm", "slice_dim": 2}
    return [
        {**common, "metric_key": "L-1-2", "metric_value": major_mm},
        {**common, "metric_key": "L-3-4", "metric_value": minor_mm},
    ]


def task_of(train: Sequence[Mapping[str, Any]], test: Sequence[Mapping[str, Any]] = (), **more: Any) -> dict[str, Any]:
    """One entry of a plan's list of tasks."""
    facts = {
        "image_modality": "MRI",
        "image_description": "an MRI scan of the brain",
        "image_folder": "Images",
        "mask_folder": "Masks",
        "labels_map": {"1": "anterior hippocampus", "2": "posterior hippocampus"},
    }
    return {**facts, **more, "train_cases": list(train), "test_cases": list(test)}


def write_plan(folder: Path, kind: str, version: str, tasks: Sequence[Mapping[str, Any]]) -> Path:
    """A plan beside its volumes."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"benchmark_plan_{kind}_v{version}.json.gz"
    numbered = [{"task_ID": f"{number:02d}", **task} for number, task in enumerate(tasks, start=1)]
    plan = {"dataset_info": {"dataset": folder.name}, "tasks_number": len(tasks), "tasks": numbered}
    path.write_bytes(gzip.compress(json.dumps(plan).encode()))
    return path


def write_landmarks(path: Path, **slices: Any) -> None:
    """A landmark file; ``slices_z=[(index, points), ...]``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    listed = {
        f"slice_landmarks_{letter}": [
            {"slice_idx": index, "landmarks": points} for index, points in slices.get(f"slices_{letter}", [])
        ]
        for letter in "xyz"
    }
    path.write_bytes(gzip.compress(json.dumps(listed).encode()))


def write_hippocampus(real_data: Path, root: Path, count: int = 3) -> None:
    """``Hippo``: real volumes and masks with a plan of boxes; the last case is for testing."""
    folder = root / "Hippo"
    (folder / "Images").mkdir(parents=True)
    (folder / "Masks").mkdir()
    cases = []
    for image in sorted((real_data / "B_msd_hippocampus" / "imagesTr").glob("*.nii.gz"))[:count]:
        shutil.copy2(image, folder / "Images")
        shutil.copy2(image.parent.parent / "labelsTr" / image.name, folder / "Masks")
        case = case_of(folder, f"Images/{image.name}", f"Masks/{image.name}")
        labels, _ = stored(folder / "Masks" / image.name)
        cases.append(case | box_slices(labels, case["image_file_info"]["voxel_size"]))
    write_plan(folder, "detection", "1.0.0", [task_of(cases[:-1], cases[-1:])])
