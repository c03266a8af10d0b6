"""Which image is asked about: a picture, or one slice of a volume."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.geometry import Size, Spacing
from medft_bm.core.registry import did_you_mean
from medft_bm.core.types import ImageRef
from medft_bm.core.volume import PLANES, Frame, VolumeGeometry
from medft_bm.imaging.dicom_files import read_picture_values
from medft_bm.imaging.pictures import DICOM_SUFFIXES
from medft_bm.imaging.read import is_volume, picture_spacing, read_geometry
from medft_bm.imaging.slices import render


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
    """

    ref: ImageRef
    image: Image.Image
    size: Size
    spacing: Spacing | None


def find(path: Path, wanted: str = "") -> Place:
    """The image that a user means.

    Args:
        path: a picture, a volume, or the folder of a DICOM series.
        wanted: for a volume ``PLANE:INDEX`` or ``AXIS:INDEX``, like ``axial:42`` or ``2:42``, in the order in which
            voxels are stored, from 0; empty takes the only slice.

    Raises:
        ConfigError: no such slice, or several and none is named.
        DataError: the file cannot be read.
    """
    path = path.resolve()
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
    ref = ImageRef(place.path.name, place.axis, place.index, frame, window)
    if place.geometry is None or place.axis is None:
        known = spacing or picture_spacing(place.path)
    elif spacing is None:
        known = place.geometry.slice_spacing(place.geometry.layout(place.axis, frame))
    else:
        raise ConfigError("the volume states its own pixel size", where="--spacing", fix="correct its header instead")
    pixels = next(render(place.path.parent, [ref]))
    size = Size(*pixels.shape[:2])
    image = Image.fromarray(pixels).convert("RGB")
    return Shown(ImageRef("image", place.axis, place.index, frame, window), image, size, known)


def usual_window(place: Place) -> str:
    """Pictures of 8 bits as they are, anything else from its 0.5th to its 99.5th percentile."""
    if place.geometry is not None:
        return "percentile"
    if place.path.suffix.lower() in DICOM_SUFFIXES:
        return "as_is" if read_picture_values(place.path).dtype == "uint8" else "percentile"
    try:
        with Image.open(place.path) as image:
            return "percentile" if image.mode.startswith("I") or image.mode == "F" else "as_is"
    except OSError:
        return "as_is"  # reading it says what is wrong with it


def _slice(wanted: str, geometry: VolumeGeometry) -> tuple[int, int]:
    shape = geometry.shape_ijk
    if not wanted:
        flat = [axis for axis in range(3) if shape[axis] == 1]
        if len(flat) == 1:
            return flat[0], 0
        counts = ", ".join(f"{shape[geometry.axis_of(plane)]} {plane}" for plane in PLANES)
        middle = shape[geometry.axis_of("axial")] // 2
        raise ConfigError(f"the volume has many slices: {counts}", where="--slice", fix=f"name one: axial:{middle}")
    name, _, number = wanted.partition(":")
    axes: dict[str, int] = {"0": 0, "1": 1, "2": 2}
    axes.update((plane, geometry.axis_of(plane)) for plane in PLANES)
    if name not in axes:
        what = f"{name!r} is neither a plane nor an axis{did_you_mean(name, PLANES)}"
        raise ConfigError(what, where="--slice", fix=f"PLANE:INDEX or AXIS:INDEX; planes are {', '.join(PLANES)}")
    axis = axes[name]
    if not (number.isdecimal() and int(number) < shape[axis]):
        what = f"no slice {number!r}" if number else f"which {name} slice?"
        raise ConfigError(what, where=f"--slice {wanted}", fix=f"{name}:0 to {name}:{shape[axis] - 1}")
    return axis, int(number)


def _require_suffix(path: Path) -> None:
    """Refuse a DICOM file under a name that says nothing: it would be taken for a broken picture."""
    if not path.is_file() or path.suffix.lower() in DICOM_SUFFIXES:
        return
    try:
        with path.open("rb") as stream:
            head = stream.read(132)
    except OSError as error:
        what = f"the picture cannot be read: {error.strerror or error}"
        raise DataError(what, where=str(path), fix="check its permissions") from error
    if head[128:] == b"DICM":
        fix = "name it .dcm, or give the folder of the series and --slice"
        raise DataError("a DICOM file without the suffix .dcm", where=str(path), fix=fix)
