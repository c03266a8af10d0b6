"""Volumes with a label mask each: one record per slice that shows a labelled structure."""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.records import Record, Region, Skip
from medft_bm.core.types import ImageRef
from medft_bm.core.volume import Plane, VolumeGeometry
from medft_bm.imaging.read import Volume, read_geometry, read_volume
from medft_bm.imaging.slices import safe_path, slice_array
from medft_bm.imaging.windows import Window
from medft_bm.sources.files import checked_pattern, checked_regex, filled, matching, stem, stored_in, subject_of

_FIELDS = ("folder", "parent", "name", "stem", "prefix")


@dataclass(frozen=True)
class NiftiMasks:
    """Volumes (NIfTI, NRRD, MetaImage or DICOM folders) beside masks of the same grid.

    Attributes:
        images: glob under the root, like ``imagesTr/*.nii.gz``.
        masks: path of the mask, from the image's path: ``{folder}`` is the image's folder, ``{parent}`` the folder
            above it, ``{name}`` the file name, ``{stem}`` the name without suffix, ``{prefix}`` the stem before its
            last underscore. ``labelsTr/{name}`` is MSD, ``labelsTr/{prefix}.nii.gz`` nnU-Net.
        labels: mask value to the name a question uses; 0 is background and never listed.
        other_labels: what to do with mask values that are not in ``labels``.
        planes: which slices to take.
        modality: tag, like ``CT``.
        anatomy: tag, like ``brain``.
        window: intensity window.
        subject: regular expression with one group, searched in the image's relative path; empty takes the stem.
        min_pixels: smallest area of a structure on a slice, in pixels.
        keep_every: of the slices that show a structure keep every n-th, at least one per plane.
    """

    name: ClassVar[str] = "nifti_masks"
    summary: ClassVar[str] = "volumes with label masks (NIfTI, NRRD, MetaImage, DICOM), one record per slice"
    revision: ClassVar[int] = 1
    makes_its_data: ClassVar[bool] = False

    images: str
    masks: str
    labels: Mapping[int, str] = field(hash=False)
    other_labels: Literal["error", "ignore"] = "error"
    planes: tuple[Plane, ...] = ("axial",)
    modality: str = ""
    anatomy: str = ""
    window: Window = "percentile"
    subject: str = ""
    min_pixels: int = 1
    keep_every: int = 1

    def __post_init__(self) -> None:
        where = f"source {self.name}"
        checked_pattern("images", self.images, where)
        _check_template(self.masks, where)
        if not self.labels or 0 in self.labels:
            what = "labels: name at least one mask value, and not 0 (background)"
            raise ConfigError(what, where=where, fix="for example {1: liver}")
        if self.min_pixels < 1 or self.keep_every < 1 or not self.planes:
            what = "min_pixels and keep_every must be at least 1, and planes not empty"
            raise ConfigError(what, where=where, fix="leave them out to take every axial slice")
        checked_regex(self.subject, where)

    def files(self, root: Path) -> Iterator[Path]:
        """Every image and mask; for a DICOM folder and a MetaImage header the files that hold the voxels."""
        for image in self.units(root):
            for path in (root / image, safe_path(root, self._mask_of(image))):
                yield from stored_in(path)

    def units(self, root: Path) -> list[str]:
        """Relative paths of the images.

        Raises:
            DataError: nothing matches.
            ConfigError: images of equal name and no pattern for the subject.
        """
        images = matching(root, self.images)
        stems = Counter(map(stem, images))
        if not self.subject and len(stems) < len(images):
            shared = stems.most_common(1)[0][0]
            raise ConfigError(
                f"{stems[shared]} images are called {shared!r}, so the file name does not say the subject",
                where=f"source {self.name}",
                fix=r"set `subject` to a regular expression on the path, like '(STS_\d+)/'",
            )
        return images

    def records_of(self, root: Path, unit: str, skip: Skip) -> Iterator[Record]:
        """One record per kept slice, by plane and index.

        Raises:
            DataError: a file is missing or damaged, image and mask are not on one grid, or a mask value is not a label.
        """
        mask_path = safe_path(root, self._mask_of(unit))
        geometry = read_geometry(safe_path(root, unit))
        mask = read_volume(mask_path)
        _require_same_grid(geometry, mask.geometry, f"{root / unit} and {mask_path}")
        found = _label_slices(mask, mask_path)
        self._require_known(found, mask_path)
        wanted = {value: name for value, name in self.labels.items() if value in found}
        if not wanted:
            named = ", ".join(self.labels.values())
            skip(unit, f"the mask shows none of: {named}" if found else "empty mask")
            return
        for plane in self.planes:
            axis = geometry.axis_of(plane)
            indices = self._kept({value: found[value][axis] for value in wanted})
            if not indices:
                skip(f"{unit} ({plane})", f"no slice shows {self.min_pixels} pixels of a label")
            for index in indices:
                yield self._record(unit, mask, plane, index, wanted)

    def _mask_of(self, image: str) -> str:
        folder, base = PurePosixPath(image).parent, stem(image)
        path = self.masks.format(
            folder=folder,
            parent=folder.parent,
            name=PurePosixPath(image).name,
            stem=base,
            prefix=base.rpartition("_")[0] or base,
        )
        return PurePosixPath(path).as_posix()

    def _require_known(self, found: Mapping[int, Any], mask_path: Path) -> None:
        unknown = sorted(set(found) - set(self.labels))
        if unknown and self.other_labels == "error":
            raise DataError(
                f"mask values without a name: {', '.join(map(str, unknown))} (named: {sorted(self.labels)})",
                where=str(mask_path),
                fix="add them to `labels`, or set other_labels: ignore",
            )

    def _kept(self, pixels: Mapping[int, NDArray[np.int64]]) -> list[int]:
        """Indices of the slices to keep, from the area of each label on each slice."""
        shown = np.flatnonzero(np.max(list(pixels.values()), axis=0) >= self.min_pixels).tolist()
        # Start inside the structure, not at its rim, and never past its end: a small lesion keeps one slice.
        return shown[min(self.keep_every - 1, len(shown) - 1) // 2 :: self.keep_every] if shown else []

    def _record(self, image: str, mask: Volume, plane: Plane, index: int, wanted: Mapping[int, str]) -> Record:
        axis = mask.geometry.axis_of(plane)
        layout = mask.geometry.layout(axis)
        shown = slice_array(mask, axis, index)
        regions = ((name, np.ascontiguousarray(shown == value)) for value, name in sorted(wanted.items()))
        return Record(
            subject=subject_of(self.subject, image, stem(image)),
            image=ImageRef(image, axis, index, "display", self.window),
            size=mask.geometry.slice_size(layout),
            spacing=mask.geometry.slice_spacing(layout),
            annotations=tuple(Region(name, area) for name, area in regions if area.sum() >= self.min_pixels),
            tags=filled({"modality": self.modality, "anatomy": self.anatomy, "plane": plane}),
        )


def _check_template(template: str, where: str) -> None:
    fix = f"the fields are {', '.join(f'{{{name}}}' for name in _FIELDS)}"
    try:
        fields = {key for _, key, _, _ in string.Formatter().parse(template) if key is not None}
    except ValueError as error:
        raise ConfigError(f"masks: {template!r} cannot be filled in: {error}", where=where, fix=fix) from error
    for unknown in sorted(fields - set(_FIELDS)):
        raise ConfigError(f"masks: unknown field {unknown!r}", where=where, fix=fix)


def _require_same_grid(image: VolumeGeometry, mask: VolumeGeometry, where: str) -> None:
    if image.shape_ijk != mask.shape_ijk:
        raise DataError(
            f"image and mask differ in shape: {image.shape_ijk} and {mask.shape_ijk}",
            where=where,
            fix="resample the mask onto the image's grid (nearest neighbour)",
        )
    if not image.matches(mask):
        rows = [np.round(geometry.ras_from_ijk[:3], 3).tolist() for geometry in (image, mask)]
        raise DataError(
            f"image and mask differ in affine: {rows[0]} and {rows[1]}",
            where=where,
            fix="find out which header is right and copy it, or resample the mask onto the image's grid",
        )


def _label_slices(mask: Volume, path: Path) -> dict[int, tuple[NDArray[np.int64], ...]]:
    """For each mask value but 0: its number of pixels on every slice along each array axis.

    Works on the bounding box of what is not background, which is small beside most volumes.
    """
    array = mask.array
    spans = []
    for axis in (2, 1, 0):  # the array is stored with axis 0 fastest: cut along the slowest axis first
        others = tuple(other for other in range(3) if other != axis)
        hit = np.flatnonzero(array.any(axis=others))
        if not hit.size:
            return {}
        spans.append((axis, int(hit[0])))
        array = array[(slice(None),) * axis + (slice(int(hit[0]), int(hit[-1]) + 1),)]
    starts = dict(spans)
    counts = {}
    for value in _whole_values(array, path):
        here = array == value
        per_axis = []
        for axis in range(3):
            pixels = np.zeros(mask.geometry.shape_ijk[axis], np.int64)
            others = tuple(other for other in range(3) if other != axis)
            pixels[starts[axis] : starts[axis] + array.shape[axis]] = np.count_nonzero(here, axis=others)
            per_axis.append(pixels)
        counts[value] = tuple(per_axis)
    return counts


def _whole_values(array: NDArray[Any], path: Path) -> list[int]:
    """Values other than 0, which must be whole numbers in whatever type they are stored."""
    values = sorted(set().union(*(np.unique(array[:, :, k]).tolist() for k in range(array.shape[2]))))
    broken = [value for value in values if value != value or int(value) != value]
    if broken:
        raise DataError(
            f"{len(broken)} mask value(s) are not whole numbers, like {broken[0]:.6g}",
            where=str(path),
            fix="masks must be resampled with nearest neighbour and hold label numbers",
        )
    return [int(value) for value in values if value != 0]
