"""What the tests of the file sources share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from tests.sources.medvision_plans import STEP, box_slices, case_of, task_of, write_plan

from medft_bm.core.records import Record
from medft_bm.sources import load_source


class Reading:
    """Records of a source with given options, and what it left out."""

    def __init__(self) -> None:
        self.skipped: list[tuple[str, str]] = []

    def __call__(self, name: str, root: Path, **options: object) -> list[Record]:
        source = load_source(name, options)
        return [record for unit in source.units(root) for record in source.records_of(root, unit, self._skip)]

    def _skip(self, what: str, why: str) -> None:
        self.skipped.append((what, why))


@pytest.fixture
def read() -> Reading:
    return Reading()


@pytest.fixture
def phantom(tmp_path):
    """Write image and mask, both given as arrays indexed [i, j, k] in LPS; the case of a plan comes back."""

    def write(mask: np.ndarray, name: str = "p1", dataset: str = "Toy", **more):
        folder = tmp_path / dataset
        values = np.random.default_rng(0).integers(0, 900, mask.shape).astype(np.int16)
        for kind, array in (("Images", values), ("Masks", mask)):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            volume = SimpleITK.GetImageFromArray(np.ascontiguousarray(array.T))
            volume.SetSpacing(STEP)
            SimpleITK.WriteImage(volume, str(folder / kind / f"{name}.nii.gz"))
        return case_of(folder, f"Images/{name}.nii.gz", f"Masks/{name}.nii.gz", **more)

    return write


@pytest.fixture
def labels() -> np.ndarray:
    """One structure of 12 x 14 voxels on slices 2 to 4, and one of two pieces on slice 5."""
    made = np.zeros((30, 40, 8), np.uint8)
    made[5:17, 20:34, 2:5] = 1
    made[3:15, 2:14, 5] = 2
    made[18:29, 22:39, 5] = 2
    return made


@pytest.fixture
def boxes_plan(phantom, labels, tmp_path):
    case = phantom(labels)
    write_plan(tmp_path / "Toy", "detection", "1.0.0", [task_of([case | box_slices(labels, STEP)])])
    return case


@pytest.fixture
def saved(tmp_path) -> Path:
    """A dataset with three splits on a disk, as ``save_to_disk`` writes it."""
    import datasets
    from tests.sources.small_datasets import table

    parts = {"train": table(4), "val": table(2, 4), "test": table(3, 6)}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "saved")
    return tmp_path
