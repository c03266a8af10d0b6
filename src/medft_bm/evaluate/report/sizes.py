"""How large the thing asked about truly is, for groups and plots by size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from medft_bm.core.geometry import Box
from medft_bm.core.types import Sample, Score
from medft_bm.prepare.dataset import Item
from medft_bm.tasks.base import Measures


@dataclass(frozen=True)
class Sizes:
    """True sizes of the items of one part.

    Attributes:
        name: of what is measured, such as ``major axis`` or ``box area``.
        unit: mm, mm², degree, or per cent of the image.
        values: one per item, in their order.
    """

    name: str
    unit: str
    values: tuple[float, ...]

    @property
    def label(self) -> str:
        """Name and unit: ``major axis (mm)``."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


def true_sizes(items: Sequence[Item], scores: Sequence[Score] = ()) -> Sizes | None:
    """Sizes of the items of one part; ``None`` when its truths have none, as classes do.

    A box counts by its area in mm², or as a share of its image where the pixel size of one item is unknown; any other
    size is the first quantity that the task measures.

    Args:
        items: of one part.
        scores: of anyone's replies to them; those that were read know the truth already, which saves time.
    """
    if not items:
        return None
    if all("box" in item.sample.truth for item in items):
        in_mm = all(item.sample.spacing is not None for item in items)
        values = tuple(_box_area(item.sample, in_mm=in_mm) for item in items)
        return Sizes("box area", "mm²" if in_mm else "% of the image", values)
    task = items[0].task
    if not isinstance(task, Measures):
        return None
    measured = [_measured(task, item, score) for item, score in zip_longest(items, scores)]
    name = next(iter(measured[0]), None)
    if name is None or not all(name in one for one in measured):
        return None
    return Sizes(name.replace("_", " "), task.unit, tuple(one[name][1] for one in measured))


def _measured(task: Measures, item: Item, score: Score | None) -> Mapping[str, tuple[float, float]]:
    known = task.measured(item.sample, score) if score else {}
    # The reference answer measures as the truth does, whatever a task keeps in its truth.
    return known or task.measured(item.sample, item.task.score(item.sample, item.view, item.answer_text))


def _box_area(sample: Sample, *, in_mm: bool) -> float:
    box = Box(*sample.truth["box"])
    pixels = (box.y1 - box.y0) * (box.x1 - box.x0)
    if in_mm and sample.spacing is not None:
        return pixels * sample.spacing.y * sample.spacing.x
    return 100 * pixels / (sample.size.h * sample.size.w)
