"""Volumes with a label mask each: one record per slice that shows a labelled structure."""

from __future__ import annotations

import math
import string
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.geometry import Spacing
from medft_bm.core.records import Record, Region, Skip
from medft_bm.core.types import ImageRef
from medft_bm.core.volume import Plane, VolumeGeometry
from medft_bm.imaging.axes import with_axes_of
from medft_bm.imaging.read import Volume, read_geometry, read_volume
from medft_bm.imaging.slices import safe_path, slice_array
from medft_bm.imaging.windows import Window
from medft_bm.sources.files import (
    checked_pattern,
    checked_regex,
    checked_tag_patterns,
    filled,
    matching,
    stem,
    stored_in,
    subject_of,
    tags_of,
)
from medft_bm.sources.label_counts import Counts, label_counts

_FIELDS = ("folder", "parent", "name", "stem", "prefix")


@dataclass(frozen=True)
class NiftiMasks:
    """Volumes (NIfTI, NRRD, MetaImage or DICOM folders) beside masks of the same grid, each in a format of its own.

    A mask whose axes are stored in another order or direction than the image's is laid out like the image: a DICOM
    series may run up where its NIfTI mask runs down. Nothing is ever resampled.

    Attributes:
        images: glob under the root, like ``imagesTr/*.nii.gz``.
        masks: path of the mask, from the image's path: ``{folder}`` is the image's folder, ``{parent}`` the folder
            above it, ``{name}`` the file name, ``{stem}`` the name without suffix, ``{prefix}`` the stem before its
            last underscore. ``labelsTr/{name}`` is MSD, ``labelsTr/{prefix}.nii.gz`` nnU-Net.
        labels: mask value to the name a question uses; 0 is background and never listed. Values of one name are one
            structure.
        other_labels: what to do with mask values that are not in ``labels``.
        planes: which slices to take.
        modality: tag, like ``CT``.
        anatomy: tag, like ``brain``.
        window: intensity window.
        subject: regular expression with one group, searched in the image's relative path; empty takes the stem.
        tags: further tags to split or filter by, like ``{site: '(site[0-9]+)/'}``: name to a regular expression with
            one group, searched in the image's relative path.
        min_pixels: smallest area of a structure on a slice, in pixels.
        min_diameter_mm: smallest equivalent diameter of a structure on a slice: of the circle of the same area.
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
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    min_pixels: int = 1
    min_diameter_mm: float = 0.0
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
        if not 0 <= self.min_diameter_mm < math.inf:
            what = f"min_diameter_mm: {self.min_diameter_mm} is not a length in mm"
            raise ConfigError(what, where=where, fix="leave it out, or give a number like 5")
        checked_regex(self.subject, where)
        checked_tag_patterns(self.tags, where)

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
            DataError: a file is missing or damaged, image and mask are not on one grid, a mask value is not a label, or
                the path does not state the subject or a tag.
        """
        mask_path = safe_path(root, self._mask_of(unit))
        geometry = read_geometry(safe_path(root, unit))
        mask = _on_grid_of(geometry, read_volume(mask_path), f"{root / unit} and {mask_path}")
        planes = list(dict.fromkeys(self.planes))
        counts = label_counts(mask.array, {geometry.axis_of(plane) for plane in planes}, mask_path)
        self._require_known(counts, unit, mask_path, skip)
        if set(self.labels) & set(counts):
            for plane in planes:
                yield from self._slices(unit, mask, plane, counts, skip)
        else:
            named = ", ".join(self.labels.values())
            skip(unit, f"the mask shows none of: {named}" if counts else "empty mask")

    def _slices(self, unit: str, mask: Volume, plane: Plane, counts: Counts, skip: Skip) -> Iterator[Record]:
        axis = mask.geometry.axis_of(plane)
        layout = mask.geometry.layout(axis)
        size, spacing = mask.geometry.slice_size(layout), mask.geometry.slice_spacing(layout)
        subject = subject_of(self.subject, unit, stem(unit))
        given = filled({"modality": self.modality, "anatomy": self.anatomy})
        tags = {**given, **tags_of(self.tags, unit), "plane": plane}
        values: dict[str, list[int]] = {}
        for value in sorted(set(self.labels) & set(counts)):
            values.setdefault(self.labels[value], []).append(value)
        areas = {name: np.sum([counts[value][axis] for value in those], axis=0) for name, those in values.items()}
        for index, names in self._kept(areas, spacing, f"{unit} ({plane})", skip):
            shown = slice_array(mask, axis, index)
            yield Record(
                subject=subject,
                image=ImageRef(unit, axis, index, "display", self.window),
                size=size,
                spacing=spacing,
                annotations=tuple(Region(name, _shows(shown, values[name])) for name in names),
                tags=tags,
            )

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

    def _require_known(self, found: Iterable[int], unit: str, mask_path: Path, skip: Skip) -> None:
        unknown = sorted(set(found) - set(self.labels))
        if unknown and self.other_labels == "error":
            raise DataError(
                f"mask values without a name: {', '.join(map(str, unknown))} (named: {sorted(self.labels)})",
                where=str(mask_path),
                fix="add them to `labels`, or set other_labels: ignore",
            )
        for value in unknown:
            skip(f"{unit} (mask value {value})", "a mask value without a name")

    def _kept(
        self, areas: Mapping[str, NDArray[np.int64]], spacing: Spacing, what: str, skip: Skip
    ) -> Iterator[tuple[int, list[str]]]:
        """Index of each slice to keep and the structures it shows, from the pixels of each one on each slice."""
        smallest_mm2 = math.pi / 4 * self.min_diameter_mm**2
        large: dict[int, list[str]] = {}
        for name, pixels in areas.items():
            for index in np.flatnonzero(pixels).tolist():
                if pixels[index] < self.min_pixels:
                    skip(f"{what} {name}, slice {index}", f"fewer than {self.min_pixels} pixels")
                elif pixels[index] * spacing.y * spacing.x < smallest_mm2:
                    skip(f"{what} {name}, slice {index}", f"equivalent diameter under {self.min_diameter_mm} mm")
                else:
                    large.setdefault(index, []).append(name)
        shown = sorted(large)
        # Start inside the structure, not at its rim, and never past its end: a small lesion keeps one slice.
        kept = set(shown[min(self.keep_every - 1, len(shown) - 1) // 2 :: self.keep_every]) if shown else set()
        for index in shown:
            if index in kept:
                yield index, large[index]
            else:
                skip(f"{what}, slice {index}", f"not one of every {self.keep_every} slices")


def _shows(plane: NDArray[Any], values: Sequence[int]) -> NDArray[np.bool_]:
    """Where a slice holds one of the values."""
    mask = np.ascontiguousarray(plane == values[0])
    for value in values[1:]:
        mask |= plane == value
    return mask


def _check_template(template: str, where: str) -> None:
    fix = f"the fields are {', '.join(f'{{{name}}}' for name in _FIELDS)}"
    try:
        fields = {key for _, key, _, _ in string.Formatter().parse(template) if key is not None}
    except ValueError as error:
        raise ConfigError(f"masks: {template!r} cannot be filled in: {error}", where=where, fix=fix) from error
    for unknown in sorted(fields - set(_FIELDS)):
        raise ConfigError(f"masks: unknown field {unknown!r}", where=where, fix=fix)


def _on_grid_of(image: VolumeGeometry, stored: Volume, where: str) -> Volume:
    """The mask laid out like the image, if the two are the same voxels in the patient."""
    mask = with_axes_of(stored, image)
    if image.matches(mask.geometry):
        return replace(mask, geometry=image)  # equal up to rounding: the image's own header counts
    if image.shape_ijk != mask.geometry.shape_ijk:
        raise DataError(
            f"image and mask differ in shape: {image.shape_ijk} and {stored.geometry.shape_ijk}",
            where=where,
            fix="resample the mask onto the image's grid (nearest neighbour)",
        )
    rows = [np.round(geometry.ras_from_ijk[:3], 3).tolist() for geometry in (image, stored.geometry)]
    raise DataError(
        f"image and mask differ in affine: {rows[0]} and {rows[1]}",
        where=where,
        fix="find out which header is right and copy it, or resample the mask onto the image's grid",
    )
