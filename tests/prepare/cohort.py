"""A few volumes with masks to break in one way each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medft_bm.config.schema import Data, Prepare
from medft_bm.core.volume import VolumeGeometry
from medft_bm.imaging.write import write_volume
from medft_bm.prepare.verify import Report, verify

SHAPE = (20, 26, 9)
SPACING = (0.7, 1.1, 3.0)
LPS = np.diag([-SPACING[0], -SPACING[1], SPACING[2], 1.0])
LABELS = {1: "liver", 2: "kidney"}


@dataclass
class Cohort:
    """Four CT-like volumes with masks in ``raw``; every patient has both labels, on slices 2 to 5."""

    folder: Path

    @property
    def raw(self) -> Path:
        return self.folder / "raw"

    def image(self, number: int) -> np.ndarray:
        hu = np.random.default_rng(number).integers(-1000, 900, SHAPE).astype(np.int16)
        return np.asfortranarray(hu)

    def mask(self) -> np.ndarray:
        labels = np.zeros(SHAPE, np.uint8)
        labels[3:9, 4:16, 2:6] = 1
        labels[12:17, 5:9, 2:6] = 2
        return labels

    def write(self, patient: str, image: np.ndarray, mask: np.ndarray, affine=LPS, mask_affine=None) -> None:
        place = self.raw / patient
        place.mkdir(parents=True, exist_ok=True)
        write_volume(place / "image.nii.gz", image, VolumeGeometry(image.shape, affine))
        write_volume(
            place / "mask.nii.gz", mask, VolumeGeometry(mask.shape, affine if mask_affine is None else mask_affine)
        )

    def part(self, **changes) -> dict:
        options = {
            "images": "*/image.nii.gz",
            "masks": "{folder}/mask.nii.gz",
            "labels": LABELS,
            "modality": "CT",
            "window": "ct_soft_tissue",
            "subject": r"^(P\d)",
            **changes.pop("options", {}),
        }
        return {"name": "organs", "task": "detection", "source": "nifti_masks", "source_options": options, **changes}

    def data(self, *parts: dict) -> Data:
        return Data.model_validate(
            {"root": self.raw, "cache": self.folder / "cache", "mix": list(parts) or [self.part()]}
        )

    def verify(self, *parts: dict, workers: int = 1) -> Report:
        return verify(self.data(*parts), Prepare(workers=workers))


def short(report: Report) -> list[tuple[str, str, str]]:
    return [(finding.level, finding.kind, finding.file) for finding in report.findings]
