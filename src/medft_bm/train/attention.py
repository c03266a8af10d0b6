"""Does the attention that trains compute what plain attention computes? Asked on a real batch before training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from medft_bm.core.errors import MedftError

TOLERANCE = {"float32": 1e-3, "bfloat16": 0.1}
"""Share of the logits' spread that rounding may move them by; measured on 32 random layers: 1e-6 and 2.4e-2."""

IMAGE_MARKS = ("token_type_ids", "mm_token_type_ids")
"""Inputs that tell image tokens from text; with all of them 0 a model still runs, by other masks or positions."""

PICTURE = ("pixel_", "image_")
"""Beginnings of the names of inputs that hold the image itself."""


def check_attention(trainer: Any, batch: Mapping[str, Any]) -> str:
    """Compare the logits at every answer token under ``model.attention`` with those under eager attention.

    An implementation that cannot express a mask leaves it out without an error. Rounding may move the logits, but not
    to where eager attention has them that does not know which tokens are the image.

    Args:
        trainer: about to start; its weights are on the device of the batch, in one piece.
        batch: as collated, with ``labels``.

    Returns:
        One line for a report.

    Raises:
        MedftError: the logits differ.
    """
    model, name = trainer.model, trainer.model.config._attn_implementation
    if name == "eager":
        return "eager is the reference itself"
    with _evaluating(trainer):
        said = _answers(model, batch)
        with _eager(model):
            reference = _answers(model, batch)
            all_text = {name: batch[name].new_zeros(batch[name].shape) for name in IMAGE_MARKS if name in batch}
            blind = _answers(model, {**batch, **all_text})
    spread = float(reference.std())
    apart, lost, nearer = (_rms(a - b) / spread for a, b in ((said, reference), (blind, reference), (said, blind)))
    dtype = "bfloat16" if trainer.args.bf16 or str(model.dtype) == "torch.bfloat16" else "float32"
    if apart <= TOLERANCE[dtype] and apart <= 2 * nearer:  # written so that a NaN fails
        return (
            f"{name} agrees with eager on {len(said)} answer tokens: {apart:.1e} of the logits' spread, where image "
            f"tokens taken for text would make {lost:.1e}"
        )
    raise MedftError(
        f"{name} attention does not compute what eager attention computes: logits of answers differ by {apart:.2g} of "
        f"their spread (allowed: {TOLERANCE[dtype]:g}), from a model that takes image tokens for text by {nearer:.2g}",
        where="model.attention",
        fix="use sdpa or eager; other versions of transformers, torch or flash-attn may be at fault",
    )


def _answers(model: Any, batch: Mapping[str, Any]) -> Any:
    """``(answer tokens, vocabulary)`` in float32, each predicted from the position before it."""
    known = (*IMAGE_MARKS, "input_ids", "attention_mask")
    inputs = {name: value for name, value in batch.items() if name in known or name.startswith(PICTURE)}
    answers = batch["labels"][:, 1:] != -100
    places = answers.any(dim=0).nonzero().squeeze(-1)
    logits = model(**inputs, logits_to_keep=places, use_cache=False).logits
    return logits[answers[:, places]].float()


def _rms(values: Any) -> float:
    return float(values.square().mean().sqrt())


@contextmanager
def _evaluating(trainer: Any) -> Iterator[None]:
    """Without dropout and gradients, in the precision of training."""
    import torch

    mode = trainer.model.training
    trainer.model.eval()
    try:
        with torch.no_grad(), trainer.accelerator.autocast():
            yield
    finally:
        trainer.model.train(mode)


@contextmanager
def _eager(model: Any) -> Iterator[None]:
    config = model.config
    towers = {name: getattr(config, name)._attn_implementation for name in config.sub_configs}
    before = {"": config._attn_implementation, **towers}
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)
