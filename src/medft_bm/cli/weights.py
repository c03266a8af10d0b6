"""Which weights a run has, and loading them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from medft_bm.core.errors import ConfigError

if TYPE_CHECKING:
    from medft_bm.config.schema import Config
    from medft_bm.models.base import Loaded, ModelFamily


def tuned_folder(config: Config, which: str) -> Path:
    """Where the weights after fine-tuning are.

    Raises:
        ConfigError: they are not there yet.
    """
    if config.train.method == "full":
        which = "model"
    folder = config.run.folder / which
    if not folder.is_dir():
        verb = "merge" if which == "merged" and (config.run.folder / "adapter").is_dir() else "train"
        raise ConfigError("these weights are not there", where=str(folder), fix=f"`medft {verb}` first")
    return folder


def load_weights(config: Config, family: ModelFamily, which: str, folder: Path | None) -> Loaded:
    """The model and its processor on the best device of this machine."""
    from medft_bm.models.loading import on_device, resolve_dtype, with_adapter

    adapted = which == "adapter" and config.train.method != "full"
    from_base = folder is None or adapted
    loaded = family.load(
        config.model.name if from_base else str(folder),
        revision=config.model.revision if from_base else None,
        dtype=resolve_dtype(config.model.dtype),
        attention=config.model.attention,
    )
    return on_device(with_adapter(loaded, folder) if adapted and folder is not None else loaded)
