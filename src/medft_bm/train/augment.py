"""Training rows whose images change from epoch to epoch, and their questions and answers with them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import torch
from transformers import TrainerCallback

from medft_bm.config.schema import Config
from medft_bm.config.training import Augment
from medft_bm.models.base import ModelFamily
from medft_bm.tasks.base import Movable
from medft_bm.train.augment_draw import Augmenter, Change

if TYPE_CHECKING:
    import datasets

    from medft_bm.prepare.dataset import Item, Items, Prepared

log = logging.getLogger(__name__)

LOOKED_AT = 256
"""Rows, spread over the training split, that are looked at to say what augmentation can do."""


class Epoch:
    """Which pass over the training rows it is; data loader workers see it change, however long they live."""

    def __init__(self) -> None:
        self._now = torch.zeros(1, dtype=torch.int64).share_memory_()

    @property
    def now(self) -> int:
        """Finished passes."""
        return int(self._now)

    @now.setter
    def now(self, value: int) -> None:
        self._now.fill_(value)

    def __deepcopy__(self, memo: dict[int, Any]) -> Epoch:
        return self  # `datasets` copies a transform with every selection, and a copy would stand still


class TellEpoch(TrainerCallback):  # type: ignore[misc]
    """Sets the epoch before the data loader starts on it; also in the middle of one, when a training is resumed."""

    def __init__(self, epoch: Epoch) -> None:
        self.epoch = epoch

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Called by the trainer on every process."""
        self.epoch.now = int(state.epoch or 0)


@dataclass(frozen=True)
class AugmentedRows:
    """Transform from rows to what TRL wants, changed as the epoch says; data loader workers can pickle it."""

    items: Items
    augmenter: Augmenter
    epoch: Epoch

    def __call__(self, batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """Whole rows with their place in column ``row`` in, the columns of ``Prepared.training_set`` out."""
        rows = [dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True)]
        changes = [self.change(row["row"], self.items.item(row)) for row in rows]
        asked = [_said(row["prompt"], change.item.prompt_text) for row, change in zip(rows, changes, strict=True)]
        told = [_said(row["completion"], change.item.answer_text) for row, change in zip(rows, changes, strict=True)]
        images = [[change.picture()] for change in changes]
        return {"images": images, "prompt": asked, "completion": told, "row": batch["row"], "part": batch["part"]}

    def change(self, row: int, item: Item) -> Change:
        """What a row is in this epoch."""
        return self.augmenter.change(item, row, self.epoch.now)


@dataclass(frozen=True)
class AugmentedItems(Sequence["Item"]):
    """The items of the training split as the first epoch asks them."""

    rows: AugmentedRows

    def __len__(self) -> int:
        return len(self.rows.items)

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> list[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | list[Item]:
        """One item, or a list of them."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return self.rows.change(index, self.rows.items[index]).item


def is_on(settings: Augment) -> bool:
    """Whether anything may change at all."""
    return bool(settings.flip or settings.rotate_deg or settings.zoom or settings.crop or settings.intensity)


def training_rows(prepared: Prepared, family: ModelFamily, config: Config, epoch: Epoch) -> datasets.Dataset:
    """The training split as TRL wants it, augmented where the config says so.

    Args:
        prepared: rows for this family.
        family: says what the model sees of a changed image.
        config: ``augment`` and ``run.seed``.
        epoch: told by :class:`TellEpoch`.
    """
    if not is_on(config.augment):
        return prepared.training_set("train")
    changed = _augmented(prepared, family, config, epoch)
    tell_effect(changed.items, changed.augmenter)
    rows = prepared.rows("train")
    return rows.add_column("row", np.arange(len(rows))).with_transform(changed)


def training_items(prepared: Prepared, family: ModelFamily, config: Config) -> Sequence[Item]:
    """The items of :func:`training_rows` before the first epoch, with the text of the changed images."""
    if not is_on(config.augment):
        return prepared.items("train")
    return AugmentedItems(_augmented(prepared, family, config, Epoch()))


def tell_effect(items: Items, augmenter: Augmenter) -> None:
    """Say how many rows can change, and why others cannot."""
    picks = np.unique(np.linspace(0, len(items) - 1, min(LOOKED_AT, len(items))).round().astype(int)).tolist()
    counts = Counter(_freedom(items[pick], augmenter) for pick in picks)
    parts = ", ".join(f"{count} {what}" for what, count in counts.most_common())
    log.info("augmentation: of %d training rows looked at, %s", len(picks), parts)


def _freedom(item: Item, augmenter: Augmenter) -> str:
    if augmenter.kept(item):
        return "never change (pixel size unknown; see augment.unknown_spacing)"
    if not isinstance(item.task, Movable):
        return f"change in intensity alone (the task {item.task.name} cannot follow)"
    if augmenter.settings.flip and augmenter.sided(item):
        return "change but are not mirrored (they name a side; see augment.laterality)"
    return "change"


def _augmented(prepared: Prepared, family: ModelFamily, config: Config, epoch: Epoch) -> AugmentedRows:
    return AugmentedRows(prepared.items("train"), Augmenter(family, config.augment, config.run.seed), epoch)


def _said(messages: Sequence[Mapping[str, str]], text: str) -> list[dict[str, str]]:
    return [{**messages[0], "content": text}]
