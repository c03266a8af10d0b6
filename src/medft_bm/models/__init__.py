"""Model families; see ``docs/add-a-model.md``."""

from __future__ import annotations

from medft_bm.core.errors import ConfigError
from medft_bm.core.registry import Registry
from medft_bm.models.base import ModelFamily
from medft_bm.models.checkpoint import read_settings

MODELS: Registry[type[ModelFamily]] = Registry(
    kind="model family",
    group="medft_bm.models",
    builtin={
        "gemma3": "medft_bm.models.gemma3:Gemma3",
        "qwen2_5_vl": "medft_bm.models.qwen2_5_vl:Qwen25VL",
    },
)


def load_model_family(checkpoint: str, family: str | None = None, revision: str | None = None) -> ModelFamily:
    """The family of a checkpoint, bound to its image processor's settings; reads JSON only, needs no torch.

    Args:
        checkpoint: folder or Hub id.
        family: registered name; ``None`` finds it by the ``model_type`` in ``config.json``.
        revision: branch, tag or commit on the Hub.

    Raises:
        ConfigError: unknown family or model type, or a checkpoint that cannot be read.
    """
    settings = read_settings(checkpoint, revision)
    kind = MODELS.get(family, "model.family") if family else _family_of(settings.model_type, checkpoint)
    if settings.model_type not in kind.model_types:
        raise ConfigError(
            f"the checkpoint is a {settings.model_type!r}, which the family {kind.name!r} does not handle",
            where=checkpoint,
            fix="leave model.family empty to let the checkpoint decide",
        )
    try:
        return kind.from_processor(settings.processor)
    except (TypeError, ValueError, AttributeError) as error:  # a text where a number belongs, and the like
        raise ConfigError(
            f"the settings of the image processor cannot be understood: {error}",
            where=checkpoint,
            fix="compare preprocessor_config.json (or processor_config.json) with the one published with the model",
        ) from error


def _family_of(model_type: str, checkpoint: str) -> type[ModelFamily]:
    families = [MODELS.get(name) for name in MODELS.names()]
    for kind in families:
        if model_type in kind.model_types:
            return kind
    known = ", ".join(sorted(known for kind in families for known in kind.model_types))
    raise ConfigError(
        f"no model family handles the model type {model_type!r}; known types: {known}",
        where=checkpoint,
        fix="choose another model, or add a family: docs/add-a-model.md",
    )
