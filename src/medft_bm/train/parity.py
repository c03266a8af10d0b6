"""Do two versions of a model say the same? Compare their logits at every text position of real prompts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medft_bm.core.errors import MedftError
from medft_bm.models.base import Loaded
from medft_bm.models.chat import encode_prompts, prompt_messages

if TYPE_CHECKING:
    from medft_bm.prepare.dataset import Item


@dataclass(frozen=True)
class Tolerance:
    """What rounding may do.

    Attributes:
        share: of the largest logit; rounding errors grow with the numbers they are made on.
        agreement: share of positions whose likeliest token stays the same.
    """

    share: float
    agreement: float


TOLERANCES = {
    # Measured on tiny models: 6e-7 on logits of about 1, where an adapter changes them by 0.6 to 1.
    "float32": Tolerance(1e-3, 0.999),
    # Measured on tiny models: 1.4e-2. One bfloat16 number is 2**-8 from the next, relatively, and 30 layers add up;
    # where two tokens are equally likely, rounding decides between them: 9 % of the positions of a random model.
    "bfloat16": Tolerance(0.1, 0.8),
}


NOISE = 1e-4
"""Share of the largest logit below which arithmetic in float32 cannot be told from an effect."""


@dataclass(frozen=True)
class Parity:
    """How far apart two sets of logits are.

    Attributes:
        largest: absolute difference of one logit.
        scale: largest absolute logit of the reference.
        agreement: share of positions with the same likeliest token.
        positions: compared.
    """

    largest: float
    scale: float
    agreement: float
    positions: int

    def required(self, dtype: str, what: str, where: Path) -> Parity:
        """This parity, if it is within the tolerance of ``dtype``.

        Args:
            dtype: of the arithmetic.
            what: is compared.
            where: it comes from.

        Raises:
            MedftError: it is not.
        """
        allowed = TOLERANCES[dtype]
        most = allowed.share * max(1.0, self.scale)
        # Written so that a NaN fails.
        if self.largest <= most and self.agreement >= allowed.agreement:
            return self
        raise MedftError(
            f"{what} does not say the same: logits differ by up to {self.largest:.3g} where the largest is "
            f"{self.scale:.3g}, and {self.agreement:.1%} of {self.positions} positions agree on the next token "
            f"(allowed: {most:.3g}, {allowed.agreement:.1%})",
            where=str(where),
            fix="nothing was written; check that base model and adapter belong together",
        )


@dataclass(frozen=True)
class Probes:
    """Encoded prompts, and which of their positions are compared."""

    batches: list[Any]
    image_token: int

    @classmethod
    def encode(cls, loaded: Loaded, items: Sequence[Item]) -> Probes:
        """One batch per item: padding would only add positions that mean nothing."""
        batches = [
            encode_prompts(loaded.processor, [prompt_messages(item.prompt_text)], [item.image]) for item in items
        ]
        return cls(batches, loaded.model.config.image_token_id)

    def logits(self, model: Any) -> Any:
        """``(positions, vocabulary)`` in float32 on the CPU, image placeholders left out."""
        import torch

        rows = []
        with torch.inference_mode():
            for batch in self.batches:
                inputs = {
                    name: value.to(model.device, model.dtype if value.is_floating_point() else None)
                    for name, value in batch.items()
                }
                out = model(**inputs).logits[0].float().cpu()
                rows.append(out[batch["input_ids"][0] != self.image_token])
        return torch.cat(rows)


def compare(reference: Any, other: Any) -> Parity:
    """Largest difference and agreement of two sets of logits; of another shape they agree nowhere."""
    if reference.shape != other.shape:  # another template or vocabulary
        return Parity(math.inf, float(reference.abs().max()), 0.0, len(reference))
    return Parity(
        largest=float((reference - other).abs().max()),
        scale=float(reference.abs().max()),
        agreement=float((reference.argmax(-1) == other.argmax(-1)).float().mean()),
        positions=len(reference),
    )


def share_kept(base: Any, adapted: Any, merged: Any) -> float:
    """How much of the step from ``base`` to ``adapted`` the step from ``base`` to ``merged`` makes.

    The length of one step's projection onto the other, as a share. Rounding errors point anywhere and hardly change
    it, so that it tells a lost adapter from a small one where the largest difference cannot.
    """
    step = adapted - base
    return float(((merged - base) * step).sum() / (step * step).sum())
