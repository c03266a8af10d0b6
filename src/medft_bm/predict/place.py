"""Which image is asked about: a picture, or one slice of a volume."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from medft_bm.core.errors import ConfigError, DataError, GeometryError
from medft_bm.core.geometry import Size, Spacing
from medft_bm.core.types import ImageRef
from medft_bm.core.volume import PLANES, Frame, VolumeGeometry
from medft_bm.imaging.dicom_files import read_picture_values
from medft_bm.imaging.pictures import DICOM_SUFFIXES
from medft_bm.imaging.read import is_volume, picture_spacing, read_geometry
from medft_bm.imaging.slices import render

AS_IS = "as_is"


@dataclass(frozen=True, eq=False)
class Place:
    """One image in a file.

    Attributes:
        path: a picture, a volume, or the folder of a DICOM series.
        geometry: of the volume; ``None`` for a picture.
        axis: array axis that the slice is perpendicular to.
        index: of the slice along it, from 0.
    """

    path: Path
    geometry: VolumeGeometry | None = None
    axis: int | None = None
    index: int | None = None

    @property
    def plane(self) -> str:
        """Plane of the slice; empty for a picture, which does not say."""
        return self.geometry.plane_of(self.axis) if self.geometry and self.axis is not None else ""


@dataclass(frozen=True, eq=False)
class Shown:
    """The image as training would show it.

    Attributes:
        ref: without the name of the file, which may be a patient's.
        image: RGB, before the model's processor.
        size: of the image.
        spacing: of the image; ``None`` is unknown.
        notes: what a reader of the answer should know.
    """

    ref: ImageRef
    image: Image.Image
    size: Size
    spacing: Spacing | None
    notes: tuple[str, ...] = ()


def find(path: Path, wanted: str = "") -> Place:
    """The image that a user means.

    Args:
        path: a picture, a volume, or the folder of a DICOM series.
        wanted: for a volume ``PLANE:INDEX`` or ``AXIS:INDEX``, like ``axial:42`` or ``2:42``, in the order in which
            voxels are stored, from 0; empty takes the only slice.

    Raises:
        ConfigError: no such slice, or several and none is named.
        DataError: the file does not exist or cannot be read.
    """
    path = path.expanduser().resolve()
    if not os.access(path, os.F_OK):
        raise DataError("there is no such file or folder", where=str(path), fix="check the path")
    if not os.access(path, os.R_OK):
        raise DataError("this may not be read", where=str(path), fix="check its permissions")
    if is_volume(path):
        geometry = read_geometry(path)
        return Place(path, geometry, *_slice(wanted, geometry))
    if wanted:
        raise ConfigError("a picture has no slices", where="--slice", fix="leave it out, or give a volume")
    _require_suffix(path)
    return Place(path)


def show(place: Place, window: str, frame: Frame = "display", spacing: Spacing | None = None) -> Shown:
    """The image, rendered as preparation renders it.

    Args:
        place: where it is.
        window: intensity window (see ``imaging/windows.py``).
        frame: how a slice is laid out.
        spacing: for a picture, in place of what its header says.

    Raises:
        ConfigError: a spacing for a volume, which states its own, or an unknown window.
        DataError: the file cannot be read, or not with this window.
    """
    notes: tuple[str, ...] = ()
    if place.geometry is None or place.axis is None:
        known = spacing or picture_spacing(place.path)
        notes = _contradictions(place.path, spacing) if spacing else ()
    elif spacing is None:
        known = place.geometry.slice_spacing(place.geometry.layout(place.axis, frame))
    else:
        raise ConfigError("the volume states its own pixel size", where="--spacing", fix="correct its header instead")
    ref = ImageRef(place.path.name, place.axis, place.index, frame, window)
    pixels = next(render(place.path.parent, [ref]))
    image = Image.fromarray(pixels).convert("RGB")
    return Shown(replace(ref, path="image"), image, Size(*pixels.shape[:2]), known, notes)


def usual_window(place: Place) -> str:
    """Pictures of 8 bits as they are, anything else from its 0.5th to its 99.5th percentile."""
    if place.geometry is not None:
        return "percentile"
    if place.path.suffix.lower() in DICOM_SUFFIXES:
        return AS_IS if read_picture_values(place.path).dtype == "uint8" else "percentile"
    try:
        with Image.open(place.path) as image:
            return "percentile" if image.mode.startswith("I") or image.mode == "F" else AS_IS
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return AS_IS  # reading it says what is wrong with it


def _contradictions(path: Path, spacing: Spacing) -> tuple[str, ...]:
    """What the header of a picture says against the pixel size that a user gave."""
    try:
        stated = picture_spacing(path)
    except GeometryError:  # what it says is no size, and the user's is the way out
        return ()
    if stated is None or stated == spacing:
        return ()
    return (f"the file states another pixel size: {stated.y:.4g} x {stated.x:.4g} mm (height x width)",)


def _slice(wanted: str, geometry: VolumeGeometry) -> tuple[int, int]:
    shape = geometry.shape_ijk
    middle = shape[geometry.axis_of("axial")] // 2
    if not wanted:
        flat = [axis for axis in range(3) if shape[axis] == 1]
        if len(flat) == 1:
            return flat[0], 0
        counts = ", ".join(f"{shape[geometry.axis_of(plane)]} {plane}" for plane in PLANES)
        raise ConfigError(f"the volume has many slices: {counts}", where="--slice", fix=f"name one: axial:{middle}")
    name, _, number = wanted.partition(":")
    axes: dict[str, int] = {"0": 0, "1": 1, "2": 2}
    axes.update((plane, geometry.axis_of(plane)) for plane in PLANES)
    if name not in axes:
        what = f"{name!r} is neither a plane nor an axis"
        fix = f"PLANE:INDEX or AXIS:INDEX, like axial:{middle}; planes are {', '.join(PLANES)}"
        raise ConfigError(what, where="--slice", fix=fix)
    axis = axes[name]
    if not (number.isdecimal() and int(number) < shape[axis]):
        what = f"no slice {number!r}" if number else f"which {name} slice?"
        raise ConfigError(what, where=f"--slice {wanted}", fix=f"{name}:0 to {name}:{shape[axis] - 1}")
    return axis, int(number)


def _require_suffix(path: Path) -> None:
    """Refuse a DICOM file under a name that says nothing: it would be taken for a broken picture."""
    if path.suffix.lower() in DICOM_SUFFIXES:
        return
    with path.open("rb") as stream:
        head = stream.read(132)
    if head[128:] == b"DICM":
        fix = "name it .dcm, or give the folder of the series and --slice"
        raise DataError("a DICOM file without the suffix .dcm", where=str(path), fix=fix)
