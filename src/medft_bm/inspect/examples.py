"""Rows to look at: as they are prepared, and as augmentation changes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medft_bm.config.schema import Config
from medft_bm.core.types import Split
from medft_bm.evaluate.sampling import spread
from medft_bm.inspect.batches import Fed, Feeder
from medft_bm.models.base import ModelFamily
from medft_bm.prepare.arrow import columns
from medft_bm.progress import progress
from medft_bm.train.augment import AugmentedRows, Epoch, is_on
from medft_bm.train.augment_draw import Augmenter
from medft_bm.train.labels import spread as evenly

if TYPE_CHECKING:
    from medft_bm.prepare.dataset import Prepared

EPOCHS = 3
"""Passes over the training rows whose changes are shown."""
CHANGED = 8
"""Examples whose changes are shown; of those that may change at all."""


@dataclass(frozen=True)
class Variant:
    """A row as it is trained on in one epoch.

    Attributes:
        epoch: from 1.
        fed: what the model is fed.
        changed: whether anything is changed in this epoch.
    """

    epoch: int
    fed: Fed
    changed: bool


@dataclass(frozen=True)
class Example:
    """One row.

    Attributes:
        place: in its split.
        part: name.
        fed: what the model is fed.
        variants: what augmentation makes of it, epoch by epoch; empty without augmentation.
    """

    place: int
    part: str
    fed: Fed
    variants: tuple[Variant, ...]


def examples(
    prepared: Prepared, family: ModelFamily, config: Config, feeder: Feeder, split: Split, count: int
) -> Iterator[Example]:
    """Rows of a split, in equal shares of every part, of as many subjects as there are.

    Args:
        prepared: rows for this family.
        family: says what the model sees of a changed image.
        config: resolved.
        feeder: of the same checkpoint.
        split: to take them from.
        count: how many.
    """
    items, rows = prepared.items(split), prepared.training_set(split)
    places = spread(columns(prepared.rows(split), "uid", "part", "subject").to_pydict(), count)
    changing = AugmentedRows(items, Augmenter(family, config.augment, config.run.seed), Epoch())
    changed = _changed(changing, places) if split == "train" and is_on(config.augment) else ()
    for place in progress(places, "reading examples", len(places)):
        item = items[place]
        variants = tuple(_variants(changing, feeder, place)) if place in changed else ()
        yield Example(place, prepared.parts[item.part].name, feeder.feed(rows[place], item), variants)


def _changed(changing: AugmentedRows, places: Sequence[int]) -> set[int]:
    """Which of the examples are shown as augmentation changes them."""
    free = [place for place in places if not changing.augmenter.kept(changing.items[place])]
    return {free[at] for at in evenly(len(free), CHANGED)} if free else set()


def _variants(changing: AugmentedRows, feeder: Feeder, place: int) -> Iterator[Variant]:
    batch = {**changing.items.rows[place : place + 1], "row": [place]}
    for epoch in range(EPOCHS):
        changing.epoch.now = epoch
        row = {name: values[0] for name, values in changing(batch).items()}
        change = changing.change(place, changing.items[place])
        changed = change.motion is not None or change.intensity is not None
        yield Variant(epoch + 1, feeder.feed(row, change.item), changed)
