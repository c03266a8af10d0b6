"""Adapters change what the model says, and all that is trained is saved under names that load again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from medft_bm.core.errors import MedftError
from medft_bm.train.rehearsal import Rehearsal

NUDGE = 0.02
"""Added to one half of every adapter: of the size that the other half starts with."""


def check_effect(rehearsal: Rehearsal) -> str:
    """Nudge the adapters, and the loss of a real batch changes; the weights are put back bit for bit.

    Args:
        rehearsal: a trainer that is about to start, with a batch.

    Returns:
        One line for the report.

    Raises:
        MedftError: the adapters do nothing.
    """
    before = rehearsal.loss()
    with nudged(rehearsal.trainer.model) as count:
        after = rehearsal.loss()
    if before == after:
        raise MedftError(
            f"the loss stays at {before:.6g} whatever the {count} adapters say",
            where="lora",
            fix="they are switched off or not on the way to the loss: report the versions in environment.json",
        )
    return f"a nudge of {NUDGE} to {count} adapters moves the loss from {before:.4g} to {after:.4g}"


@contextmanager
def nudged(model: Any) -> Iterator[int]:
    """All adapters moved a little, and how many they are."""
    import torch

    halves = [weight for name, weight in model.named_parameters() if ".lora_B." in name]
    kept = [half.detach().clone() for half in halves]
    try:
        with torch.no_grad():
            for half in halves:
                half.add_(NUDGE)
        yield len(halves)
    finally:
        with torch.no_grad():
            for half, value in zip(halves, kept, strict=True):
                half.copy_(value)


def check_names(model: Any, saved: Mapping[str, Any]) -> str:
    """PEFT finds a place for all that would be saved, and all that is trained is among it.

    Args:
        model: as wrapped by PEFT.
        saved: what :func:`saved_weights` says; the model's own values are loaded, so that it stays as it is.

    Returns:
        One line for the report.

    Raises:
        MedftError: a weight that would be lost when saving or loading.
    """
    from peft import set_peft_model_state_dict

    try:
        found = set_peft_model_state_dict(model, dict(saved))
    except KeyError as error:  # a module that is trained whole
        raise _lost([str(error.args[0])]) from error
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    if lost := sorted(trained & set(found.missing_keys)) or found.unexpected_keys:
        raise _lost(lost)
    return f"all {len(saved)} saved tensors load again, and with them all {len(trained)} trained ones"


def saved_weights(model: Any) -> dict[str, Any]:
    """Names and values that PEFT would write; the values share memory with the model."""
    from peft import get_peft_model_state_dict

    # Left to itself PEFT asks the Hub whether the vocabulary has grown, which it never does here.
    saved: dict[str, Any] = get_peft_model_state_dict(model, save_embedding_layers=False)
    return saved


def _lost(names: Sequence[str]) -> MedftError:
    return MedftError(
        f"{len(names)} weights would be lost between saving and loading, like {names[0]}",
        where="the adapter",
        fix="report the versions in environment.json; another version of peft may keep them",
    )
