"""From the losses of single tokens to one number: what weighs how much, and what each part of the mix has.

A table of losses has one line per sample, in float64: row, part, summed loss of its tokens, number of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypeAlias

import torch

LossKind: TypeAlias = Literal["token", "sample", "task"]

WEIGHTS = "weights"
"""Name in a batch of what every token loss of a sample is multiplied by."""
IGNORED = -100


def weigh(batches: Sequence[Any], kind: LossKind, parts: int, total: Callable[[Any], Any]) -> Any:
    """Put ``weights`` into the batches of one optimiser step, and count what their weighted sum is divided by.

    With ``T`` supervised tokens in sample ``s``, ``N`` samples with such tokens in the step, over all micro-batches
    and processes, ``N_p`` of them from part ``p``, and ``P`` parts among them, the loss of a step is::

        token   sum_s sum_t nll[s, t] / sum_s T[s]                           (as TRL counts; not for this function)
        sample  sum_s (sum_t nll[s, t] / T[s]) / N
        task    sum_p (sum_{s in p} (sum_t nll[s, t] / T[s]) / N_p) / P

    Args:
        batches: of this process; ``(batch, tokens)`` labels and ``(batch,)`` parts in each.
        kind: ``sample`` or ``task``.
        parts: of the mix.
        total: sum over all processes.

    Returns:
        ``N`` or ``P``, the same on every process.
    """
    lengths = [batch["labels"][:, 1:].ne(IGNORED).sum(1) for batch in batches]  # nothing predicts the first token
    counts = torch.zeros(parts, device=lengths[0].device)
    for batch, length in zip(batches, lengths, strict=True):
        counts.index_add_(0, batch["part"], length.gt(0).float())
    counts = total(counts)
    of_part = 1 / counts.clamp(min=1) if kind == "task" else torch.ones_like(counts)
    for batch, length in zip(batches, lengths, strict=True):
        batch[WEIGHTS] = of_part[batch["part"]] / length.clamp(min=1)
    return counts.gt(0).sum() if kind == "task" else counts.sum()


def loss_table(log_probs: Any, label_mask: Any, row: Any, part: Any) -> Any:
    """``(batch, 4)`` table of a batch.

    Args:
        log_probs: ``(batch, tokens)``, zero where a token is not supervised.
        label_mask: ``(batch, tokens)``, which tokens are.
        row: ``(batch,)``.
        part: ``(batch,)``.
    """
    nll = -log_probs.detach().double().sum(1)
    return torch.stack([row.double(), part.double(), nll, label_mask.sum(1).double()], 1)


def part_sums(table: Any, kind: LossKind, parts: int) -> Any:
    """``(parts, 2)``: summed losses, and how many there are: of tokens, or of samples."""
    _, part, nll, tokens = table.unbind(1)
    if kind != "token":
        nll, tokens = nll / tokens.clamp(min=1), tokens.gt(0).double()
    return table.new_zeros(parts, 2).index_add_(0, part.long(), torch.stack([nll, tokens], 1))


def part_losses(sums: Any, names: Iterable[str]) -> dict[str, float]:
    """``loss/NAME`` of every part that was seen: the mean over its tokens, or over its samples."""
    lines = zip(names, sums.tolist(), strict=True)
    return {f"loss/{name}": loss / count for name, (loss, count) in lines if count}


def overall_loss(sums: Any, kind: LossKind) -> float:
    """The loss that is trained on, over everything that was summed."""
    seen = sums[sums[:, 1] > 0]
    if kind == "task":
        return float((seen[:, 0] / seen[:, 1]).mean())
    return float(seen[:, 0].sum() / seen[:, 1].sum())
