"""Annotations of MedVision's slices, in pixels of the slice as it is shown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from medft_bm.core.ellipse import LesionAxes, axes_mm
from medft_bm.core.errors import DataError
from medft_bm.core.geometry import Box
from medft_bm.core.records import Annotation, AxesLabel, BoxLabel, Landmarks, Lines, Region, Skip, Stated
from medft_bm.core.volume import Frame, SliceLayout, VolumeGeometry
from medft_bm.imaging.read import Volume, read_volume
from medft_bm.imaging.slices import safe_path, slice_array
from medft_bm.sources.medvision_plans import Job, read_json, understood

Found: TypeAlias = Iterator[tuple[int, list[Annotation]]]
"""Index of a slice and what is annotated on it."""

MIN_SIDE_PX = 10
"""Shortest side of a box that was published, counted in pixels."""


@dataclass
class Unit:
    """One image with what belongs to it, each file read once.

    Attributes:
        root: folder that paths are relative to.
        image: relative path.
        geometry: of the image.
        published: filters, frame and values as published with 1.0.0, instead of corrected.
        version: of the annotations.
        skip: told of everything that is left out.
    """

    root: Path
    image: str
    geometry: VolumeGeometry
    published: bool
    version: tuple[int, ...]
    skip: Skip
    _layouts: dict[int, SliceLayout] = field(default_factory=dict)
    _masks: dict[str, Volume] = field(default_factory=dict)
    _landmarks: dict[Path, Any] = field(default_factory=dict)

    @property
    def frame(self) -> Frame:
        """How slices are laid out."""
        return "stored" if self.published else "display"

    def layout(self, axis: int) -> SliceLayout:
        """How slices along an axis are laid out."""
        if axis not in self._layouts:
            self._layouts[axis] = self.geometry.layout(axis, self.frame)
        return self._layouts[axis]

    def leave_out(self, job: Job, index: int, label: str, why: str) -> None:
        """Say what is left out."""
        self.skip(f"{self.image}[axis {job.name.axis}, slice {index}] {label}", why)

    def mask(self, job: Job) -> Volume:
        """The mask, on the image's grid.

        Raises:
            DataError: it is not, or it cannot be read.
        """
        relative = job.path("mask")
        if relative not in self._masks:
            mask = read_volume(safe_path(self.root, relative))
            if not mask.geometry.matches(self.geometry):
                fix = "fetch both again; masks share the shape and the affine of their image"
                raise DataError(f"image and mask {relative} are not on one grid", where=job.where, fix=fix)
            self._masks[relative] = mask
        return self._masks[relative]

    def landmarks(self, job: Job) -> dict[int, list[Mapping[str, Any]]]:
        """Sets of points by index of the slice along the job's axis.

        Raises:
            DataError: the file cannot be read.
        """
        path = safe_path(self.root, job.path("landmark"))
        if path not in self._landmarks:
            self._landmarks[path] = read_json(path)
        found: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
        with understood(str(path)):
            for entry in self._landmarks[path][f"slice_landmarks_{'xyz'[job.name.axis]}"]:
                points = entry["landmarks"]
                found[entry["slice_idx"]] += points if isinstance(points, list) else [points]
        return found

    def ends(self, job: Job, ijk: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
        """Points of voxel indices on the slice as shown, continuous pixels (y, x), corner origin."""
        points = self.geometry.slice_points(self.layout(job.name.axis), np.array(ijk, np.float64).reshape(-1, 3))
        return [(float(y), float(x)) for y, x in points]


def boxes(unit: Unit, job: Job) -> Found:
    """Every box of every label.

    The plan states the first and last pixel of a box. Corrected, the box covers both whole; as published, its edges are
    the two indices themselves, one pixel short.
    """
    layout = unit.layout(job.name.axis)
    h, w = unit.geometry.shape_ijk[layout.rows], unit.geometry.shape_ijk[layout.columns]
    turned, beyond, names = layout.rows > layout.columns, 0 if unit.published else 1, _names(job)
    for entry in job.slices:
        index, labelled = entry["slice_idx"], list[Annotation]()
        for item in entry["slice_profile"]:
            label, found = names.get(item["label"]), item["bboxes"]
            if label is None:
                raise ValueError(f"the label {item['label']!r} is not in its labels_map")
            why = _unpublished(found) if unit.published else ""
            if why:
                unit.leave_out(job, index, label, why)
                continue
            for y0, x0, y1, x1 in found:
                if turned:
                    y0, x0, y1, x1 = x0, y0, x1, y1
                if not (0 <= y0 <= y1 < h and 0 <= x0 <= x1 < w):
                    raise ValueError(f"a box of {label} on slice {index} is not on the image")
                y1, x1 = y1 + beyond, x1 + beyond
                if layout.flip_rows:
                    y0, y1 = h - y1, h - y0
                if layout.flip_columns:
                    x0, x1 = w - x1, w - x0
                labelled.append(BoxLabel(label, Box(float(y0), float(x0), float(y1), float(x1))))
        if labelled:
            yield index, labelled


def _names(job: Job) -> dict[Any, str]:
    """Name of each label, whatever type the plan writes its number in."""
    names = job.facts["labels_map"]
    return {**names, **{int(number): name for number, name in names.items()}}


def _unpublished(found: Sequence[Sequence[int]]) -> str:
    if len(found) > 1:
        return "several boxes of one label on one slice, as the preset drops"
    (y0, x0, y1, x1) = found[0]
    if min(y1 - y0, x1 - x0) + 1 < MIN_SIDE_PX:
        return f"box side under {MIN_SIDE_PX} pixels, as the preset drops"
    return ""


def axes(unit: Unit, job: Job) -> Found:
    """Axes of every lesion as stated, or its mask where what is stated is wrong.

    Before 1.1.1 the published ellipses were fitted with the two in-plane spacings swapped.
    """
    label = _names(job)[job.facts["target_label"]]
    for entry in job.slices:
        index, lesions = entry["slice_idx"], entry["slice_profile"]
        if not lesions:
            unit.leave_out(job, index, label, "no lesion was measured")
        elif unit.published and len(lesions) > 1:
            unit.leave_out(job, index, label, "several ellipses on one slice, as the preset drops")
        elif unit.published:
            yield index, [AxesLabel(label, *_stated_mm(lesions[0]))]
        elif unit.version < (1, 1, 1):
            yield from _masked(unit, job, index, label)
        elif entry.get("n_total_clusters", len(lesions)) > len(lesions):
            unit.leave_out(job, index, label, "pieces on the slice that were not measured")
        else:
            yield from _measured(unit, job, index, label, lesions)


def _stated_mm(lesion: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    lengths = {axis["metric_key"]: float(axis["metric_value"]) for axis in lesion}
    return lengths["L-1-2"], lengths["L-3-4"]


def _masked(unit: Unit, job: Job, index: int, label: str) -> Found:
    shown = slice_array(unit.mask(job), job.name.axis, index)
    area = np.ascontiguousarray(shown == int(job.facts["target_label"]))
    if area.any():
        yield index, [Region(label, area)]
    else:
        unit.leave_out(job, index, label, "the mask does not show it")


def _measured(unit: Unit, job: Job, index: int, label: str, lesions: Sequence[Any]) -> Found:
    """Stated axes, with their end points where there is a landmark file and it agrees with what is stated."""
    drawn: Sequence[Mapping[str, Any]] = []
    if job.case.get("landmark_file") and safe_path(unit.root, job.path("landmark")).is_file():
        drawn = unit.landmarks(job).get(index, [])
    measured: list[Annotation] = []
    for number, lesion in enumerate(lesions):
        stated, ends = _stated_mm(lesion), None
        if len(drawn) == len(lesions):
            a, b, c, d = unit.ends(job, [drawn[number][f"P{k}"] for k in (1, 2, 3, 4)])
            ends = LesionAxes((a, b), (c, d))
            spacing = unit.geometry.slice_spacing(unit.layout(job.name.axis))
            apart = max(abs(x - y) for x, y in zip(stated, axes_mm(ends, spacing), strict=True))
            # Each end was rounded to a whole voxel.
            if apart > np.hypot(spacing.y, spacing.x):
                unit.leave_out(job, index, label, "the end points contradict the stated lengths")
                continue
        measured.append(AxesLabel(label, *stated, ends))
    if measured:
        yield index, measured


def landmarks(unit: Unit, job: Job) -> Found:
    """What is measured between landmarks, on every slice: by points alone, or as published with the stated values."""
    sets, named = unit.landmarks(job), _point_names(job)
    for entry in job.slices:
        index = entry["slice_idx"]
        points = {key: ijk for group in sets.get(index, []) for key, ijk in group.items()}
        measured: dict[Lines, Stated] = {}
        used: dict[str, Sequence[float]] = {}
        for metric in entry["slice_profile"]:
            if metric["metric_type"] not in job.name.metrics:
                continue
            lines, name = _lines(job, metric)
            keys = [key for line in lines for key in line]
            why = _unusable(unit, job, index, [points.get(key) for key in keys])
            if why:
                unit.leave_out(job, index, metric["metric_key"], why)
                continue
            used |= {named[key]: points[key] for key in keys}
            told = tuple((named[a], named[b]) for a, b in lines)
            measured[told] = Stated(float(metric["metric_value"]), name, str(metric["metric_key"]))
        if measured:
            yield index, [_marks(unit, job, used, measured)]


def _marks(unit: Unit, job: Job, used: Mapping[str, Sequence[float]], measured: Mapping[Lines, Stated]) -> Landmarks:
    return Landmarks(
        points=dict(zip(used, unit.ends(job, list(used.values())), strict=True)),
        distances=tuple(lines[0] for lines in measured if len(lines) == 1),
        angles=tuple((lines[0], lines[1]) for lines in measured if len(lines) == 2),
        stated=measured if unit.published else {},
    )


def _point_names(job: Job) -> dict[str, str]:
    """What a question calls each point; the key is added where two are described alike."""
    said = {key: str(text) or key for key, text in job.facts["landmarks_map"].items()}
    alike = list(said.values())
    return {key: text if alike.count(text) == 1 else f"{text} ({key})" for key, text in said.items()}


def _lines(job: Job, metric: Mapping[str, Any]) -> tuple[Lines, str]:
    """Keys of the points of one or two lines, and what the measurement is called."""
    entry = job.facts[metric["metric_map_name"]][metric["metric_key"]]
    if metric["metric_type"] == "distance":
        ends = [entry["element_keys"]]
    else:
        known = job.facts[entry["element_map_name"]]
        ends = [known[key]["element_keys"] for key in entry["element_keys"]]
    return tuple((a, b) for a, b in ends), entry.get("name") or ""


def _unusable(unit: Unit, job: Job, index: int, points: Sequence[Sequence[float] | None]) -> str:
    """Why these points cannot be measured between on this slice; empty when they can."""
    shape, axis = unit.geometry.shape_ijk, job.name.axis
    for point in points:
        if point is None:
            return "a landmark is missing"
        if not all(-0.5 <= at <= n - 0.5 for at, n in zip(point, shape, strict=True)):
            return "a landmark is outside the image"
        if not unit.published and abs(point[axis] - index) > 0.5:
            return "a landmark is not on the slice"
    return ""
