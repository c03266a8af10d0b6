"""The loss sees the answer and its end of turn, and nothing else; proven on the trainer's own batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from medft_bm.core.errors import MedftError

if TYPE_CHECKING:
    from medft_bm.prepare.dataset import Item


@dataclass(frozen=True)
class LabelReport:
    """What was checked.

    Attributes:
        rows: how many.
        supervised: tokens that carry loss, over those rows.
        tokens: tokens, over those rows, padding left out.
        example: one supervised text.
    """

    rows: int
    supervised: int
    tokens: int
    example: str

    def __str__(self) -> str:
        return f"{self.supervised} of {self.tokens} tokens in {self.rows} rows carry loss, like {self.example!r}"


@dataclass(frozen=True)
class Marks:
    """Token ids that the check needs.

    Attributes:
        image: stands for a piece of the image.
        ends: any of these ends a turn.
    """

    image: int
    ends: frozenset[int]

    @classmethod
    def of(cls, config: Any, generation: Any) -> Marks:
        """The ids of a model.

        Args:
            config: of transformers, as in ``config.json``.
            generation: of transformers, as in ``generation_config.json``.

        Raises:
            MedftError: no token ends a turn.
        """
        ends = generation.eos_token_id
        if ends is None:
            raise MedftError(
                "the model does not say which token ends a turn, so it could never learn to stop",
                where="generation_config.json",
                fix="set eos_token_id there, as the published checkpoint has it",
            )
        return cls(config.image_token_id, frozenset([ends] if isinstance(ends, int) else ends))


def check_labels(trainer: Any, items: Sequence[Item], n: int = 8) -> LabelReport:
    """Collate ``n`` rows, spread over the training set, as training will, and look at what carries loss.

    Args:
        trainer: an ``SFTTrainer``, ready to train.
        items: of the same split, in the same order as ``trainer.train_dataset``.
        n: rows to look at.

    Raises:
        MedftError: a label outside answer and end of turn, a missing one, a supervised image token, or another
            number of image tokens than the view promised.
    """
    if len(items) != len(trainer.train_dataset):
        raise MedftError(f"{len(items)} items do not describe {len(trainer.train_dataset)} training rows")
    marks = Marks.of(trainer.model.config, trainer.model.generation_config)
    picks = spread(len(items), n)
    batch = trainer.data_collator([trainer.train_dataset[pick] for pick in picks])
    texts = check_batch(trainer.processing_class, batch, [items[pick] for pick in picks], marks)
    supervised, tokens = int((batch["labels"] != -100).sum()), int(batch["attention_mask"].sum())
    return LabelReport(len(picks), supervised, tokens, texts[0])


def spread(size: int, n: int) -> list[int]:
    """At most ``n`` places of 0..``size`` - 1, evenly spread, first and last among them."""
    places: list[int] = np.unique(np.linspace(0, size - 1, min(n, size)).round().astype(int)).tolist()
    return places


def check_batch(processor: Any, batch: Any, items: Sequence[Item], marks: Marks) -> list[str]:
    """What carries loss in a batch, as text, row by row.

    Args:
        processor: that made the batch.
        batch: as the collator made it.
        items: of its rows.
        marks: of the model.

    Raises:
        MedftError: see :func:`check_labels`.
    """
    _check_token_types(processor, batch, marks)
    rows = zip(batch["input_ids"].tolist(), batch["labels"].tolist(), items, strict=True)
    return [_check_row(processor.tokenizer, ids, labels, item, marks) for ids, labels, item in rows]


def _check_row(tokenizer: Any, ids: list[int], labels: list[int], item: Item, marks: Marks) -> str:
    supervised = [label for label in labels if label != -100]
    said = tokenizer.decode(supervised)
    if marks.image in supervised:
        raise MedftError("an image token carries loss", where=f"sample {item.uid}", fix=FIX)
    if any(label not in (-100, token) for label, token in zip(labels, ids, strict=True)):
        raise MedftError("a label differs from the token at its place", where=f"sample {item.uid}", fix=FIX)
    if (seen := ids.count(marks.image)) != item.view.image_tokens:
        raise MedftError(
            f"the image became {seen} tokens, but its view promised {item.view.image_tokens}",
            where=f"sample {item.uid}",
            fix="the prepared dataset belongs to another checkpoint or processor: prepare it again",
        )
    ends = [at for at, label in enumerate(supervised) if label in marks.ends]
    answer = tokenizer.decode(supervised[: ends[0]]) if ends else None
    rest = tokenizer.decode(supervised[ends[0] + 1 :]) if ends else ""
    if answer != item.answer_text or rest.strip():
        what = f"the loss sees {said!r} instead of the answer {item.answer_text!r} and an end of turn"
        raise MedftError(what, where=f"sample {item.uid}", fix=FIX)
    return str(said)


def _check_token_types(processor: Any, batch: Any, marks: Marks) -> None:
    # Without this tensor both families still train, with another attention or other positions over the image.
    names = {"token_type_ids", "mm_token_type_ids"} & set(processor.model_input_names)
    for name in names:
        if name not in batch or not ((batch[name] != 0) == (batch["input_ids"] == marks.image)).all():
            raise MedftError(f"the batch does not mark its image tokens in {name!r}", fix=FIX)


FIX = "this is a bug here or in the installed trl and transformers: report the versions in environment.json"
