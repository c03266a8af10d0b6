"""What a check says: a state, what was found, and how to fix it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from medft_bm.config.schema import Config

State: TypeAlias = Literal["ok", "absent", "warning", "problem"]
FOLDERS = re.compile(r"(?<![\w:/])(?:~?/[^\s:'\"]*/)")


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        check: what was looked at.
        state: ``ok``; ``absent``: not there, and nothing asks for it; ``warning``; ``problem``: it stands in the way.
        found: in one line, without anything private.
        fix: what to do about it, a command where there is one; empty when there is nothing to do.
    """

    check: str
    state: State
    found: str
    fix: str = ""


def wanted_by(config: Config | None) -> Mapping[str, str]:
    """Extras and packages that a config asks for, and the setting that does; nothing without a config."""
    if config is None:
        return {}
    train, asked = config.train, {"train": "every training", "flash-attn": "", "bitsandbytes": "", "deepspeed": ""}
    if config.model.attention == "flash_attention_2":
        asked["flash-attn"] = "model.attention=flash_attention_2"
    if train.method == "qlora":
        asked["bitsandbytes"] = "train.method=qlora"
    elif "8bit" in str(train.sft.get("optim", "")):
        asked["bitsandbytes"] = f"train.sft.optim={train.sft['optim']}"
    if train.strategy.startswith("zero") or train.sft.get("deepspeed"):
        asked["deepspeed"] = f"train.strategy={train.strategy}"
    asked["liger-kernel"] = "train.liger=true" if train.liger else ""
    asked["wandb"] = "train.report_to=wandb" if "wandb" in train.report_to else ""
    asked["ray"] = "prepare.engine=ray" if config.prepare.engine == "ray" else ""
    asked["openai"] = "evaluate.backend=openai" if config.evaluate.backend == "openai" else ""
    return {name: setting for name, setting in asked.items() if setting}


def without_folders(text: str) -> str:
    """A message of somebody else with the last name alone of every path: folders tell names of people and projects."""
    return FOLDERS.sub("", " ".join(text.split()))


def shown(path: Path) -> str:
    """A path with ``~`` for the user's own folder."""
    try:
        return f"~/{path.relative_to(Path.home())}"
    except (ValueError, RuntimeError):
        return str(path)
