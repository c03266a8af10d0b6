"""What a checkpoint says of itself in JSON, read from a folder or from the Hub without importing torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medft_bm.core.errors import ConfigError

TEXT_ONLY = {"gemma3_text": "its multimodal sibling, like google/medgemma-27b-it for google/medgemma-27b-text-it"}
"""Model types that share a name with one that sees images, and what to take instead."""


@dataclass(frozen=True)
class CheckpointSettings:
    """The facts a model family is bound to.

    Attributes:
        model_type: as in ``config.json``.
        processor: image processor settings, plus the processor's own ``image_seq_length`` where it has one.
        name: folder or Hub id that all this was read from.
        revision: branch, tag or commit on the Hub.
    """

    model_type: str
    processor: Mapping[str, Any]
    name: str = ""
    revision: str | None = None


def read_settings(checkpoint: str, revision: str | None = None) -> CheckpointSettings:
    """Read ``config.json`` and the processor's JSON, in the layout of transformers 5 or the older one.

    Args:
        checkpoint: folder or Hub id.
        revision: branch, tag or commit on the Hub.

    Raises:
        ConfigError: no such folder or repository, no access, no network, or a file is missing or is not JSON.
    """
    config = _read_json(checkpoint, "config.json", revision)
    if config is None:
        raise ConfigError("the checkpoint has no config.json", where=checkpoint, fix=_fix_for_folder(checkpoint))
    if _is_local(checkpoint) and _local(checkpoint, "adapter_config.json"):
        raise ConfigError(
            "adapter_config.json lies beside the model, and transformers would silently load that adapter too",
            where=checkpoint,
            fix="move the adapter's files to a folder of their own",
        )
    if not isinstance(config.get("model_type"), str):
        raise ConfigError(
            "config.json names no model_type", where=checkpoint, fix="it must be a transformers checkpoint"
        )
    if better := TEXT_ONLY.get(config["model_type"]):
        raise ConfigError(
            f"the checkpoint is a {config['model_type']!r}, which reads text only and sees no image",
            where=checkpoint,
            fix=f"take {better}",
        )
    new = _read_json(checkpoint, "processor_config.json", revision) or {}
    # Transformers 5 nests the image processor; where both files exist it reads the nested one.
    images = new.get("image_processor") or _read_json(checkpoint, "preprocessor_config.json", revision)
    if not isinstance(images, Mapping):
        raise ConfigError(
            "the checkpoint has neither preprocessor_config.json nor an image_processor in processor_config.json",
            where=checkpoint,
            fix="save the processor beside the model: processor.save_pretrained(folder)",
        )
    own = {"image_seq_length": new["image_seq_length"]} if "image_seq_length" in new else {}
    return CheckpointSettings(config["model_type"], {**images, **own}, checkpoint, revision)


def read_adapter(checkpoint: str, revision: str | None = None) -> dict[str, Any] | None:
    """PEFT's ``adapter_config.json``; ``None`` where there is none, as in a whole model.

    Args:
        checkpoint: folder or Hub id.
        revision: branch, tag or commit on the Hub.

    Raises:
        ConfigError: no such folder or repository, no access, no network, or the file is not JSON.
    """
    try:
        return _read_json(checkpoint, "adapter_config.json", revision)
    except ConfigError:
        # Without a network nobody can tell a file that does not exist from one that is not here; a model is enough.
        if _is_local(checkpoint) or not _is_cached(checkpoint, "config.json", revision):
            raise
        return None


def _fix_for_folder(checkpoint: str) -> str:
    if (Path(checkpoint) / "adapter_config.json").is_file():
        return "this is a LoRA adapter: model.name is the base model it belongs to"
    return "point model.name at the folder that transformers saved the model to"


def _read_json(checkpoint: str, name: str, revision: str | None) -> dict[str, Any] | None:
    path = _local(checkpoint, name) if _is_local(checkpoint) else _from_hub(checkpoint, name, revision)
    if path is None:
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{name} cannot be read: {error}", where=str(path), fix=_AGAIN) from error
    if not isinstance(content, dict):
        raise ConfigError(f"{name} must hold a JSON object, not {type(content).__name__}", where=str(path), fix=_AGAIN)
    return content


def _is_local(checkpoint: str) -> bool:
    looks_like_a_path = checkpoint.startswith((".", "/", "~")) or checkpoint.count("/") != 1
    return looks_like_a_path or Path(checkpoint).is_dir()


def _local(checkpoint: str, name: str) -> Path | None:
    folder = Path(checkpoint).expanduser()
    if not folder.is_dir():
        raise ConfigError(
            f"there is no model folder {checkpoint!r}",
            where="model.name",
            fix="give an existing folder, or a Hub id like google/medgemma-4b-it",
        )
    path = folder / name
    return path if path.is_file() else None


def _from_hub(repository: str, name: str, revision: str | None) -> Path | None:
    from huggingface_hub import errors, hf_hub_download

    try:
        return Path(hf_hub_download(repository, name, revision=revision))
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, errors.HFValidationError) as error:
        raise unloadable(repository, revision, error) from error
    except errors.EntryNotFoundError:
        return None
    except errors.HfHubHTTPError as error:
        raise unloadable(repository, revision, error) from error


def _is_cached(repository: str, name: str, revision: str | None) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(repository, name, revision=revision), str)


def unloadable(checkpoint: str, revision: str | None, error: BaseException) -> ConfigError:
    """What went wrong with a checkpoint, in terms of what the user can do about it.

    Args:
        checkpoint: folder or Hub id.
        revision: branch, tag or commit on the Hub.
        error: from huggingface_hub, or from a library that called it.
    """
    for cause in _causes(checkpoint, revision, error):
        if problem := _hub_problem(checkpoint, revision, cause):
            return problem
    fix = "download or save the checkpoint again: weights, config, tokenizer and processor"
    if not _is_local(checkpoint):  # without a network, transformers goes on without the files it does not find
        fix = "part of it may be missing here: unset HF_HUB_OFFLINE and connect to the network once, or give a folder"
    return ConfigError(f"transformers cannot load the model: {error}", where=checkpoint, fix=fix)


def _causes(checkpoint: str, revision: str | None, error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__
    # Transformers keeps it to itself when only the weights are gated, and reports that there are none.
    if not _is_local(checkpoint) and (refusal := _gate(checkpoint, revision)):
        yield refusal


def _gate(repository: str, revision: str | None) -> BaseException | None:
    from huggingface_hub import errors, hf_hub_download

    try:
        hf_hub_download(repository, "model.safetensors.index.json", revision=revision)
    except errors.GatedRepoError as refusal:
        return refusal
    except (OSError, ValueError, errors.EntryNotFoundError):
        return None
    return None


def _hub_problem(repository: str, revision: str | None, error: BaseException) -> ConfigError | None:
    from huggingface_hub import errors

    page = f"https://huggingface.co/{repository}"
    if isinstance(error, errors.GatedRepoError):
        what, key = f"{repository} is gated and this machine has no access", "model.name"
        fix = f"accept its conditions on {page}, then run `hf auth login` or set HF_TOKEN"
    elif isinstance(error, errors.RevisionNotFoundError):
        what, key = f"{repository} has no revision {revision!r}", "model.revision"
        fix = f"choose one from {page}/commits, or leave it empty for the newest"
    elif isinstance(error, errors.RepositoryNotFoundError | errors.HFValidationError):
        what, key = f"{repository!r} is neither a folder here nor a repository on the Hub", "model.name"
        fix = "check the spelling; a folder must exist; a private repository needs `hf auth login` or HF_TOKEN"
    elif isinstance(error, errors.LocalEntryNotFoundError | errors.OfflineModeIsEnabled):
        what, key = f"{repository!r} is not a folder here, and the Hub cannot be reached", "model.name"
        fix = "connect to the network or unset HF_HUB_OFFLINE; or download the model and give its folder"
    elif isinstance(error, errors.HfHubHTTPError) and not isinstance(error, errors.EntryNotFoundError):
        what, key = f"the Hub refused {repository}: {error}", "model.name"
        fix = "try again later, or download the model and give its folder"
    else:
        return None
    return ConfigError(what, where=key, fix=fix)


_AGAIN = "download or save the checkpoint again"
