"""A learning rate of its own for every tower."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from medft_bm.core.errors import ConfigError
from medft_bm.models.base import ModelFamily
from medft_bm.train.towers import PARTS, TowerPlans, tower_of


@dataclass(frozen=True)
class OwnRates:
    """Learning rates by tower, for an optimizer that transformers makes with one.

    Attributes:
        plans: with the rates.
        family: of the model.
    """

    plans: TowerPlans
    family: ModelFamily

    def set_on(self, optimizer: Any, model: Any) -> None:
        """Cut every group of weights into one per tower, with that tower's learning rate.

        The groups that the trainer made (with and without weight decay) keep everything else they have. Schedules
        scale every group's rate alike.

        Args:
            optimizer: before any step, and before its schedule is made.
            model: whose weights it holds.

        Raises:
            ConfigError: DeepSpeed will make the optimizer, from a file that knows one rate.
        """
        from accelerate.utils import DummyOptim

        if isinstance(optimizer, DummyOptim):
            raise ConfigError(
                "towers have learning rates of their own, but DeepSpeed's file makes the optimizer with one rate",
                where="train.sft.deepspeed",
                fix="remove `optimizer` from that file, or the rates from `towers`",
            )
        names = {id(weight): name for name, weight in model.named_parameters()}
        groups = []
        for group in optimizer.param_groups:
            for part in PARTS:
                own = [weight for weight in group["params"] if tower_of(names[id(weight)], self.family) == part]
                if own:
                    groups.append({**group, "params": own, "lr": self.plans[part].lr})
        optimizer.param_groups[:] = groups
