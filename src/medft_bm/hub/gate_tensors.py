"""Weights against weights: which kind of layer differs most, and by how much."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medft_bm.core.errors import MedftError
from medft_bm.models.base import ModelFamily
from medft_bm.train.towers import tower_of

ROUNDING = {"float32": 0.0, "bfloat16": 2**-7}
"""Share of a number by which its stored form may be off: a sum that another device makes can fall to a neighbour."""
ALLOWED = 1e-5
"""Largest difference beyond that, as a share of the tensor's largest number: another order of the sum in float32."""
FIX = "nothing was sent; merge again, and check disk and memory of this machine if it happens twice"


@dataclass(frozen=True)
class Group:
    """One kind of layer in one tower.

    Attributes:
        name: like ``language q_proj``.
        tensors: in it.
        deviation: largest difference of one number beyond rounding, as a share of the largest number of its tensor.
        worst: name of that tensor.
    """

    name: str
    tensors: int
    deviation: float
    worst: str


def compare_tensors(wanted: Any, found: Any, family: ModelFamily, where: Path, dtype: str) -> tuple[Group, ...]:
    """How far apart two models of one architecture are, group by group.

    Raises:
        MedftError: more than rounding; names the group and its worst tensor.
    """
    groups: dict[str, Group] = {}
    for name, deviation in _deviations(wanted, found, ROUNDING[dtype]):
        group = f"{tower_of(name, family)} {_kind(name)}"
        known = groups.get(group, Group(group, 0, -1.0, name))
        worse = not deviation <= known.deviation  # so that a NaN is the worst
        groups[group] = Group(
            group, known.tensors + 1, deviation if worse else known.deviation, name if worse else known.worst
        )
    ordered = sorted(groups.values(), key=lambda one: (-_number(one.deviation), one.name))
    if not ordered[0].deviation <= ALLOWED:
        off = [one for one in ordered if not one.deviation <= ALLOWED]
        raise MedftError(
            f"weights differ from base plus adapter in {', '.join(one.name for one in off[:5])}: most in "
            f"{off[0].worst}, by {off[0].deviation:.2g} of its largest number (allowed: {ALLOWED:.2g})",
            where=str(where),
            fix=FIX,
        )
    return tuple(ordered)


def require_alive(folder: Path, *, trained: bool = True) -> None:
    """Whether an adapter consists of numbers, and of others than those it began with.

    Args:
        folder: of the adapter.
        trained: whether it must have moved from where it began.

    Raises:
        MedftError: it does not.
    """
    from safetensors import safe_open

    moved = False
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            for name in file.keys():  # noqa: SIM118 - it is no mapping
                tensor = file.get_tensor(name)
                if not bool(tensor.isfinite().all()):
                    fix = "train again with a lower train.lr"
                    raise MedftError(f"{_kind(name)}: {name} holds what is no number", where=str(path), fix=fix)
                moved = moved or ("lora_A" not in name and bool(tensor.any()))
    if trained and not moved:
        raise MedftError("the adapter changes nothing: all of lora_B is 0", where=str(folder), fix="train first")


def _deviations(wanted: Any, found: Any, rounding: float) -> Iterator[tuple[str, float]]:
    ours, theirs = wanted.state_dict(), found.state_dict()
    for name in sorted(ours.keys() | theirs.keys()):
        if name not in ours or name not in theirs or ours[name].shape != theirs[name].shape:
            yield name, math.inf
            continue
        one, other = ours[name].float().cpu(), theirs[name].float().cpu()
        if one.numel():
            scale = max(float(one.abs().max()), float(other.abs().max()), 1e-12)
            beyond = ((one - other).abs() - rounding * one.abs()).clamp(min=0)
            yield name, float(beyond.max()) / scale


def _kind(name: str) -> str:
    """The kind of layer that a weight belongs to, whatever its number: ``q_proj``."""
    parts = [part for part in name.split(".") if not part.isdigit() and part not in ("weight", "bias", "default")]
    return next((part for part in reversed(parts) if not part.startswith("lora_")), name)


def _number(value: float) -> float:
    return math.inf if math.isnan(value) else value
