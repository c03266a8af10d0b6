"""What training makes of a row, by its own collator and checks, without the model's weights."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medft_bm.config.schema import Config
from medft_bm.core.errors import MedftError
from medft_bm.inspect.seen import picture_of
from medft_bm.inspect.tokens import Piece, pieces
from medft_bm.models.base import Loaded, ModelFamily
from medft_bm.models.cells import Cells
from medft_bm.models.checkpoint import unloadable
from medft_bm.plan.lengths import load_processor
from medft_bm.train.collate import MarkedBatches, marked_collator
from medft_bm.train.labels import Marks, check_batch
from medft_bm.train.settings import typed_sft

if TYPE_CHECKING:
    from medft_bm.prepare.dataset import Item

CHANGES_TEXT = ("chat_template_path", "eos_token")
"""Fields of ``train.sft`` with which the trainer changes the tokenizer together with the model."""


@dataclass(frozen=True)
class Fed:
    """One row as the model is fed it.

    Attributes:
        item: what was asked about which image.
        pieces: the whole sequence.
        image: ``(h, w, 3)`` grey levels of the image after the processor; ``None`` when it is not one image.
        problem: why training would refuse the row; empty when it would not.
    """

    item: Item
    pieces: list[Piece]
    image: NDArray[np.uint8] | None
    problem: str

    @property
    def loss_text(self) -> str:
        """Everything that carries loss."""
        return "".join(piece.text for piece in self.pieces if piece.kind == "loss")

    def count(self, kind: str) -> int:
        """Tokens of one kind."""
        return sum(piece.tokens for piece in self.pieces if piece.kind == kind)


@dataclass(frozen=True)
class Feeder:
    """Collates rows as the trainer does.

    Attributes:
        processor: of the checkpoint, within the pixel budget of the config.
        collate: as the trainer's.
        marks: token ids of the model.
        context: tokens that the model can attend to; ``None`` when it does not say.
        warnings: what training will do otherwise.
    """

    processor: Any
    collate: MarkedBatches
    marks: Marks
    context: int | None
    warnings: tuple[str, ...]

    @classmethod
    def of(cls, config: Config, family: ModelFamily) -> Feeder:
        """Of the checkpoint in ``config.model.name``, of which only JSON and the tokenizer are read.

        Raises:
            ConfigError: the checkpoint or a setting cannot be used.
            MedftError: no token of the model ends a turn.
        """
        sft = typed_sft(config.train.sft)
        processor = _within_budget(load_processor(config.model), family)
        model, generation = _settings(config)
        context = getattr(model.get_text_config(), "max_position_embeddings", None)
        changed = [f"train.sft.{name} changes tokens only together with the model: they are not shown so here"
                   for name in CHANGES_TEXT if sft.get(name)]  # fmt: skip
        return cls(processor, marked_collator(processor, sft), Marks.of(model, generation), context, tuple(changed))

    def feed(self, row: Mapping[str, Any], item: Item) -> Fed:
        """Collate one row.

        Args:
            row: as the trainer gets it, with ``images``, ``prompt`` and ``completion``.
            item: the same row, for the check.
        """
        batch = self.collate([dict(row)])
        image = picture_of(self.processor.image_processor, batch)
        there = batch["attention_mask"][0].bool()
        ids, labels = (batch[name][0][there].tolist() for name in ("input_ids", "labels"))
        made = pieces(self.processor.tokenizer, ids, labels, self.marks.image)
        return Fed(item, made, image, self._problem(batch, item) or _other_size(image, item))

    def _problem(self, batch: Any, item: Item) -> str:
        try:
            check_batch(self.processor, batch, [item], self.marks)
        except MedftError as error:
            return error.what
        return ""


def _other_size(image: NDArray[np.uint8] | None, item: Item) -> str:
    size = item.view.size
    if image is None or image.shape[:2] == (size.h, size.w):
        return ""
    made = f"{image.shape[0]} x {image.shape[1]}"
    return f"the processor made an image of {made} pixels, but its view promised {size.h} x {size.w}"


def _within_budget(processor: Any, family: ModelFamily) -> Any:
    """The processor with ``model.min_pixels`` and ``model.max_pixels`` in it, as loading the model would leave it."""
    cells = getattr(family, "cells", None)  # families of one fixed size refuse every other budget
    return cells.applied(Loaded(None, processor)).processor if isinstance(cells, Cells) else processor


def _settings(config: Config) -> tuple[Any, Any]:
    from transformers import AutoConfig, GenerationConfig

    name, revision = config.model.name, config.model.revision
    logging.getLogger("transformers").setLevel(logging.ERROR)
    try:
        model = AutoConfig.from_pretrained(name, revision=revision)
    except Exception as error:  # as when a model is loaded: damaged files raise anything
        raise unloadable(name, revision, error) from error
    try:
        generation = GenerationConfig.from_pretrained(name, revision=revision)
    except OSError:  # without this file transformers takes what config.json says
        generation = GenerationConfig.from_model_config(model)
    return model, generation
