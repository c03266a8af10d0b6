"""Phantoms made on the spot, with truth by construction, and read back through the same sources as real data."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from filelock import FileLock
from PIL import Image

from medft_bm.core.records import Record, Skip
from medft_bm.imaging.write import write_volume
from medft_bm.sources import phantom_images
from medft_bm.sources.base import Source
from medft_bm.sources.image_folder import ImageFolder
from medft_bm.sources.landmarks import LandmarkFile
from medft_bm.sources.nifti_masks import NiftiMasks
from medft_bm.sources.phantom_images import ENDS, GRADES, LABELS, Style


@dataclass(frozen=True)
class Phantom:
    """Synthetic data for demos and tests.

    Attributes:
        kind: CT-like ``volumes`` with masks, ``heads`` with landmarks, or ``textures`` in four classes.
        style: ``anatomy`` or plain ``shapes`` (see ``phantom_images.py``).
        subjects: how many patients to invent.
        images_per_subject: pictures each of them gets (heads and textures).
        max_bodies: bodies at most in a volume; with one there is nothing to tell apart.
        seed: another seed is another cohort.
    """

    name: ClassVar[str] = "phantom"
    summary: ClassVar[str] = "synthetic volumes, landmark images and textures with known truth"
    revision: ClassVar[int] = 1
    makes_its_data: ClassVar[bool] = True

    kind: Literal["volumes", "heads", "textures"]
    style: Style = "anatomy"
    subjects: int = 20
    images_per_subject: int = 4
    max_bodies: int = 3
    seed: int = 0

    def files(self, root: Path) -> Iterator[Path]:
        """None: the options say everything."""
        return iter(())

    def units(self, root: Path) -> Sequence[str]:
        """What the reader of the files finds; the files are written first unless they are there."""
        return self._reader().units(self._made(root))

    def records_of(self, root: Path, unit: str, skip: Skip) -> Iterator[Record]:
        """The records of one file, read back as real data would be."""
        made = self._made(root)
        for record in self._reader().records_of(made, unit, skip):
            image = replace(record.image, path=f"{made.name}/{record.image.path}")
            # Cohorts of other kinds and seeds are other people, and must not share a split by accident of naming.
            yield replace(record, image=image, subject=f"{made.name}/{record.subject}")

    def _made(self, root: Path) -> Path:
        made = root / self._folder()
        if not made.is_dir():
            root.mkdir(parents=True, exist_ok=True)
            with FileLock(root / f".{made.name}.lock"):
                if not made.is_dir():
                    self._make(made)
        return made

    def _folder(self) -> str:
        facts = json.dumps([self.revision, asdict(self)], sort_keys=True)
        return f"phantom-{self.kind}-{hashlib.sha256(facts.encode()).hexdigest()[:8]}"

    def _make(self, made: Path) -> None:
        draft = made.with_name(f".{made.name}.draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        write = {"volumes": self._volumes, "heads": self._heads, "textures": self._textures}[self.kind]
        write(draft)
        draft.rename(made)

    def _random(self, subject: int) -> np.random.Generator:
        kind = ("volumes", "heads", "textures").index(self.kind)
        return np.random.default_rng([self.seed, kind, int(self.style == "shapes"), subject])

    def _volumes(self, folder: Path) -> None:
        for subject in range(self.subjects):
            made = phantom_images.volume(self.style, self._random(subject), self.max_bodies)
            place = folder / f"P{subject:05d}"
            place.mkdir()
            write_volume(place / "image.nii.gz", made.hu, made.geometry)
            write_volume(place / "mask.nii.gz", made.labels, made.geometry)

    def _heads(self, folder: Path) -> None:
        (folder / "images").mkdir()
        listed = []
        for subject in range(self.subjects):
            rng = self._random(subject)
            for number in range(self.images_per_subject):
                made = phantom_images.head(self.style, rng)
                name = f"P{subject:05d}_{number}.png"
                Image.fromarray(made.image).save(folder / "images" / name)
                points = {end: [x, y] for end, (y, x) in made.ends.items()}
                listed.append(
                    {
                        "image": f"images/{name}",
                        "subject": f"P{subject:05d}",
                        "spacing": list(made.spacing_yx),
                        "points": points,
                    }
                )
        (folder / "landmarks.json").write_text(json.dumps(listed), encoding="utf-8")

    def _textures(self, folder: Path) -> None:
        for name in GRADES:
            (folder / name).mkdir()
        for subject in range(self.subjects):
            rng = self._random(subject)
            stain = np.array([rng.uniform(0.35, 0.6), rng.uniform(0.1, 0.35), rng.uniform(0.45, 0.7)])
            for number in range(self.images_per_subject):
                class_id = int(rng.integers(4))
                tile = phantom_images.texture(self.style, class_id, stain, rng)
                place = folder / GRADES[class_id] / f"P{subject:05d}_{number}.png"
                Image.fromarray(tile).save(place)

    def _reader(self) -> Source:
        if self.kind == "volumes":
            return NiftiMasks(
                images="*/image.nii.gz",
                masks="{folder}/mask.nii.gz",
                labels=LABELS[self.style],
                modality="CT",
                anatomy="abdomen phantom" if self.style == "anatomy" else "test object",
                window="ct_soft_tissue",
                subject=r"^(P\d+)/",
            )
        if self.kind == "heads":
            front, back, left, right = ENDS[self.style]
            return LandmarkFile(
                file="landmarks.json",
                image_field="image",
                points_field="points",
                point_origin="corner",
                pixel_size_field="spacing",
                subject_field="subject",
                distances=((front, back), (left, right)),
                modality="ultrasound",
                anatomy="head phantom" if self.style == "anatomy" else "test object",
            )
        return ImageFolder(classes=GRADES, subject=r"(P\d+)_", modality="histology")
