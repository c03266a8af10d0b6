"""Open a `datasets` dataset row by row, from a disk or from the Hub, without running or unpickling anything of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote
from zipfile import BadZipFile

from medft_bm.core.errors import DataError
from medft_bm.core.registry import did_you_mean
from medft_bm.progress import progress
from medft_bm.sources.tables import optional

FORMATS = ("arrow", "csv", "imagefolder", "json", "parquet")
"""Builders that only parse. Others of the package unpickle, or need programs of their own."""
_FILES = {".arrow": "arrow", ".csv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}
_FIX = f"use what save_to_disk wrote, or {', '.join(FORMATS)} files"


def open_local(path: Path, config_name: str, splits: tuple[str, ...], scratch: Path) -> dict[str, Any]:
    """Rows by split of a folder or file; pictures stay encoded. A single file or dataset has the one split ``train``.

    Args:
        path: absolute; what ``save_to_disk`` wrote, a file, or a folder of files in one of :data:`FORMATS`.
        config_name: configuration, where the folder's README lists several.
        splits: those wanted; empty is all.
        scratch: folder for the locks of the package; nothing else goes there.

    Raises:
        DataError: missing, damaged, of another format, or made of files elsewhere.
    """
    hf = _package()
    if not path.exists():
        raise DataError("the dataset does not exist", where=str(path), fix="check the root and the option path")
    with readable(str(path)):
        if any((path / name).is_file() for name in ("dataset_dict.json", "state.json")):
            found = hf.load_from_disk(str(path))
            parts = dict(found) if isinstance(found, hf.DatasetDict) else {"train": found}
            _require_inside([file["filename"] for part in parts.values() for file in part.cache_files], path)
            rows = {str(name): part.to_iterable_dataset() for name, part in parts.items()}
            return {name: _encoded(rows[name]) for name in _chosen(rows, splits, str(path))}
        if path.is_dir():
            builder = hf.load_dataset_builder(str(path), config_name or None, cache_dir=str(scratch))
        else:
            kind = _format_of(path)
            builder = hf.load_dataset_builder(kind, data_files={"train": str(path)}, cache_dir=str(scratch))
        files = _files_of(builder, splits, str(path))
        _require_inside([file for listed in files.values() for file in listed], path)
        return _streamed(builder, files)


def open_hub(
    repo_id: str, revision: str, config_name: str, splits: tuple[str, ...], scratch: Path
) -> tuple[dict[str, Any], Path]:
    """Rows by split of a repository, and the folder that its files were fetched into, in the cache of the Hub.

    Raises:
        DataError: no such repository, revision or configuration, no access, no network, or as :func:`open_local`.
    """
    hf = _package()
    where = f"dataset {repo_id} on the Hub"
    with readable(where):
        builder = hf.load_dataset_builder(
            repo_id, config_name or None, revision=revision or None, cache_dir=str(scratch)
        )
        files = _files_of(builder, splits, where)
        fetched, folder = _fetched(files, repo_id, where)
        return _streamed(builder, fetched), folder


def _package() -> Any:
    hf = optional("datasets", "this source")
    hf.disable_progress_bars()
    return hf


@contextmanager
def readable(where: str) -> Iterator[None]:
    """What the package raises about a dataset becomes one :class:`DataError`."""
    own = optional("datasets.exceptions", "this source").DatasetsError
    try:
        yield
    except (OSError, ValueError, TypeError, LookupError, RuntimeError, EOFError, BadZipFile, own) as error:
        said = (str(error).strip().splitlines() or [""])[0]
        raise DataError(
            f"the dataset cannot be read: {type(error).__name__}: {said}", where=where, fix=f"check its name; {_FIX}"
        ) from error


def _format_of(path: Path) -> str:
    if path.suffix.lower() not in _FILES:
        raise DataError(f"{path.name} is not a file of a dataset", where=str(path), fix=_FIX)
    return _FILES[path.suffix.lower()]


def _files_of(builder: Any, splits: tuple[str, ...], where: str) -> dict[str, list[str]]:
    """Files by wanted split, if they are of a format that only parses."""
    module = type(builder).__module__
    if module not in {f"datasets.packaged_modules.{name}.{name}" for name in FORMATS}:
        what = f"the dataset is made of {module.rpartition('.')[2]} files, which are not read"
        raise DataError(what, where=where, fix=_FIX)
    files = {str(name): [str(file) for file in listed] for name, listed in builder.config.data_files.items()}
    return {name: files[name] for name in _chosen(files, splits, where)}


def _chosen(found: Mapping[str, Any], splits: tuple[str, ...], where: str) -> list[str]:
    for name in splits:
        if name not in found:
            what = f"there is no split {name!r}{did_you_mean(name, found)}"
            raise DataError(what, where=where, fix="correct the option splits")
    return [name for name in found if not splits or name in splits]


def _require_inside(files: list[str], path: Path) -> None:
    for file in files:
        if ".." in PurePosixPath(file).parts or not Path(file).is_relative_to(path):
            raise DataError(f"it takes in {file}, which is elsewhere", where=str(path), fix="move the file into it")


def _fetched(files: Mapping[str, list[str]], repo_id: str, where: str) -> tuple[dict[str, list[str]], Path]:
    """The same files in the cache of the Hub, where an interrupted download goes on."""
    from huggingface_hub import hf_hub_download

    prefix, folder = f"hf://datasets/{repo_id}@", Path()
    local: dict[str, list[str]] = {}
    for split, listed in files.items():
        local[split] = []
        for file in progress(listed, f"fetching {split}", len(listed)):
            if not file.startswith(prefix):
                raise DataError(f"it takes in {file}, which is elsewhere", where=where, fix="use another dataset")
            commit, _, name = file.removeprefix(prefix).partition("/")
            found = hf_hub_download(repo_id, name, repo_type="dataset", revision=unquote(commit))
            local[split].append(found)
            folder = Path(found).parents[name.count("/")]
    return local, folder


def _streamed(builder: Any, files: dict[str, list[str]]) -> dict[str, Any]:
    """Rows read from the files themselves: a second copy of everything in the package's own cache helps nobody."""
    builder.config.data_files = files
    rows = builder.as_streaming_dataset()
    return {name: _encoded(rows[name]) for name in files}


def _encoded(rows: Any) -> Any:
    # Where the format states no types nothing is decoded to begin with.
    return rows if rows.features is None else rows.decode(False)
