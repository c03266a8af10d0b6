"""What a reply says, read as scoring reads it: measurements with their unit, a box, a class, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from medft_bm.core.geometry import Box, Spacing
from medft_bm.core.types import Sample, View
from medft_bm.predict.place import Place
from medft_bm.tasks.base import Measures, Task


@dataclass(frozen=True)
class Answer:
    """A reply, read.

    Attributes:
        unit: of the quantities.
        quantities: measured value by name.
        box: in continuous pixels of the image, corner origin.
        spacing: of the image; ``None`` is unknown.
        corners_ras_mm: of the box in a volume: x, y and z in RAS mm of its top-left and bottom-right corner.
        class_name: of a closed list.
        other: what a task of another kind read.
        why: why nothing could be read; empty otherwise.
    """

    unit: str = ""
    quantities: Mapping[str, float] = field(default_factory=dict)
    box: Box | None = None
    spacing: Spacing | None = None
    corners_ras_mm: tuple[tuple[float, ...], ...] = ()
    class_name: str = ""
    other: Any = None
    why: str = ""

    @property
    def words(self) -> str:
        """In one line, for people."""
        if self.why:
            return f"no answer could be read: {self.why}"
        if self.quantities:
            return ", ".join(f"{name} {value:.1f} {self.unit}" for name, value in self.quantities.items())
        if self.box is None:
            return self.class_name or str(self.other)
        box, sides = self.box, self._sides_mm()
        size = f"{sides['width']:.1f} x {sides['height']:.1f} mm (width x height), " if sides else ""
        return f"box {size}x {box.x0:.1f} to {box.x1:.1f}, y {box.y0:.1f} to {box.y1:.1f} px"

    def as_json(self) -> dict[str, Any] | None:
        """The same for programs; ``None`` where nothing could be read."""
        if self.why:
            return None
        if self.quantities:
            return {"unit": self.unit, **self.quantities}
        if self.box is None:
            return {"class": self.class_name} if self.class_name else {"value": self.other}
        found: dict[str, Any] = {"box_px": vars(self.box), "size_mm": self._sides_mm()}
        return found | ({"corners_ras_mm": self.corners_ras_mm} if self.corners_ras_mm else {})

    def _sides_mm(self) -> dict[str, float] | None:
        if self.box is None or self.spacing is None:
            return None
        height, width = self.box.y1 - self.box.y0, self.box.x1 - self.box.x0
        return {"width": width * self.spacing.x, "height": height * self.spacing.y}


def read_answer(task: Task, sample: Sample, view: View, place: Place, reply: str) -> Answer:
    """The answer in a reply.

    Args:
        task: that asked.
        sample: that was asked; its truth is not looked at.
        view: what the model saw.
        place: of the image.
        reply: as the model wrote it.
    """
    score = task.score(sample, view, reply)
    said = score.predicted
    if score.values is None:
        return Answer(why=str(score.why))
    if isinstance(task, Measures):
        measured = {name: float(found) for name, (found, _) in task.measured(sample, score).items()}
        return Answer(task.unit, measured)
    if "box" in sample.truth:
        box = Box(*(float(value) for value in said))
        return Answer(box=box, spacing=sample.spacing, corners_ras_mm=_in_patient(box, sample, place))
    if "classes" in sample.truth:
        return Answer(class_name=str(sample.truth["classes"][said]))
    return Answer(other=said)


def _in_patient(box: Box, sample: Sample, place: Place) -> tuple[tuple[float, ...], ...]:
    geometry = place.geometry
    if geometry is None or place.axis is None or place.index is None:
        return ()
    ijk = geometry.slice_ijk(geometry.layout(place.axis, sample.image.frame), place.index, box.corners)
    return tuple(tuple(point) for point in geometry.ras(ijk).round(2).tolist())
