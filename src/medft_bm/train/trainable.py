"""What is trained, counted on the model itself: in the log, and in ``trainable.json`` of the run folder."""

from __future__ import annotations

import dataclasses
import json
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medft_bm.core.errors import MedftError
from medft_bm.models.base import ModelFamily, Part
from medft_bm.train.towers import PARTS, Mode, TowerPlans, tower_of

log = logging.getLogger(__name__)

NAMES = {"lora": "LoRA", "qlora": "QLoRA", "full": "full fine-tuning"}


@dataclass(frozen=True)
class TrainedTower:
    """What is trained in one tower.

    Attributes:
        train: ``frozen``, ``lora`` or ``full``.
        lr: peak learning rate.
        adapted_layers: linear layers that carry an adapter.
        adapter_weights: numbers in those adapters.
        full_weights: numbers of the tower itself that change.
    """

    train: Mode
    lr: float
    adapted_layers: int
    adapter_weights: int
    full_weights: int


@dataclass(frozen=True)
class Trainable:
    """What is trained in a model.

    Attributes:
        method: ``train.method``.
        weights: numbers that change, over all towers.
        towers: the same by tower.
        target_modules: names of all layers that carry an adapter.
        modules_to_save: names of modules that are trained whole and saved with the adapters.
    """

    method: str
    weights: int
    towers: Mapping[Part, TrainedTower]
    target_modules: list[str]
    modules_to_save: list[str]

    def write(self, run: Path) -> None:
        """Write ``trainable.json`` into a run folder."""
        (run / "trainable.json").write_text(json.dumps(dataclasses.asdict(self), indent=2) + "\n", encoding="utf-8")


def check_trainable(model: Any, method: str, plans: TowerPlans, family: ModelFamily) -> Trainable:
    """Count what gradients will change, tower by tower, and log it.

    Args:
        model: as the trainer has it, with its adapters.
        method: ``train.method``.
        plans: what was asked for.
        family: of the model.

    Raises:
        MedftError: a tower that should be trained is not, or one that should not be is.
    """
    weights = {name: _size(weight) for name, weight in model.named_parameters() if weight.requires_grad}
    layers = sorted({name.split(".lora_")[0] for name in weights if ".lora_" in name})
    wrapped = sorted({name.split(".modules_to_save.")[0] for name in weights if ".modules_to_save." in name})
    towers = {part: _tower(part, plans, weights, layers, family) for part in PARTS}
    for part, tower in towers.items():
        _require(part, tower, [name for name in weights if tower_of(name, family) == part])
    made = Trainable(method, sum(weights.values()), towers, _plain(layers), _plain(wrapped))
    log.info("%s trains %s weights: %s", NAMES[method], f"{made.weights:,}", "; ".join(_lines(towers)))
    return made


def in_float32(model: Any) -> None:
    """Hold every weight that is trained in float32, whatever its base is in.

    An update is far smaller than the step between two bfloat16 numbers and would be lost. PEFT sees to it for adapters
    alone, not for modules that are trained whole, and TRL rounds both to bfloat16 over a quantised model.
    """
    for weight in model.parameters():
        if weight.requires_grad:
            weight.data = weight.data.float()


def _tower(
    part: Part, plans: TowerPlans, weights: Mapping[str, int], layers: list[str], family: ModelFamily
) -> TrainedTower:
    own = {name: size for name, size in weights.items() if tower_of(name, family) == part}
    adapters = sum(size for name, size in own.items() if ".lora_" in name)
    count = sum(tower_of(layer, family) == part for layer in layers)
    return TrainedTower(plans[part].mode, plans[part].lr, count, adapters, sum(own.values()) - adapters)


def _require(part: Part, tower: TrainedTower, names: list[str]) -> None:
    where = f"towers.{part}.train"
    if tower.train == "lora" and not tower.adapted_layers:
        raise MedftError(f"no adapter was attached to the {part} tower", where=where)
    if tower.train == "full" and not tower.full_weights:
        raise MedftError(f"no weight of the {part} tower would change", where=where)
    # Beside adapters, what PEFT wraps was asked for by name, as `lora.modules_to_save`.
    stray = [name for name in names if ".lora_" not in name and ".modules_to_save." not in name]
    if tower.train != "full" and stray:
        raise MedftError(f"{len(stray)} weights outside the adapters are trainable, the first is {stray[0]}")
    if tower.train == "frozen" and tower.adapted_layers:
        raise MedftError(f"adapters were attached to the {part} tower, which is frozen", where=where)


def _lines(towers: Mapping[Part, TrainedTower]) -> Iterator[str]:
    for part, tower in towers.items():
        parts = [f"adapters on {tower.adapted_layers} layers"] * (tower.adapted_layers > 0)
        parts += [f"{tower.full_weights:,} weights of its own"] * (tower.full_weights > 0)
        yield f"{part} {' and '.join(parts)} at {tower.lr:g}" if parts else f"{part} frozen"


def _plain(names: list[str]) -> list[str]:
    return [re.sub(r"^base_model\.model\.", "", name) for name in names]


def _size(weight: Any) -> int:
    # DeepSpeed ZeRO-3 leaves an empty shell on every process.
    return int(getattr(weight, "ds_numel", weight.numel()))
