"""MedVision benchmark plans beside their volumes: boxes, lesion axes and landmarks, read without a loading script."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.geometry import Spacing
from medft_bm.core.records import Annotation, ClassLabel, Landmarks, Record, Skip
from medft_bm.core.types import ImageRef, Split
from medft_bm.core.volume import VolumeGeometry
from medft_bm.imaging.read import read_geometry
from medft_bm.imaging.slices import safe_path
from medft_bm.imaging.windows import Window
from medft_bm.sources.files import checked_regex, filled, stem, stored_in, subject_of
from medft_bm.sources.medvision_names import Kind, TaskName, parse_names
from medft_bm.sources.medvision_plans import Job, find_jobs, plan_path, read_json, understood
from medft_bm.sources.medvision_slices import Found, Unit, axes, boxes, landmarks

PRESET = "medvision-v1.0.0"
"""The preset, and the tag that tells tasks what their samples were made with."""

_READ: dict[Kind, Callable[[Unit, Job], Found]] = {"boxes": boxes, "axes": axes, "landmarks": landmarks}
_WHERE = "source medvision"
_ROUNDING = 0.01  # the plan rounds affines to three decimals
_SPELLING = {"X Ray": "X-ray"}


@dataclass(frozen=True)
class MedVision:
    """Configurations of MedVision, from the folder that holds its datasets.

    Attributes:
        version: of the annotations, like ``1.0.0``; the plans of that version must be there.
        tasks: names of configurations: one, a list, or a mapping whose keys they are.
        task_list: path under the root of a JSON file with the same, instead of ``tasks``.
        preset: ``corrected``, or frame, filters and values exactly as published with 1.0.0 (see
            ``docs/medvision.md``).
        official_split: ``keep`` the plan's training and test cases, which were drawn file by file, or ``ignore`` them
            so that subjects are split like those of any other source.
        subject: regular expression with one group, searched in the image's relative path; empty takes the dataset and
            the stem.
        window: intensity window; left out, ``percentile``, and with the preset ``min_max``, which it needs.
    """

    name: ClassVar[str] = "medvision"
    summary: ClassVar[str] = "MedVision benchmark plans with their volumes: boxes, lesion axes, landmarks"
    revision: ClassVar[int] = 2
    makes_its_data: ClassVar[bool] = False

    version: str
    tasks: str | tuple[str, ...] | Mapping[str, Any] = field(default=(), hash=False)
    task_list: str = ""
    preset: Literal["corrected", "medvision-v1.0.0"] = "corrected"
    official_split: Literal["keep", "ignore"] = "keep"
    subject: str = ""
    window: Window | None = None

    def __post_init__(self) -> None:
        checked_regex(self.subject, _WHERE)
        if not re.fullmatch(r"\d+\.\d+\.\d+", self.version):
            what = f"version: {self.version!r} is not a version of the annotations"
            raise ConfigError(what, where=_WHERE, fix="for example version: 1.0.0")
        if bool(self.tasks) == bool(self.task_list):
            raise ConfigError("tasks: give either tasks or task_list", where=_WHERE, fix="for example tasks: [...]")
        if self.tasks:
            parse_names(_listed(self.tasks), _WHERE)
        if self._published and (self.version != "1.0.0" or self.window not in (None, "min_max")):
            what = f"preset: {PRESET} goes with version 1.0.0 and the window min_max"
            raise ConfigError(what, where=_WHERE, fix="leave out the window and set version: 1.0.0, or drop the preset")

    @property
    def _published(self) -> bool:
        return self.preset == PRESET

    def files(self, root: Path) -> Iterator[Path]:
        """Task list, plans, every image, landmarks, and masks where lesion axes come from them."""
        if self.task_list:
            yield safe_path(root, self.task_list)
        yield from sorted({plan for plan, _ in self._plans(root)})
        for image, jobs in self._jobs(root).items():
            others = set()
            for job in jobs:
                with understood(job.where):
                    others |= {job.path(kind) for kind in self._kinds_read(job)}
            for path in (image, *sorted(others)):
                yield from stored_in(safe_path(root, path))

    def units(self, root: Path) -> list[str]:
        """Relative paths of the images, sorted.

        Raises:
            ConfigError: an unknown dataset or task.
            DataError: no plan of the version, a damaged one, or a path that leads out of the root.
        """
        return list(self._jobs(root))

    def records_of(self, root: Path, unit: str, skip: Skip) -> Iterator[Record]:
        """One record per annotated slice, by axis and index, with everything the configurations say of it.

        Raises:
            DataError: the image is missing or another than the plan was made from, or the plan contradicts itself.
        """
        return self.records_from(self._jobs(root)[unit], root, unit, skip)

    def shares(self, root: Path, units: Sequence[str]) -> list[tuple[Job, ...]]:
        """What the plans say of each image."""
        jobs = self._jobs(root)
        return [jobs[unit] for unit in units]

    def records_from(self, share: tuple[Job, ...], root: Path, unit: str, skip: Skip) -> Iterator[Record]:
        """The same as :meth:`records_of`, without reading the plans."""
        geometry = read_geometry(safe_path(root, unit))
        version = tuple(map(int, self.version.split(".")))
        reading = Unit(root, unit, geometry, self._published, version, skip)
        split = self._split(share)
        for axis in sorted({job.name.axis for job in share}):
            here = [job for job in share if job.name.axis == axis]
            shown: dict[int, list[Annotation]] = defaultdict(list)
            for index, found in _found(reading, here):
                shown[index] += found
            yield from self._records(reading, here[0], shown, split)

    def _names(self, root: Path) -> tuple[TaskName, ...]:
        if not self.task_list:
            return parse_names(_listed(self.tasks), _WHERE)
        path = safe_path(root, self.task_list)
        names = read_json(path)
        if not isinstance(names, (str, list, dict)) or not all(isinstance(name, str) for name in names):
            what = "the task list must be a name, a list of names or an object with names as keys"
            raise DataError(what, where=str(path), fix="correct the file, or use the option `tasks`")
        return parse_names(_listed(names), str(path))

    def _plans(self, root: Path) -> tuple[tuple[Path, int], ...]:
        """Plan and modification time for each configuration."""
        paths = [plan_path(root, name, self.version) for name in self._names(root)]
        return tuple((path, path.stat().st_mtime_ns) for path in paths)

    def _jobs(self, root: Path) -> dict[str, tuple[Job, ...]]:
        return find_jobs(self._names(root), self._plans(root))

    def _kinds_read(self, job: Job) -> tuple[str, ...]:
        if job.name.kind == "boxes" or (job.name.kind == "axes" and self._published):
            return ()
        if job.name.kind == "landmarks":
            return ("landmark",)
        if self.version in ("1.0.0", "1.1.0"):
            return ("mask",)
        return ("landmark",) if job.case.get("landmark_file") else ()

    def _split(self, jobs: tuple[Job, ...]) -> Split | None:
        if self.official_split == "ignore":
            return None
        splits = {job.split: job for job in jobs}
        if len(splits) > 1:
            raise DataError(
                "the image is a training case of one task and a test case of another",
                where=" and ".join(job.where for job in splits.values()),
                fix="set official_split: ignore to split anew, or put the tasks into separate mixes",
            )
        return jobs[0].split

    def _records(
        self, unit: Unit, job: Job, shown: Mapping[int, list[Annotation]], split: Split | None
    ) -> Iterator[Record]:
        axis, image = job.name.axis, unit.image
        layout = unit.layout(axis)
        size, spacing = unit.geometry.slice_size(layout), unit.geometry.slice_spacing(layout)
        if self._published:
            with understood(job.where):
                rounded = job.case["image_file_info"]["voxel_size"]
                spacing = Spacing(float(rounded[layout.rows]), float(rounded[layout.columns]))
        subject = subject_of(self.subject, image, f"{job.name.dataset}/{stem(image)}")
        window = self.window or ("min_max" if self._published else "percentile")
        tags = self._tags(unit.geometry, job)
        for index in sorted(shown):
            ref = ImageRef(image, axis, index, unit.frame, window)
            yield Record(subject, ref, size, spacing, tuple(shown[index]), tags, split)

    def _tags(self, geometry: VolumeGeometry, job: Job) -> dict[str, str]:
        modality = str(job.facts.get("image_modality") or "")
        tags = {
            "modality": _SPELLING.get(modality, modality),
            "plane": job.name.plane if self._published else geometry.plane_of(job.name.axis),
            "dataset": job.name.dataset,
            "description": str(job.facts.get("image_description") or ""),
            "preset": PRESET if self._published else "",
        }
        return filled(tags)


def _listed(tasks: str | tuple[str, ...] | list[str] | Mapping[str, Any]) -> tuple[str, ...]:
    return (tasks,) if isinstance(tasks, str) else tuple(tasks)


def _found(unit: Unit, jobs: list[Job]) -> Found:
    """What the jobs on one axis say, each question asked by one of them alone."""
    owners: dict[tuple[int, object], Job] = {}
    slices = range(unit.geometry.shape_ijk[jobs[0].name.axis])
    for job in jobs:
        if not job.slices:
            unit.skip(f"{unit.image} ({job.name.plane})", "no annotated slice in this plane")
        with understood(job.where):
            _require_same_volume(unit.geometry, job)
            for index, found in _READ[job.name.kind](unit, job):
                if type(index) is not int or index not in slices:
                    raise ValueError(f"there is no slice {index!r} along this axis")
                for asked in _asked(found) if len(jobs) > 1 else ():
                    if owners.setdefault((index, asked), job) is not job:
                        raise _asked_twice(asked, job, owners[index, asked])
                yield index, found


def _asked(found: list[Annotation]) -> Iterator[object]:
    """What tells one question about a slice from another."""
    for annotation in found:
        if isinstance(annotation, Landmarks):
            yield from (*annotation.distances, *annotation.angles)
        elif not isinstance(annotation, ClassLabel):
            yield annotation.label


def _asked_twice(asked: object, job: Job, other: Job) -> ConfigError:
    names = [f"{one.name.annotation} Task{one.name.number:02d} ({', '.join(one.name.splits)})" for one in (other, job)]
    return ConfigError(
        f"tasks: {' and '.join(names)} both ask about {asked!r}",
        where=job.where,
        fix="name one of the two, or put them into parts of their own",
    )


def _require_same_volume(geometry: VolumeGeometry, job: Job) -> None:
    """The plan's indices mean nothing on another volume, and are mirrored on one that was turned."""
    stated = job.case["image_file_info"]
    if tuple(stated["array_size"]) != geometry.shape_ijk:
        differs = f"shape {list(geometry.shape_ijk)}, the plan says {stated['array_size']}"
    elif "affine" in stated and not _close(stated["affine"], geometry.ras_from_ijk.tolist()):
        differs = f"affine {geometry.ras_from_ijk[:3].round(3).tolist()}, the plan says {stated['affine'][:3]}"
    else:
        return
    fix = "use the volume that the plan was made from, as MedVision stores it"
    raise DataError(f"the image is not the plan's: {differs}", where=job.where, fix=fix)


def _close(rows: list[list[float]], others: list[list[float]]) -> bool:
    return all(
        abs(a - b) <= _ROUNDING
        for row, other in zip(rows, others, strict=True)
        for a, b in zip(row, other, strict=True)
    )
