"""A copy of exactly those files that leave, so that nothing can change or remove them on the way."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeAlias

from medft_bm.core.errors import DataError, MedftError
from medft_bm.hub.names import What

PLACE = ".hub"
"""Below the run folder: copies of what is on its way."""
PROCESSOR = (
    *("processor_config.json", "preprocessor_config.json", "video_preprocessor_config.json", "chat_template.*"),
    *("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.json", "merges.txt"),
)
MODEL = ("config.json", "model*.safetensors", "model.safetensors.index.json", "merge_report.json")
SENT: dict[What, tuple[str, ...]] = {
    "lora": ("adapter_config.json", "adapter_model.safetensors", "generation_config.json", *PROCESSOR),
    "merged": (*MODEL, "generation_config.json", *PROCESSOR),
    "data": (
        *("dataset_dict.json", "manifest.json", "split.json", "README.md", "images/[0-9]*.arrow"),
        *("*/data-*.arrow", "*/state.json", "*/dataset_info.json"),
    ),
}
"""Patterns of names that leave. Never: optimiser, random states, logs, event files, configs with paths, pickles."""
NEEDED: dict[What, tuple[str, ...]] = {
    "lora": ("adapter_config.json", "adapter_model.safetensors"),
    "merged": ("config.json", "model*.safetensors"),
    "data": ("dataset_dict.json", "manifest.json"),
}
REPLACED: dict[What, tuple[str, ...]] = {
    "lora": (),
    "merged": ("model*.safetensors", "model.safetensors.index.json"),
    "data": ("*/data-*.arrow", "images/[0-9]*.arrow"),
}
"""What an earlier push may have left in the repository that this one does not write again: other numbers of shards."""
LINKED = (".safetensors", ".arrow")
"""Large files that nobody edits in place: a second name for them costs no disk."""


@dataclass(frozen=True)
class Parcel:
    """What is about to leave.

    Attributes:
        what: it is.
        folder: the copy; a check may add to it or change it.
        source: the folder it was copied from.
    """

    what: What
    folder: Path
    source: Path


Check: TypeAlias = Callable[[Parcel], None]
"""Looks at a parcel before it leaves, or adds a model card; raises ``MedftError`` to keep it here."""


def pack(what: What, source: Path, place: Path) -> Parcel:
    """Copy what leaves of a folder into a new folder below ``place``.

    Raises:
        DataError: the folder does not hold what is to be sent.
        MedftError: there is no room for a copy.
    """
    names = [name for name in _names(source) if any(fnmatchcase(name, pattern) for pattern in SENT[what])]
    missing = [need for need in NEEDED[what] if not any(fnmatchcase(name, need) for name in names)]
    if missing:
        fix = "check that the folder is complete; `medft train`, `medft merge` or `medft prepare` makes it"
        raise DataError(f"there is no {missing[0]}", where=str(source), fix=fix)
    with _told(place):
        place.mkdir(parents=True, exist_ok=True)
        parcel = Parcel(what, Path(tempfile.mkdtemp(prefix=f"{what}-", dir=place)), source)
        try:
            for name in names:
                (parcel.folder / name).parent.mkdir(parents=True, exist_ok=True)
                _copy(source / name, parcel.folder / name)
        except BaseException:  # Ctrl-C as well as a full disk
            discard(parcel)
            raise
    return parcel


@contextmanager
def _told(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        what = f"what is to be sent cannot be copied: {error.strerror or error}"
        fix = "make room there, and look who may write there; then `medft push`"
        raise MedftError(what, where=str(error.filename2 or error.filename or place), fix=fix) from error


@contextmanager
def packed(what: What, source: Path, place: Path, checks: Sequence[Check] = ()) -> Iterator[Parcel]:
    """A parcel that has passed all checks; removed afterwards.

    Raises:
        MedftError: a check keeps it here.
    """
    parcel = pack(what, source, place)
    try:
        for check in checks:
            check(parcel)
        yield parcel
    finally:
        discard(parcel)
        with suppress(OSError):  # others may be in it
            place.rmdir()


def discard(parcel: Parcel) -> None:
    """Remove the copy."""
    shutil.rmtree(parcel.folder, ignore_errors=True)


def _names(source: Path) -> list[str]:
    return sorted(path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file())


def _copy(path: Path, to: Path) -> None:
    if path.suffix in LINKED:
        try:
            os.link(path.resolve(), to)
        except OSError:  # another file system, or one without links
            pass
        else:
            return
    shutil.copyfile(path, to)
