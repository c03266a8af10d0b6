"""A prepared dataset: rows to train on and to score, with their images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from PIL import Image

from medft_bm.config.schema import Data, Prepare
from medft_bm.core.memory import no_garbage_search
from medft_bm.core.types import Sample, Split, View
from medft_bm.models.base import ModelFamily
from medft_bm.prepare.arrow import first_contents, open_images, open_rows
from medft_bm.prepare.cache import read_manifest
from medft_bm.prepare.codec import load_sample, load_view
from medft_bm.prepare.engine import engine
from medft_bm.prepare.rows import empty_rows, prepare_rows
from medft_bm.prepare.stored import IMAGES
from medft_bm.tasks import load_task
from medft_bm.tasks.base import Task

if TYPE_CHECKING:
    import datasets

ROWS_AT_ONCE = 1000
"""Rows read together when a whole split is read."""

MESSAGES = ("prompt", "completion")
_FACTS = ("uid", "part", "sample", "view", "image")


@dataclass(frozen=True)
class PartInfo:
    """One part of the mix: a task on a source.

    Attributes:
        name: in the mix.
        task: as it was when the text was written.
        source: registered name.
        labels: what is asked about.
        datasets: what the images are from, where the source reads several data sets.
    """

    name: str
    task: Task
    source: str
    labels: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Item:
    """One row with everything that generating and scoring need.

    Attributes:
        uid: of the sample.
        part: index into :attr:`Prepared.parts`.
        task: the object that asked and will score.
        sample: with a hidden subject name.
        view: what the model sees.
        prompt_text: the question, byte for byte the one trained on.
        answer_text: the reference answer.
        row: row of the image table.
        images: the image table.
    """

    uid: str
    part: int
    task: Task
    sample: Sample
    view: View
    prompt_text: str
    answer_text: str
    row: int
    images: datasets.Dataset

    @property
    def image(self) -> Image.Image:
        """The slice or picture in RGB, before the model's processor; decoded on each access."""
        return picture(self.images, self.row)


def picture(images: datasets.Dataset, row: int) -> Image.Image:
    """One image of the image table in RGB."""
    image: Image.Image = images[row]["image"]
    return image.convert("RGB")


@dataclass(frozen=True)
class Items(Sequence[Item]):
    """The rows of one split as items, read when asked for."""

    rows: datasets.Dataset
    images: datasets.Dataset
    parts: Sequence[PartInfo]

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> list[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | list[Item]:
        """One item, or a list of them."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return self.item(self.rows[index])

    def item(self, row: Mapping[str, Any]) -> Item:
        """The item of a row that was read already."""
        texts = [row[name][0]["content"] for name in MESSAGES]
        return self._item(*(row[name] for name in _FACTS), *texts)

    def _item(self, uid: str, part: int, sample: str, view: str, image: int, prompt: str, answer: str) -> Item:
        task = self.parts[part].task
        return Item(uid, part, task, load_sample(sample), load_view(view), prompt, answer, image, self.images)

    def __iter__(self) -> Iterator[Item]:
        # Row by row, Arrow costs more than all the rest of an item, and so do messages as dictionaries.
        for table in self.rows.with_format("arrow").iter(ROWS_AT_ONCE):
            facts = [table[name].to_pylist() for name in _FACTS]
            yield from map(self._item, *facts, *(first_contents(table[name]) for name in MESSAGES))


@dataclass(frozen=True)
class Prepared:
    """A finished folder that :func:`prepare_dataset` made.

    The folder is also a plain ``datasets.DatasetDict`` (``load_from_disk``); column ``image`` is a row of the table
    in the folder ``images`` beside it (``Dataset.from_file``, file after file), so that several questions about one
    slice share one picture.
    """

    folder: Path

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What the folder was made from, with counts and the reasons for everything left out."""
        return read_manifest(self.folder)

    @cached_property
    def parts(self) -> list[PartInfo]:
        """The parts of the mix, with their tasks as they were when the text was written."""
        return [
            PartInfo(
                name=part["name"],
                task=load_task(part["task"], part["task_options"]),
                source=part["source"],
                labels=tuple(part.get("labels", ())),  # a folder of an earlier release says neither
                datasets=tuple(part.get("datasets", ())),
            )
            for part in self.manifest["parts"]
        ]

    @cached_property
    def tables(self) -> datasets.DatasetDict:
        """Every split's rows, memory-mapped."""
        return open_rows(self.folder, self.manifest["samples"])

    @cached_property
    def images(self) -> datasets.Dataset:
        """Every distinct image once, memory-mapped."""
        return open_images(self.folder / IMAGES, self.manifest["images"])

    def rows(self, split: Split) -> datasets.Dataset:
        """Text rows of one split; none when the split is empty."""
        return self.tables[split] if split in self.tables else empty_rows()

    def items(self, split: Split) -> Items:
        """Rows of one split as typed items."""
        return Items(self.rows(split), self.images, self.parts)

    def training_set(self, split: Split) -> datasets.Dataset:
        """Rows of one split as TRL wants them: ``images``, ``prompt`` and ``completion``, images decoded on access.

        ``row`` is the place in :meth:`rows`, ``part`` the index into :attr:`parts`.
        """
        return numbered(self.rows(split)).with_transform(TrainingRows(self.images))

    def summary(self) -> list[dict[str, Any]]:
        """Samples, images and subjects per part and split."""
        summary: list[dict[str, Any]] = self.manifest["summary"]
        return summary


def numbered(rows: datasets.Dataset) -> datasets.Dataset:
    """What :class:`TrainingRows` needs of rows, with their places as ``row``: batches are named by it."""
    kept = rows.select_columns(["part", "image", "prompt", "completion"])
    return kept.add_column("row", np.arange(len(rows)))


@dataclass(frozen=True)
class TrainingRows:
    """Transform that attaches images; a class, so that data loader workers can pickle it."""

    images: datasets.Dataset

    def __call__(self, batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        """Rows with an ``image`` index in, rows with ``images`` out."""
        return {
            "images": [[picture(self.images, row)] for row in batch["image"]],
            "prompt": batch["prompt"],
            "completion": batch["completion"],
            "row": batch["row"],
            "part": batch["part"],
        }


def prepare_dataset(data: Data, family: ModelFamily, how: Prepare | None = None) -> Prepared:
    """Prepare a mix for one model family, or reuse what is in the cache.

    Args:
        data: which tasks from which sources, limits, split and cache.
        family: bound to the checkpoint's processor (:func:`medft_bm.models.load_model_family`).
        how: engine and worker processes; changes no byte of the result.

    Returns:
        The prepared dataset; its folder can be copied to another machine as it is.

    Raises:
        ConfigError: an unknown task, source or option.
        DataError: raw data is missing, broken or contradictory, or nothing is left to train on.
        DependencyError: a package is missing.
    """
    with no_garbage_search(), engine(how or Prepare()) as run:
        return Prepared(prepare_rows(data, family, run))


def open_prepared(folder: Path) -> Prepared:
    """A prepared dataset from its folder, wherever it was made.

    Raises:
        DataError: the folder is not a finished prepared dataset.
    """
    prepared = Prepared(folder)
    _ = prepared.manifest
    return prepared
