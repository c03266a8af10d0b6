"""Model families; see ``docs/models.md`` and ``docs/add-a-model.md``."""

from __future__ import annotations

from medft_bm.core.errors import ConfigError
from medft_bm.core.registry import Registry
from medft_bm.models.base import ModelFamily
from medft_bm.models.checkpoint import CheckpointSettings, read_settings
from medft_bm.models.pixels import Pixels

MODELS: Registry[type[ModelFamily]] = Registry(
    kind="model family",
    group="medft_bm.models",
    builtin={
        "gemma3": "medft_bm.models.gemma3:Gemma3",
        "generic": "medft_bm.models.generic:GenericFamily",
        "plain": "medft_bm.models.plain:PlainFamily",
        "qwen2_5_vl": "medft_bm.models.qwen2_5_vl:Qwen25VL",
        "qwen3_vl": "medft_bm.models.qwen3_vl:Qwen3VL",
    },
)
WHY_NOT = {
    "qwen3_vl_moe": "; its experts are bare weights, of which LoRA would adapt none: take a dense Qwen3-VL",
}
"""Model types that look like a family's, and why they are not."""


def load_model_family(
    checkpoint: str, family: str | None = None, revision: str | None = None, pixels: Pixels | None = None
) -> ModelFamily:
    """The family of a checkpoint, bound to its image processor's settings; reads JSON only, needs no torch.

    Two families are exceptions: ``generic`` tries the checkpoint's processor on pictures, and ``plain`` has no
    checkpoint.

    Args:
        checkpoint: folder or Hub id; any name for ``plain``.
        family: registered name; ``None`` finds it by the ``model_type`` in ``config.json``.
        revision: branch, tag or commit on the Hub.
        pixels: budget for the images; ``None``: as the checkpoint says.

    Raises:
        ConfigError: unknown family or model type, a checkpoint that cannot be read, or a budget it cannot keep to.
    """
    settings = CheckpointSettings("", {}, checkpoint) if family == "plain" else read_settings(checkpoint, revision)
    kind = _chosen(family, settings.model_type, checkpoint) if family else _found(settings.model_type, checkpoint)
    try:
        bound = kind.from_settings(settings)
    except (TypeError, ValueError, AttributeError) as error:  # a text where a number belongs, and the like
        raise ConfigError(
            f"the settings of the image processor cannot be understood: {error}",
            where=checkpoint,
            fix="compare preprocessor_config.json (or processor_config.json) with the one published with the model",
        ) from error
    return bound.within(pixels) if pixels else bound


def _chosen(family: str, model_type: str, checkpoint: str) -> type[ModelFamily]:
    kind, own = MODELS.get(family, "model.family"), _claimed(model_type)
    fits = model_type in kind.model_types if kind.model_types else own is None
    if not fits:
        instead = f"; {own.name} is made for it" if own else ""
        raise ConfigError(
            f"the checkpoint is a {model_type!r}, which the family {kind.name!r} does not handle{instead}",
            where=checkpoint,
            fix="leave model.family empty to let the checkpoint decide",
        )
    return kind


def _found(model_type: str, checkpoint: str) -> type[ModelFamily]:
    kind = _claimed(model_type)
    if kind is None:
        known = ", ".join(sorted(known for name in MODELS.names() for known in MODELS.get(name).model_types))
        raise ConfigError(
            f"no model family handles the model type {model_type!r}{WHY_NOT.get(model_type, '')}; known types: {known}",
            where=checkpoint,
            fix="try model.family=generic, choose another model, or add a family: docs/add-a-model.md",
        )
    return kind


def _claimed(model_type: str) -> type[ModelFamily] | None:
    kinds = (MODELS.get(name) for name in MODELS.names())
    return next((kind for kind in kinds if model_type in kind.model_types), None)
