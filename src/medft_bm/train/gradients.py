"""Every weight that is to be trained gets a gradient, and the loss it comes from is a number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from medft_bm.core.errors import MedftError
from medft_bm.models.base import ModelFamily
from medft_bm.train.rehearsal import Rehearsal, untouched
from medft_bm.train.towers import tower_of

PAIRS = {"lora_A": "lora_B", "lora_B": "lora_A", "lora_embedding_A": "lora_embedding_B"}
"""Halves of an adapter. The gradient of one is a multiple of the other, and one starts at zero."""
NAMED = 5


def check_gradients(rehearsal: Rehearsal, family: ModelFamily) -> str:
    """One forward and backward over a real batch, in the dtype and on the device of training.

    A gradient of zero is right for half of an adapter whose other half is zero. Single weights outside adapters are
    only named, since some have none by nature, like the bias of keys in front of a softmax; a whole tower of them is
    refused.

    Args:
        rehearsal: a trainer that is about to start, with a batch.
        family: of the model.

    Returns:
        One line for the report.

    Raises:
        MedftError: a loss or gradient that is no number, or a weight that would never change.
    """
    model = rehearsal.trainer.model
    with untouched(rehearsal.trainer):
        loss = rehearsal.step()
        if not math.isfinite(loss):
            raise _no_number(f"the loss of the first batch is {loss}", model)
        largest, cut_off = _largest(model)
    if broken := [name for name, value in largest.items() if not math.isfinite(value)]:
        raise _no_number(f"the gradients of {len(broken)} weights are no numbers, like that of {broken[0]}", model)
    still = cut_off + [name for name, value in largest.items() if not value and not _half_of_a_zero(name, model)]
    _require_moving(still, [*cut_off, *largest], family)
    count = len(cut_off) + len(largest)
    moving = (
        f"all but {len(still)} of {count} trained tensors: none on {_few(still)}"
        if still
        else f"all {count} trained tensors"
    )
    return f"loss {loss:.4g}; finite gradients on {moving}"


def _largest(model: Any) -> tuple[dict[str, float], list[str]]:
    """Largest absolute gradient of every trained weight, read in one go; and the weights that no gradient reached."""
    import torch

    trained = [(name, weight.grad) for name, weight in model.named_parameters() if weight.requires_grad]
    reached = {name: grad for name, grad in trained if grad is not None}
    sizes = [torch.linalg.vector_norm(grad, math.inf, dtype=torch.float32) for grad in reached.values()]
    values = torch.stack(sizes).tolist() if sizes else []
    return dict(zip(reached, values, strict=True)), [name for name, grad in trained if grad is None]


def _half_of_a_zero(name: str, model: Any) -> bool:
    for half, other in PAIRS.items():
        if f".{half}." in name:
            return not model.get_parameter(name.replace(f".{half}.", f".{other}.")).any()
    return False


def _require_moving(still: list[str], trained: list[str], family: ModelFamily) -> None:
    adapters = [name for name in still if ".lora_" in name]
    towers = _by_tower(trained, family)
    dead = [part for part, names in _by_tower(still, family).items() if len(names) == len(towers[part])]
    if not adapters and not dead:
        return
    what = f"the {dead[0]} tower" if dead else f"{len(adapters)} adapter tensors"
    raise MedftError(
        f"the loss sends no gradient to {what}, which would never change: {_few(adapters or still)}",
        where=f"towers.{dead[0]}.train" if dead else "towers",
        fix="they are cut off from the loss; freeze that tower, or report the versions in environment.json",
    )


def _by_tower(names: list[str], family: ModelFamily) -> Mapping[str, list[str]]:
    towers: dict[str, list[str]] = {}
    for name in names:
        towers.setdefault(tower_of(name, family), []).append(name)
    return towers


def _no_number(what: str, model: Any) -> MedftError:
    import torch

    bad = [name for name, weight in model.named_parameters() if not torch.isfinite(weight).all()]
    if bad:
        fix = "download or save the checkpoint again"
        return MedftError(f"{what}, because of weights that are no numbers: {_few(bad)}", where="model.name", fix=fix)
    fix = "use model.dtype=float32 or look for broken images in the first rows; see startup.json"
    return MedftError(what, where="the first step", fix=fix)


def _few(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
