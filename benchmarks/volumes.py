"""Synthetic volumes and the plan files that say what is asked about them."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

VERSION = "1.1.1"
LABELS = {1: "liver", 2: "tumor"}
TRAIN_SHARE = 0.7
WAVES = 6
CONTRAST = 0.06


@dataclass(frozen=True)
class Kind:
    """One kind of volume: a smooth body with noise in front of a plain background.

    Attributes:
        name: folder of its volumes.
        modality: as plan files spell it.
        shape: voxels along i, j, k.
        spacing: mm along i, j, k.
        levels: stored value of background, tissue and bone.
        noise: standard deviation in background and tissue.
        body: semi-axes of the body as fractions of half the shape; infinite fills it.
        count: how many volumes.
    """

    name: str
    modality: str
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    levels: tuple[float, float, float]
    noise: tuple[float, float]
    body: tuple[float, float, float]
    count: int


@dataclass(frozen=True)
class Dataset:
    """Questions about every volume of one kind.

    Attributes:
        name: folder of its plan files.
        kind: of its volumes.
        per_volume: questions of each sort per volume, two per slice.
    """

    name: str
    kind: Kind
    per_volume: int

    @property
    def samples(self) -> int:
        """Questions of one sort over all volumes."""
        return self.kind.count * self.per_volume


def make(folder: Path, datasets: Sequence[Dataset], processes: int) -> None:
    """Write what is not there yet: ``volumes/<kind>`` and, linking to it, ``data/<dataset>`` with its plan files.

    Other processes do the work: what this one allocates would be counted as the memory of every child it starts.
    """
    kinds = {dataset.kind.name: dataset.kind for dataset in datasets}
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        work = [
            pool.submit(write_volume, kind, number, volume_path(folder, kind, number))
            for kind in kinds.values()
            for number in range(kind.count)
        ]
        work += [pool.submit(write_plans, dataset, folder) for dataset in datasets]
        for done in work:
            done.result()


def volume_path(folder: Path, kind: Kind, number: int) -> Path:
    """Where a volume is."""
    return folder / "volumes" / kind.name / f"{kind.name}_{number:04d}.nii.gz"


def write_volume(kind: Kind, number: int, path: Path) -> None:
    """Write one volume unless it exists: int16, RAS, zlib level 1 (what NiBabel does)."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}")
    with gzip.open(draft, "wb", compresslevel=1) as file:
        file.write(_header(kind))
        for k in range(kind.shape[2]):
            file.write(_slice(kind, number, k).tobytes("F"))
    draft.rename(path)


def _header(kind: Kind) -> bytes:
    head = bytearray(352)
    struct.pack_into("<i", head, 0, 348)
    struct.pack_into("<8h", head, 40, 3, *kind.shape, 1, 1, 1, 1)
    struct.pack_into("<2h", head, 70, 4, 16)  # int16
    struct.pack_into("<4f", head, 76, 1.0, *kind.spacing)
    struct.pack_into("<3f", head, 108, 352.0, 1.0, 0.0)
    struct.pack_into("<B", head, 123, 2)  # mm
    struct.pack_into("<h", head, 254, 1)
    for axis, step in enumerate(kind.spacing):
        struct.pack_into("<f", head, 280 + 20 * axis, step)
    struct.pack_into("<4s", head, 344, b"n+1\0")
    return bytes(head)


def _slice(kind: Kind, number: int, k: int) -> NDArray[np.int16]:
    """One axial slice ``[i, j]``; patients differ as much as real ones do, and every slice has its own noise."""
    patient = np.random.default_rng(number)
    i, j = np.ogrid[-1 : 1 : kind.shape[0] * 1j, -1 : 1 : kind.shape[1] * 1j]
    height = 2 * k / (kind.shape[2] - 1) - 1
    background, tissue, bone = kind.levels
    a, b, c, phase = patient.uniform(-7, 7, (4, WAVES))
    down, across = i * a, j.T * b + (c * height + phase)
    waves = np.cos(down) @ np.cos(across).T - np.sin(down) @ np.sin(across).T  # sums of cos(down + across)
    smooth = tissue + CONTRAST * (bone - background) * waves
    a, b, c = kind.body * patient.uniform(0.92, 1.08, 3)
    inside = (i / a) ** 2 + (j / b) ** 2 + (height / c) ** 2 < 1
    smooth = np.where(i**2 + (j - 0.35) ** 2 < 0.012, bone, smooth)
    grain = np.random.default_rng([number, k]).standard_normal(kind.shape[:2], np.float32)
    shown = np.where(inside, smooth + kind.noise[1] * grain, background + kind.noise[0] * grain)
    return np.rint(shown).astype(np.int16)


def write_plans(dataset: Dataset, folder: Path) -> None:
    """Plan files of MedVision's form (detection and lesion axes) beside a link to the volumes."""
    home = folder / "data" / dataset.name
    home.mkdir(parents=True, exist_ok=True)
    link = home / "Images"
    link.unlink(missing_ok=True)
    link.symlink_to(Path("..", "..", "volumes", dataset.kind.name))
    wanted = [sorted(questions(dataset, number)) for number in range(dataset.kind.count)]
    _write_plan(home, "detection", [_task(dataset, wanted, None)])
    _write_plan(home, "biometry", [_task(dataset, wanted, label) for label in LABELS])


def questions(dataset: Dataset, number: int) -> list[int]:
    """Slices of one volume that are asked about, anywhere along its axis."""
    rng = np.random.default_rng([dataset.per_volume, number])
    depth = dataset.kind.shape[2]
    return [int(k) for k in rng.choice(depth, dataset.per_volume // len(LABELS), replace=False)]


def _write_plan(home: Path, sort: str, tasks: list[dict[str, Any]]) -> None:
    about = {"dataset": home.name, "dataset_website": "", "dataset_data": [], "license": [], "paper": []}
    numbered = [{"task_ID": f"{number:02d}", "task_type": sort, **task} for number, task in enumerate(tasks, start=1)]
    plan = {"dataset_info": about, "tasks_number": len(tasks), "tasks": numbered}
    with gzip.open(home / f"benchmark_plan_{sort}_v{VERSION}.json.gz", "wt", compresslevel=1) as file:
        json.dump(plan, file)


def _task(dataset: Dataset, wanted: Sequence[Sequence[int]], target: int | None) -> dict[str, Any]:
    """One task of a plan: boxes of every label, or axes of one."""
    train = round(TRAIN_SHARE * len(wanted))
    cases = [_case(dataset, number, slices, target) for number, slices in enumerate(wanted)]
    about: dict[str, Any] = {
        "image_modality": dataset.kind.modality,
        "image_description": "abdominal computed tomography (CT) scan",
        "image_folder": "Images",
        "mask_folder": "Masks",
        "image_prefix": "",
        "image_suffix": ".nii.gz",
        "mask_prefix": "",
        "mask_suffix": ".nii.gz",
        "labels_map": {str(label): name for label, name in LABELS.items()},
        "train_cases_number": train,
        "test_cases_number": len(cases) - train,
        "train_cases": cases[:train],
        "test_cases": cases[train:],
    }
    return about if target is None else {**about, **_axes_maps(target)}


def _axes_maps(target: int) -> dict[str, Any]:
    ends = {f"P{point}": f"end {point}" for point in range(1, 5)}
    lines = {
        key: {"name": name, "element_keys": list(points), "element_map_name": "landmarks_map"}
        for key, name, points in (("L-1-2", "major axis", ("P1", "P2")), ("L-3-4", "minor axis", ("P3", "P4")))
    }
    return {
        "target_label": target,
        "cluster_size_threshold": 20,
        "landmarks_map": ends,
        "lines_map": lines,
        "angles_map": {},
        "biometrics_map": [{"metric_type": "distance", "metric_map_name": "lines_map", "metric_key": k} for k in lines],
    }


def _case(dataset: Dataset, number: int, slices: Sequence[int], target: int | None) -> dict[str, Any]:
    kind, name = dataset.kind, volume_path(Path(), dataset.kind, number).name
    affine = [[step if row == axis else 0.0 for axis in range(3)] + [0.0] for row, step in enumerate(kind.spacing)]
    grid = {
        "voxel_size": [round(step, 3) for step in kind.spacing],
        "affine": [*affine, [0.0, 0.0, 0.0, 1.0]],
        "orientation": ["R", "A", "S"],
        "array_size": list(kind.shape),
    }
    files = {"image_file": name, "mask_file": name, "image_file_info": grid, "mask_file_info": grid}
    profiles = [_profile(kind, number, k, target) for k in slices]
    return {
        "case_ID": f"{number:04d}",
        **files,
        "slice_profiles_x": [],
        "slice_profiles_y": [],
        "slice_profiles_z": profiles,
    }


def _profile(kind: Kind, number: int, k: int, target: int | None) -> dict[str, Any]:
    boxes = dict(_boxes(kind, number, k))
    if target is None:
        return {"slice_idx": k, "slice_profile": [_box(kind, label, *box) for label, box in boxes.items()]}
    (i0, j0), (i1, j1) = boxes[target]
    sides = sorted(((i1 - i0) * kind.spacing[0], (j1 - j0) * kind.spacing[1]), reverse=True)
    about = {"metric_type": "distance", "metric_map_name": "lines_map", "metric_unit": "mm", "slice_dim": 2}
    axes = [{**about, "metric_key": key, "metric_value": mm} for key, mm in zip(("L-1-2", "L-3-4"), sides, strict=True)]
    return {"slice_idx": k, "slice_profile": [axes], "n_total_clusters": 1}


def _boxes(kind: Kind, number: int, k: int) -> Iterator[tuple[int, tuple[tuple[int, int], tuple[int, int]]]]:
    """One box per label as inclusive corners, at least 12 pixels per side."""
    rng = np.random.default_rng([number, k, 1])
    for label in LABELS:
        sides = rng.integers(12, [n // 2 + 1 for n in kind.shape[:2]])
        low = rng.integers(0, np.array(kind.shape[:2]) - sides)
        high = low + sides - 1
        yield label, ((int(low[0]), int(low[1])), (int(high[0]), int(high[1])))


def _box(kind: Kind, label: int, low: tuple[int, int], high: tuple[int, int]) -> dict[str, Any]:
    sides = [b - a + 1 for a, b in zip(low, high, strict=True)]
    box = {
        "min_coords": list(low),
        "max_coords": list(high),
        "center_coords": [(a + b) // 2 for a, b in zip(low, high, strict=True)],
        "dimensions": sides,
        "sizes": [n * step for n, step in zip(sides, kind.spacing, strict=False)],
        "mask_image_ratio": sides[0] * sides[1] / (kind.shape[0] * kind.shape[1]),
    }
    return {"label": label, "bboxes": [box]}
