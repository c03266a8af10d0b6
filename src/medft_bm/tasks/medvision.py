"""The questions that MedVision published with its annotations 1.0.0: what they say, in words of our own.

They leave out the size of the image and state the pixel size with three decimals; positions count from the lower-left
corner, and of a reply the last numbers count (``tasks/reading/published.py``). A preset goes with the images that it
was published with: samples carry the tag ``preset``, and a task refuses those of another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from medft_bm.core.errors import ConfigError
from medft_bm.core.types import ImageRef, Sample, View
from medft_bm.tasks.wording import known_spacing

Preset: TypeAlias = Literal["", "medvision-v1.0.0"]

BOX = "Find the {label} and report the lower-left and the upper-right corner of its bounding box."
AXES = "Enclose the {label} in an ellipse and report the lengths of its major and its minor axis in mm."
DISTANCE = "Report the distance{name} between two landmarks in mm: {a} and {b}."
ANGLE = "Report the angle{name} in degrees between two lines: from {a} to {b}, and from {c} to {d}."
BOX_FORMAT = (
    "Write four numbers with four decimals, separated by commas: x and y of the lower-left corner, x and y of the "
    "upper-right corner. They are fractions of the image width and height, counted from the lower-left corner of the "
    "image. Write nothing else."
)
AXES_FORMAT = "Write two numbers with two decimals, separated by a comma, the major axis first. Write nothing else."
VALUE_FORMAT = "Write one number with one decimal. Write nothing else."
RULER = "Additional information:\nOne pixel is {x:.3f} mm wide and {y:.3f} mm high.\n"


def require_preset(preset: Preset, tags: Mapping[str, str], image: ImageRef) -> None:
    """Refuse a task and a sample that were not made for each other.

    Raises:
        ConfigError: one has a preset and the other has none, or another one.
    """
    made = tags.get("preset", "")
    if made != preset:
        raise ConfigError(
            f"preset: the task has {preset or 'none'!r} and the images were read with {made or 'none'!r}",
            where=image.path,
            fix="give the task and the source of a part the same preset, or leave it out of both",
        )


def question(sample: Sample, ask: str, form: str, view: View | None = None) -> str:
    """Task, pixel size and format of the answer, as blocks.

    Args:
        sample: the tag ``description`` says what the image is.
        ask: what to measure.
        form: how to write it.
        view: whose pixel size to state; ``None`` leaves it out.
    """
    spacing = None if view is None else known_spacing(sample, view.spacing)
    about = sample.tags.get("description", "").rstrip(".")
    lead = f"The medical image shows: {about}. " if about else ""
    ruler = RULER.format(x=spacing.x, y=spacing.y) if spacing else ""
    return f"Task:\n{lead}{ask}\n{ruler}Answer format:\n{form}"
