"""Greedy replies of two models to the same questions: the same, except where two words are equally likely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medft_bm.core.errors import MedftError
from medft_bm.evaluate.backends.transformers import GREEDY
from medft_bm.models.base import Loaded
from medft_bm.models.chat import encode_prompts, prompt_messages
from medft_bm.train.parity import TOLERANCES

if TYPE_CHECKING:
    from medft_bm.prepare.dataset import Item


@dataclass(frozen=True)
class Said:
    """One greedy reply.

    Attributes:
        uid: of the question.
        tokens: of the reply.
        logits: ``(tokens, vocabulary)`` in float32 on the CPU.
    """

    uid: str
    tokens: list[int]
    logits: Any


@dataclass(frozen=True)
class Agreement:
    """How far two models say the same.

    Attributes:
        asked: questions.
        identical: replies that are the same, token by token.
        gap: by how much the reference preferred its token to the other one where replies part; the largest of them, and
            0 when none do.
    """

    asked: int
    identical: int
    gap: float


def replies_of(loaded: Loaded, items: Sequence[Item], tokens: int) -> list[Said]:
    """What a model says to these questions, one by one.

    Args:
        loaded: model and processor.
        items: prepared rows.
        tokens: longest reply.
    """
    return [_said(loaded, item, tokens) for item in items]


def compare_replies(reference: Sequence[Said], other: Sequence[Said], dtype: str, where: Path) -> Agreement:
    """Agreement on every reply up to the first token that rounding may have chosen.

    Raises:
        MedftError: the models part where the reference had a clear choice.
    """
    gaps = {one.uid: _gap(one, two) for one, two in zip(reference, other, strict=True) if one.tokens != two.tokens}
    worst = max(gaps, key=lambda uid: gaps[uid], default="")
    allowed = TOLERANCES[dtype].share * max(1.0, *(float(one.logits.abs().max()) for one in reference))
    if gaps and not gaps[worst] <= allowed:
        raise MedftError(
            f"{len(gaps)} of {len(reference)} greedy replies differ; the logits of the two tokens where they part are "
            f"up to {gaps[worst]:.3g} from each other (allowed: {allowed:.3g})",
            where=f"{where}, sample {worst}",
            fix="nothing was sent; merge again, and check that base model and adapter belong together",
        )
    return Agreement(len(reference), len(reference) - len(gaps), gaps.get(worst, 0.0))


def _gap(reference: Said, other: Said) -> float:
    """How much likelier its own token was for the reference, in logits, where the replies part."""
    pairs = zip(reference.tokens, other.tokens, strict=False)
    place = next((n for n, (one, two) in enumerate(pairs) if one != two), None)
    if place is None:  # one ends where the other goes on, which only another end-of-turn token can do
        return float("inf")
    logits = reference.logits[place]
    return float(logits[reference.tokens[place]] - logits[other.tokens[place]])


def _said(loaded: Loaded, item: Item, tokens: int) -> Said:
    import torch

    model = loaded.model
    encoded = encode_prompts(loaded.processor, [prompt_messages(item.prompt_text)], [item.image])
    encoded = encoded.to(model.device, dtype=model.dtype)
    with torch.inference_mode():
        out = model.generate(
            **encoded,
            **GREEDY,
            max_new_tokens=tokens,
            use_cache=True,
            return_dict_in_generate=True,
            output_logits=True,
        )
    said = out.sequences[0, encoded["input_ids"].shape[1] :].tolist()
    return Said(item.uid, said, torch.cat(out.logits).float().cpu())
