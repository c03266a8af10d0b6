"""Names of MedVision configurations: the one place that takes them apart."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NoReturn, TypeAlias

from medft_bm.core.errors import ConfigError
from medft_bm.core.registry import did_you_mean
from medft_bm.core.types import Split
from medft_bm.core.volume import PLANES, Plane

Kind: TypeAlias = Literal["boxes", "axes", "landmarks"]

KINDS: dict[str, Kind] = {
    "BoxSize": "boxes",
    "BoxCoordinate": "boxes",  # the benchmark's evaluation calls it so
    "TumorLesionSize": "axes",
    "BiometricsFromLandmarks": "landmarks",
    "BiometricsFromLandmarks_Distance": "landmarks",
    "BiometricsFromLandmarks_Angle": "landmarks",
}
TASKS: dict[Kind, str] = {"boxes": "detection", "axes": "lesion_size", "landmarks": "angle_distance"}
"""Task of this library that takes the annotations."""

_PARTS = re.compile(r"(?P<head>.+)_Task(?P<number>\d+)_(?P<plane>[^_]+)(?:_(?P<split>[^_]+))?")
_RESOLUTION = re.compile(r"-\d+x\d+(?=$|_)")  # the size that the benchmark resized to; a model's processor does it here
_SPLITS: dict[str | None, tuple[Split, ...]] = {None: ("train", "test"), "Train": ("train",), "Test": ("test",)}
_FIX = "for example MSD_BoxSize_Task09_Axial, KiTS23_TumorLesionSize_Task01_Axial_Train"


@dataclass(frozen=True)
class TaskName:
    """One configuration, like ``MSD_BoxSize_Task09_Axial_Train``.

    Attributes:
        dataset: its folder.
        annotation: as written in the name.
        number: of the task in the plan, from 1.
        plane: what the plan calls the slices along the first, second or third array axis.
        splits: which of the plan's two lists of cases it covers.
    """

    dataset: str
    annotation: str
    number: int
    plane: Plane
    splits: tuple[Split, ...]

    @property
    def kind(self) -> Kind:
        """What is annotated."""
        return KINDS[self.annotation]

    @property
    def metrics(self) -> tuple[str, ...]:
        """Kinds of measurement between landmarks that it covers."""
        suffix = self.annotation.rpartition("_")[2].lower()
        return (suffix,) if suffix in ("distance", "angle") else ("distance", "angle")

    @property
    def axis(self) -> int:
        """Array axis the slices are perpendicular to."""
        return PLANES.index(self.plane)


@lru_cache(maxsize=64)
def parse_names(names: tuple[str, ...], where: str) -> tuple[TaskName, ...]:
    """Every name taken apart, in the order given, once each.

    Args:
        names: of configurations; the split and a resolution like ``-336x336`` may be left out.
        where: what they were written in, for messages.

    Raises:
        ConfigError: no name, one that cannot be taken apart, or names of several kinds of annotation.
    """
    if not names:
        raise ConfigError("tasks: no configuration is named", where=where, fix=_FIX)
    parsed = tuple(dict.fromkeys(_parse(name, where) for name in names))
    kinds = {name.kind: name.annotation for name in parsed}
    if len(kinds) > 1:
        raise ConfigError(
            f"tasks: one part takes one kind of annotation, and these are {', '.join(kinds.values())}",
            where=where,
            fix=f"write one part each, for the tasks {', '.join(TASKS[kind] for kind in kinds)}",
        )
    return parsed


def _parse(name: str, where: str) -> TaskName:
    match = _PARTS.fullmatch(_RESOLUTION.sub("", name))
    if match is None:
        form = "<dataset>_<annotation>_Task<number>_<plane>, with _Train or _Test at most behind it"
        raise ConfigError(f"tasks: {name!r} is not of the form {form}", where=where, fix=_FIX)
    dataset, annotation = _annotation(match["head"], name, where)
    plane = match["plane"].lower()
    if plane not in PLANES:
        _unknown(name, "plane", match["plane"], (known.capitalize() for known in PLANES), where)
    if match["split"] not in _SPLITS:
        _unknown(name, "split", match["split"], (known for known in _SPLITS if known), where)
    return TaskName(dataset, annotation, int(match["number"]), plane, _SPLITS[match["split"]])


def _annotation(head: str, name: str, where: str) -> tuple[str, str]:
    if head.endswith("_MaskSize"):
        raise ConfigError(
            f"tasks: {name!r} asks for the area of a mask, which no task here answers",
            where=where,
            fix="use the BoxSize configuration of the same data, or the source nifti_masks on its masks",
        )
    for annotation in sorted(KINDS, key=len, reverse=True):
        dataset = head.removesuffix(f"_{annotation}")
        if dataset and dataset != head:
            return dataset, annotation
    _unknown(name, "annotation", head.rpartition("_")[2], KINDS, where)


def _unknown(name: str, part: str, said: str, known: Iterable[str], where: str) -> NoReturn:
    raise ConfigError(f"tasks: {name!r}: unknown {part} {said!r}{did_you_mean(said, known)}", where=where, fix=_FIX)
