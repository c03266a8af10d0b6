"""Which tower of a model is trained, how, and at which learning rate."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

from medft_bm.config.schema import Config
from medft_bm.core.errors import ConfigError
from medft_bm.models.base import ModelFamily, Part

Mode: TypeAlias = Literal["frozen", "lora", "full"]
PARTS: tuple[Part, ...] = ("language", "projector", "vision")


@dataclass(frozen=True)
class TowerPlan:
    """What happens to one tower.

    Attributes:
        mode: nothing, adapters on its linear layers, or every weight.
        lr: peak learning rate.
    """

    mode: Mode
    lr: float


TowerPlans: TypeAlias = Mapping[Part, TowerPlan]


def plan_towers(config: Config, family: ModelFamily) -> TowerPlans:
    """What ``train.method`` and ``towers`` come to.

    Raises:
        ConfigError: they contradict each other, leave nothing to train, or ask for adapters where the family has no
            layer for them.
    """
    plans = {part: _plan(config, part) for part in PARTS}
    if config.train.method == "full":
        _require_no_adapters(plans)
    else:
        _require_adapters(plans)
        family.lora_targets(parts_with(plans, "lora"))  # raises where there is nothing to adapt
    return plans


def parts_with(plans: TowerPlans, mode: Mode) -> list[Part]:
    """The towers that are treated so."""
    return [part for part, plan in plans.items() if plan.mode == mode]


def tower_of(name: str, family: ModelFamily) -> Part:
    """The tower that a module or a weight belongs to.

    Args:
        name: dotted, as in ``named_parameters``, whatever wraps the model.
        family: of the model.
    """
    for part, modules in family.towers.items():
        if re.search(rf"(^|\.)({_either(modules)})(\.|$)", name):
            return part
    return "language"


def modules_of(model: Any, part: Part, family: ModelFamily) -> list[str]:
    """Names of the modules that together are one tower, each of which PEFT can wrap.

    Raises:
        ConfigError: the model has no such modules.
    """
    import torch

    own = re.compile(rf"(.*\.)?({_either(family.towers[part])})")
    names = []
    for name, module in model.named_modules():
        if own.fullmatch(name):
            # A list of layers is never called itself, so nothing could stand in for it.
            many = isinstance(module, torch.nn.ModuleList)
            names += [f"{name}.{number}" for number in range(len(module))] if many else [name]
    if not names:
        raise ConfigError(
            f"this {family.name} model has no module named {' or '.join(family.towers[part])}",
            where=f"towers.{part}.train",
            fix="use another version of transformers, or freeze this tower",
        )
    return names


def freeze(model: Any, plans: TowerPlans, family: ModelFamily) -> None:
    """Let gradients reach the towers that are trained whole and no other; for a model without adapters."""
    for name, weight in model.named_parameters():
        weight.requires_grad_(plans[tower_of(name, family)].mode == "full")


def _plan(config: Config, part: Part) -> TowerPlan:
    tower = getattr(config.towers, part)
    mode = cast(Mode, config.towers.modes(config.train.method)[part])
    if tower.lr is not None and mode == "frozen":
        raise ConfigError(
            f"the {part} tower has a learning rate, {tower.lr}, but is frozen",
            where=f"towers.{part}.lr",
            fix=f"set towers.{part}.train to lora or full, or remove the rate",
        )
    return TowerPlan(mode, config.train.lr if tower.lr is None else tower.lr)


def _require_no_adapters(plans: TowerPlans) -> None:
    if adapted := parts_with(plans, "lora"):
        raise ConfigError(
            f"train.method is full, but the {adapted[0]} tower asks for adapters",
            where=f"towers.{adapted[0]}.train",
            fix="set train.method=lora, which can train vision and projector whole beside adapters; or use full",
        )
    if not parts_with(plans, "full"):
        raise ConfigError("every tower is frozen", where="towers", fix="set towers.language.train=full")


def _require_adapters(plans: TowerPlans) -> None:
    if plans["language"].mode == "full":
        raise ConfigError(
            "the language tower cannot be trained whole beside adapters, which would keep a second copy of it",
            where="towers.language.train",
            fix="set train.method=full, with towers.vision.train=frozen to leave the vision tower alone",
        )
    if not parts_with(plans, "lora"):
        raise ConfigError(
            "train.method asks for adapters, but no tower gets any",
            where="towers",
            fix="set towers.language.train=lora, or train.method=full to train whole towers alone",
        )


def _either(names: Iterable[str]) -> str:
    return "|".join(map(re.escape, names))
