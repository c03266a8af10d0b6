"""How long the training samples are in tokens, image and text apart, by the real processor."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from medft_bm.config.training import Model
from medft_bm.core.errors import DataError
from medft_bm.core.types import Split
from medft_bm.models.chat import answer_messages, prompt_messages, prompt_texts
from medft_bm.models.checkpoint import unloadable
from medft_bm.plan.trace import Largest
from medft_bm.train.sampling import Ints, row_lengths

if TYPE_CHECKING:
    from medft_bm.prepare.dataset import Prepared

SPREAD, LONGEST = 2000, 200
"""Rows whose text is encoded where there are more: evenly spread ones, and those with the longest text."""
PERCENTILES = {"min": 0, "p50": 50, "p90": 90, "p99": 99, "max": 100}


@dataclass(frozen=True)
class Lengths:
    """Tokens of the rows that were encoded.

    Attributes:
        rows: of the split.
        places: ``(n,)`` which rows were encoded.
        image: ``(n,)`` image tokens of each.
        text: ``(n,)`` all other tokens of each, with those of the chat template.
        answer: ``(n,)`` tokens of ``text`` that have a loss.
        pixels: ``(n, 2)`` height and width of the image as the model sees it.
        spread: how many of them, at the front, stand for the split as a whole; the others are its longest.
    """

    rows: int
    places: Ints
    image: Ints
    text: Ints
    answer: Ints
    pixels: Ints
    spread: int

    @cached_property
    def total(self) -> Ints:
        """``(n,)`` tokens of every sequence."""
        return self.image + self.text

    @property
    def longest(self) -> int:
        """Position in ``places`` of the longest row."""
        return int(self.total.argmax())

    def percentiles(self) -> dict[str, dict[str, int]]:
        """Of image, text, answer and whole sequence."""
        columns = {"image": self.image, "text": self.text, "answer": self.answer, "sequence": self.total}
        return {name: self._percentiles(values) for name, values in columns.items()}

    def histogram(self) -> list[tuple[int, int, float]]:
        """Image tokens: from, to, and the share of samples in between; a bin per value where there are few."""
        values = self.image[: self.spread]
        distinct, counts = np.unique(values, return_counts=True)
        if len(distinct) <= 8:
            return [(int(v), int(v), float(n / len(values))) for v, n in zip(distinct, counts, strict=True)]
        counts, edges = np.histogram(values, bins=8)
        tops = [*np.ceil(edges[1:-1]).astype(int) - 1, int(edges[-1])]
        return [
            (int(np.ceil(low)), int(top), float(n / len(values)))
            for low, top, n in zip(edges[:-1], tops, counts, strict=True)
        ]

    def means(self, patch: int | None) -> dict[str, float]:
        """What one sample has on average, by the names in :data:`medft_bm.train.flops.COUNTS`.

        Args:
            patch: side of a patch of the vision tower, in pixels; ``None``: unknown, and counted as none.
        """
        mine = slice(self.spread)
        patches = (self.pixels[mine] // patch).prod(1) if patch else np.zeros(self.spread)
        tokens = self.total[mine]
        counts = {
            "samples": np.ones(self.spread),
            "tokens": tokens,
            "answer_tokens": self.answer[mine],
            "image_tokens": self.image[mine],
            "patches": patches,
            "token_pairs": tokens.astype(float) ** 2,
            "patch_pairs": patches.astype(float) ** 2,
        }
        return {name: float(values.mean()) for name, values in counts.items()}

    def _percentiles(self, values: Ints) -> dict[str, int]:
        found = {name: np.percentile(values[: self.spread], share) for name, share in PERCENTILES.items()}
        found["max"] = values.max()  # the longest rows are among those that were encoded
        return {name: round(float(value)) for name, value in found.items()}


def read_lengths(prepared: Prepared, processor: Any, split: Split = "train") -> Lengths:
    """Encode the text of the rows of a split.

    Args:
        prepared: rows; image tokens come from what they say the model sees.
        processor: of the checkpoint.
        split: whose rows.

    Raises:
        DataError: no such rows.
    """
    rows, named = prepared.rows(split), {"train": "training"}.get(split, split)
    if not len(rows):
        raise DataError(f"there are no {named} rows", where=str(prepared.folder), fix="see data.limit and data.split")
    places, spread = _chosen(rows)
    picked = rows.select(places.tolist())
    views = [json.loads(view) for view in picked["view"]]
    pixels = np.array([(view["size"]["h"], view["size"]["w"]) for view in views])
    image = np.array([view["image_tokens"] for view in views])
    prompts, wholes = _texts(processor, picked)
    whole, prompt = (np.array(_counts(processor, texts)) for texts in (wholes, prompts))
    around = _around(processor, wholes[0], pixels[0], whole[0] + image[0])
    return Lengths(len(rows), places, image, whole + around, whole - prompt, pixels, spread)


def largest(lengths: Lengths, prepared: Prepared, processor: Any) -> Largest:
    """The longest row as the processor encodes it, with an empty image of its size."""
    place = lengths.longest
    row = prepared.rows("train").select([int(lengths.places[place])])
    batch = _encoded(processor, _texts(processor, row)[1][0], lengths.pixels[place])
    known = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids")
    seen = {name: value for name, value in batch.items() if name not in known}
    return Largest(int(lengths.text[place]), int(lengths.image[place]), int(lengths.answer[place]), seen)


def load_processor(model: Model) -> Any:
    """The checkpoint's processor; needs no weights.

    Raises:
        ConfigError: it cannot be loaded.
    """
    from transformers import AutoProcessor

    logging.getLogger("transformers").setLevel(logging.ERROR)
    try:
        return AutoProcessor.from_pretrained(model.name, revision=model.revision)
    except Exception as error:  # as when a model is loaded: tokenizers raise anything
        raise unloadable(model.name, model.revision, error) from error


def _chosen(rows: Any) -> tuple[Ints, int]:
    if len(rows) <= SPREAD:
        return np.arange(len(rows)), len(rows)
    even = np.linspace(0, len(rows) - 1, SPREAD).round().astype(np.int64)
    longest = np.argsort(row_lengths(rows))[-LONGEST:]
    return np.concatenate([even, longest]), SPREAD


def _texts(processor: Any, rows: Any) -> tuple[list[str], list[str]]:
    """Prompts up to where the model speaks, and whole conversations, as the chat template writes them."""
    asked = [prompt_messages(turn[0]["content"]) for turn in rows["prompt"]]
    told = [answer_messages(turn[0]["content"]) for turn in rows["completion"]]
    pairs = zip(asked, told, strict=True)
    wholes = [str(processor.apply_chat_template([*ask, *tell], tokenize=False)) for ask, tell in pairs]
    return prompt_texts(processor, asked), wholes


def _counts(processor: Any, texts: Sequence[str]) -> list[int]:
    return [len(ids) for ids in processor.tokenizer(list(texts), add_special_tokens=False)["input_ids"]]


def _around(processor: Any, text: str, pixels: Any, counted: int) -> int:
    """Tokens that a processor puts around those of an image, less the placeholder it replaces; the same everywhere."""
    return int(_encoded(processor, text, pixels)["input_ids"].shape[1]) - int(counted)


def _encoded(processor: Any, text: str, pixels: Any) -> Any:
    from PIL import Image

    picture = Image.new("RGB", (int(pixels[1]), int(pixels[0])))  # of the size that the model sees already
    return processor(
        text=[text],
        images=[[picture]],
        images_kwargs={"do_resize": False},
        add_special_tokens=False,
        return_tensors="pt",
    )
