"""PEFT's configuration for the towers that are adapted, and for what is trained whole beside them."""

from __future__ import annotations

import re
from typing import Any

from medft_bm.config.schema import Config
from medft_bm.core.errors import ConfigError
from medft_bm.core.registry import did_you_mean
from medft_bm.models.base import ModelFamily
from medft_bm.train.towers import TowerPlans, modules_of, parts_with, tower_of


def lora_config(config: Config, plans: TowerPlans, model: Any, family: ModelFamily) -> Any:
    """Adapters on the linear layers of some towers; whole modules, which PEFT saves beside them.

    Args:
        config: with the settings of ``lora``.
        plans: what happens to every tower.
        model: without adapters yet.
        family: of the model.

    Raises:
        ConfigError: a tower that LoRA cannot adapt, or ``lora.modules_to_save`` names what cannot be trained so.
    """
    from peft import LoraConfig

    targets, lora = family.lora_targets(parts_with(plans, "lora")), config.lora
    own = [_checked(name, model, plans, targets, family) for name in lora.modules_to_save]
    whole = [name for part in parts_with(plans, "full") for name in modules_of(model, part, family)]
    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        use_rslora=lora.rslora,
        use_dora=lora.dora,
        target_modules=targets,
        modules_to_save=[*own, *whole] or None,
        # Else the head would keep the old words while the embeddings learn new ones.
        ensure_weight_tying="embed_tokens" in own and _tied(model),
        task_type="CAUSAL_LM",
    )


def _checked(name: str, model: Any, plans: TowerPlans, targets: str, family: ModelFamily) -> str:
    where = "lora.modules_to_save"
    modules = [known for known, _ in model.named_modules()]
    found = [known for known in modules if re.fullmatch(rf"(.*\.)?{re.escape(name)}", known)]
    if not found:
        known = {module.rpartition(".")[2] for module in modules}
        raise ConfigError(f"the model has no module {name!r}{did_you_mean(name, known)}", where=where)
    if name == "lm_head" and _tied(model):
        raise ConfigError(
            "lm_head is one with the word embeddings in this model; a copy of its own would take it apart, "
            "and the saved model would be larger than its base",
            where=where,
            fix="name embed_tokens, which trains both as one",
        )
    trained = [known for known in modules if re.fullmatch(targets, known)]
    if any(layer == module or layer.startswith(f"{module}.") for module in found for layer in trained):
        raise ConfigError(f"{name!r} holds layers that adapters go on", where=where, fix="name something else")
    if (part := tower_of(found[0], family)) != "language":
        fix = f"set towers.{part}.train=full"
        raise ConfigError(f"{name!r} is a piece of the {part} tower", where=where, fix=fix)
    return name


def _tied(model: Any) -> bool:
    head = model.get_output_embeddings()
    return head is not None and head.weight is model.get_input_embeddings().weight
