"""Which change a training row gets in which epoch, and what is asked and answered about the changed image."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from medft_bm.config.training import Augment
from medft_bm.core.errors import DataError
from medft_bm.core.geometry import Size
from medft_bm.core.motion import Motion
from medft_bm.models.base import ModelFamily
from medft_bm.prepare.sides import names_a_side
from medft_bm.tasks.base import Movable
from medft_bm.train.augment_pixels import Intensity, move_picture

if TYPE_CHECKING:
    from medft_bm.prepare.dataset import Item

TRIES = 4
"""Draws of one kind before the next, gentler kind."""
STREAM = 0x617567
"""Keeps these draws apart from any others that come from the same seed."""


@dataclass(frozen=True)
class Change:
    """One row as it is trained on in one epoch.

    Attributes:
        item: with sample, view, question and answer of the changed image; its ``image`` is still the unchanged one.
        motion: what happens to the image's geometry; ``None`` leaves it.
        intensity: what happens to its grey levels; ``None`` leaves them.
    """

    item: Item
    motion: Motion | None = None
    intensity: Intensity | None = None

    def picture(self) -> Image.Image:
        """The changed image in RGB."""
        image: Image.Image = self.item.images[self.item.row]["image"]
        if image.mode not in ("L", "RGB"):
            image = image.convert("RGB")
        if self.motion is not None:
            image = move_picture(image, self.motion)
        if self.intensity is not None:
            image = self.intensity.apply(image)
        return image.convert("RGB")


@dataclass(frozen=True)
class Augmenter:
    """Draws changes; what is drawn depends on seed, epoch and row alone.

    Attributes:
        family: says what the model sees of the changed image.
        settings: how far changes may go.
        seed: another seed, other changes.
    """

    family: ModelFamily
    settings: Augment
    seed: int

    def change(self, item: Item, row: int, epoch: int) -> Change:
        """What a row becomes.

        Args:
            item: as prepared.
            row: its place in the training split.
            epoch: passes over the training split that are finished.
        """
        settings, rng = self.settings, np.random.default_rng([STREAM, self.seed, epoch, row])
        if self.kept(item) or rng.random() >= settings.probability:
            return Change(item)
        intensity = Intensity.draw(rng, settings.intensity) if settings.intensity else None
        for motion in self._motions(item, rng):
            moved = self._moved(item, motion)
            if moved is not None:
                return Change(moved, motion, intensity)
        return Change(item, None, intensity)

    def kept(self, item: Item) -> bool:
        """Whether the row always stays as it is, because its pixel size is unknown."""
        return item.sample.spacing is None and not self.settings.unknown_spacing

    def sided(self, item: Item) -> bool:
        """Whether label, tags, question or answer name a side, so that a mirrored image would make them wrong."""
        return names_a_side(item, self.settings.laterality)

    def _motions(self, item: Item, rng: np.random.Generator) -> Iterator[Motion]:
        """Motions to try in turn: first all that is set, then without what a truth may not be able to follow."""
        settings, size, spacing = self.settings, item.sample.size, item.sample.spacing
        mirrored = rng.random(2) < 0.5
        flips = settings.flip if any(mirrored) and not self.sided(item) else ()
        flip_y, flip_x = ("up_down" in flips and bool(mirrored[0]), "left_right" in flips and bool(mirrored[1]))
        framed = bool(settings.crop or settings.zoom)
        for turned, cut in ((True, True), (False, True), (True, False)):
            if (turned and not settings.rotate_deg) or (cut and not framed):
                continue
            for _ in range(TRIES):
                dst, centre = _window(rng, size, settings.crop if cut else 0.0)
                yield Motion.window(
                    size,
                    spacing,
                    dst=dst,
                    centre=centre,
                    scale=math.exp(rng.uniform(-1, 1) * math.log1p(settings.zoom if cut else 0.0)),
                    turn_deg=float(rng.uniform(-1, 1)) * settings.rotate_deg if turned else 0.0,
                    flip_y=flip_y,
                    flip_x=flip_x,
                )
        if flip_y or flip_x:
            yield Motion.window(size, spacing, flip_y=flip_y, flip_x=flip_x)

    def _moved(self, item: Item, motion: Motion) -> Item | None:
        """The item on the moved image, question and answer written by the task as if it had always been so."""
        sample = item.task.moved(item.sample, motion) if isinstance(item.task, Movable) else None
        if sample is None:
            return None
        try:
            view = self.family.view(sample.size, sample.spacing)
        except DataError:  # cut so long and thin that the model's processor refuses it
            return None
        prompt, answer = item.task.prompt(sample, view), item.task.answer(sample, view)
        return replace(item, sample=sample, view=view, prompt_text=prompt, answer_text=answer)


def _window(rng: np.random.Generator, size: Size, crop: float) -> tuple[Size, tuple[float, float]]:
    """Size and middle of what is left of an image after up to a share ``crop`` of each side is cut off."""
    cut_y, cut_x, place_y, place_x = rng.random(4)
    left = Size(max(1, size.h - int(cut_y * crop * size.h)), max(1, size.w - int(cut_x * crop * size.w)))
    top, side = int(place_y * (size.h - left.h + 1)), int(place_x * (size.w - left.w + 1))
    return left, (top + left.h / 2, side + left.w / 2)
