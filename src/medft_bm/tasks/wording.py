"""Sentences that several prompts share."""

from __future__ import annotations

from medft_bm.core.errors import DataError
from medft_bm.core.geometry import Spacing
from medft_bm.core.types import Sample, View


def scene(sample: Sample) -> str:
    """What kind of image this is, from the sample's tags, like "This is an axial CT slice of the thigh"."""
    tags = sample.tags
    words = [tags.get("plane", ""), tags.get("modality", ""), "slice" if tags.get("plane") else "image"]
    subject = " ".join(word for word in words if word)
    article = "an" if subject[0].lower() in "aeiou" or subject.split()[0] in {"MR", "MRI", "X-ray"} else "a"
    of = f" of the {tags['anatomy']}" if tags.get("anatomy") else ""
    return f"This is {article} {subject}{of}."


def grid(view: View) -> str:
    """Size of the image the model sees, for answers in its pixels."""
    return f"The image is {view.size.w} pixels wide and {view.size.h} pixels high."


def ruler(sample: Sample, view: View) -> str:
    """Size and spacing of the image the model sees, for answers in mm or degrees.

    Raises:
        DataError: the spacing is unknown.
    """
    spacing = known_spacing(sample, view.spacing)
    return f"{grid(view)} One pixel is {spacing.x:.4g} mm wide and {spacing.y:.4g} mm high."


def known_spacing(sample: Sample, spacing: Spacing | None) -> Spacing:
    """The spacing, where a measurement in mm or degrees needs one.

    Raises:
        DataError: the spacing is unknown.
    """
    if spacing is None:
        raise DataError(
            f"{sample.task} needs the pixel size in mm, and it is unknown",
            where=f"{sample.source}: {sample.image.path}",
            fix="give the source the spacing, or use a task that needs none (classification, detection)",
        )
    return spacing
