"""Which weights answer: a run, a model, or an adapter with the base it names; in folders or on the Hub."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from medft_bm.config.load import load_config
from medft_bm.config.schema import Config
from medft_bm.core.errors import ConfigError
from medft_bm.models import load_model_family
from medft_bm.models.base import Loaded, ModelFamily
from medft_bm.models.checkpoint import read_adapter
from medft_bm.models.pixels import Pixels

Which: TypeAlias = Literal["base", "adapter", "merged"]
WHICH: tuple[Which, ...] = ("base", "adapter", "merged")
FINISHED = ("merged", "model", "adapter")
"""Folders of a run with weights after fine-tuning, the one that loads fastest first."""


@dataclass(frozen=True)
class Weights:
    """What to load.

    Attributes:
        model: folder or Hub id of a whole model.
        revision: of that model on the Hub.
        adapter: folder of an adapter on it.
        family: registered name; ``None``: as the model says.
        pixels: budget for the images, where the model's own is not the one it was trained with.
        dtype: ``auto``, ``bfloat16`` or ``float32``.
        attention: implementation.
        config: of the run that they are of.
    """

    model: str
    revision: str | None = None
    adapter: Path | None = None
    family: str | None = None
    pixels: Pixels | None = None
    dtype: str = "auto"
    attention: str = "sdpa"
    config: Config | None = None

    @property
    def kind(self) -> str:
        """In a word, for people."""
        return f"adapter on {self.model}" if self.adapter else self.model

    def bound(self) -> ModelFamily:
        """The family with the settings of these weights.

        Raises:
            ConfigError: they cannot be read, or no family handles them.
        """
        return load_model_family(self.model, self.family, self.revision, self.pixels)

    def loaded(self, family: ModelFamily) -> Loaded:
        """The model on the best device of this machine, and its processor.

        Raises:
            ConfigError: the weights cannot be loaded.
            DependencyError: a package is not installed.
        """
        from medft_bm.models.loading import on_device, resolve_dtype, with_adapter

        dtype = resolve_dtype(self.dtype)
        loaded = family.load(self.model, revision=self.revision, dtype=dtype, attention=self.attention)
        return on_device(with_adapter(loaded, self.adapter) if self.adapter else loaded)


def find_weights(model: str, which: Which | None = None, base: str = "", revision: str | None = None) -> Weights:
    """What a user means by a model.

    Args:
        model: a run folder or one of the folders of weights in it, the folder or Hub id of a model or of an adapter.
        which: weights of a run folder; ``None`` takes those after fine-tuning.
        base: folder or Hub id of the model that an adapter belongs to; empty takes what the adapter names.
        revision: branch, tag or commit of ``model`` on the Hub.

    Raises:
        ConfigError: nothing there, or a choice that does not go with it.
    """
    folder = Path(model).expanduser()
    try:
        is_run = (folder / "config.yaml").is_file()
    except PermissionError as error:
        raise ConfigError("this folder may not be read", where=str(folder), fix="check its permissions") from error
    if revision is not None and folder.is_dir():
        raise ConfigError("a folder has no revisions", where="--revision", fix="leave it out, or give a Hub id")
    if is_run:
        if base:
            fix = f"leave it out, or give the adapter alone: --model {folder / 'adapter'}"
            raise ConfigError("a run names its own base", where="--base", fix=fix)
        return _of_run(folder, which)
    if which is None and folder.name in FINISHED and (folder.parent / "config.yaml").is_file() and not base:
        return _in_run(folder)
    if which is not None:
        fix = "leave it out, or give a run folder"
        raise ConfigError("only a run folder has several weights to choose from", where="--weights", fix=fix)
    adapter = read_adapter(model, revision)
    if adapter is not None:
        return _adapted(model, revision, base, adapter)
    if base:
        raise ConfigError("this is no adapter, so it has no base", where="--base", fix="leave it out")
    return Weights(model, revision)


def _of_run(run: Path, which: Which | None) -> Weights:
    if which == "base":
        return _base(_config(run))
    names = FINISHED if which is None else {"merged": ("merged", "model"), "adapter": ("adapter",)}[which]
    for name in names:
        if (run / name).is_dir():
            return _in_run(run / name)
    fix = "`medft train` or `medft merge` first, or take those before: --weights base"
    raise ConfigError("these weights are not there", where=str(run / names[0]), fix=fix)


def _in_run(folder: Path) -> Weights:
    config = _config(folder.parent)
    if folder.name == "adapter":
        return _base(config, folder)
    own = config.model  # the pixel budget is saved with the weights
    return Weights(str(folder), family=own.family, dtype=own.dtype, attention=own.attention, config=config)


def _base(config: Config, adapter: Path | None = None) -> Weights:
    own = config.model
    pixels = Pixels(own.min_pixels, own.max_pixels)
    return Weights(own.name, own.revision, adapter, own.family, pixels, own.dtype, own.attention, config)


def _config(run: Path) -> Config:
    return load_config(run / "config.yaml", [f"run.folder={run}"]).config


def _adapted(name: str, revision: str | None, base: str, adapter: Mapping[str, Any]) -> Weights:
    model = base or adapter.get("base_model_name_or_path")
    if not isinstance(model, str) or not model:
        raise ConfigError("the adapter does not say which model it belongs to", where=name, fix="name it with --base")
    folder = Path(name).expanduser()
    if not folder.is_dir():
        folder = _fetched(name, revision)
    return Weights(model, None if base else adapter.get("revision"), folder, pixels=_budget(folder))


def _fetched(repository: str, revision: str | None) -> Path:
    """An adapter of the Hub on this machine, without whatever else its repository holds."""
    from huggingface_hub import errors, snapshot_download

    from medft_bm.models.checkpoint import unloadable
    from medft_bm.models.loading import quiet_bars

    quiet_bars()
    files = ["adapter_config.json", "adapter_model.safetensors", "processor_config.json"]
    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=files))
    except (errors.HfHubHTTPError, OSError, ValueError) as error:
        raise unloadable(repository, revision, error) from error


def _budget(adapter: Path) -> Pixels | None:
    """The pixel budget that an adapter was trained with, where its image processor was saved and has one."""
    path = adapter / "processor_config.json"
    if not path.is_file():
        return None
    try:
        size = json.loads(path.read_text(encoding="utf-8"))["image_processor"]["size"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if not isinstance(size, dict) or "longest_edge" not in size:
        return None
    return Pixels(size.get("shortest_edge"), size["longest_edge"])
