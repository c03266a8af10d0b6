"""Copy a dataset into plain files, once: its pictures, and one line of everything else per row."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock
from PIL import Image, UnidentifiedImageError

from medft_bm.core.errors import DataError
from medft_bm.imaging.slices import safe_path
from medft_bm.sources.hf_files import open_hub, open_local, readable
from medft_bm.sources.tables import check_columns, optional

log = logging.getLogger(__name__)
LAYOUT = 1
"""Raise it when the files below are written in another way."""
_SUFFIXES = {"JPEG": "jpg", "TIFF": "tif"}


@dataclass(frozen=True)
class Wanted:
    """Which rows of which dataset; options that only read the copy in another way are not among them."""

    path: str
    repo_id: str
    revision: str
    config_name: str
    splits: tuple[str, ...]
    image_column: str

    @property
    def title(self) -> str:
        """How messages call it."""
        return self.path or self.repo_id


def copied(root: Path, wanted: Wanted) -> str:
    """Name of the folder in the root with ``rows.jsonl``, ``dataset.json`` and pictures; made unless it is there.

    Raises:
        DataError: the dataset cannot be read, a row has no usable picture, or the root cannot be written to.
        ConfigError: no such column of pictures.
    """
    root = root.absolute()  # as the package states paths
    made, made_from = root / f"hf_dataset-{_digest(LAYOUT, asdict(wanted))}", _stamp(root, wanted)
    if _is_current(made, made_from):
        return made.name
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f".{made.name}.lock"):
            if not _is_current(made, made_from):
                _make(root, made, wanted, made_from)
    except OSError as error:
        fix = "make it writable, or link the dataset into a root that is"
        raise DataError(f"pictures cannot be written below the root: {error}", where=str(root), fix=fix) from error
    return made.name


def _digest(*facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:8]


def _stamp(root: Path, wanted: Wanted) -> str:
    """Name, size and modification time of every file of a dataset on a disk; nothing for one on the Hub.

    Not part of the folder's name: samples are known by the paths of their pictures, on every machine.
    """
    if not wanted.path:
        return ""
    path = safe_path(root, wanted.path)
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    stats = [(file.relative_to(root).as_posix(), file.stat()) for file in files if file.is_file()]
    return _digest(*((name, facts.st_size, facts.st_mtime_ns) for name, facts in stats))


def _is_current(made: Path, made_from: str) -> bool:
    facts = made / "dataset.json"
    return facts.is_file() and json.loads(facts.read_text(encoding="utf-8"))["made_from"] == made_from


def _make(root: Path, made: Path, wanted: Wanted, made_from: str) -> None:
    draft = made.with_name(f".{made.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    scratch = draft / "scratch"
    scratch.mkdir(parents=True)
    if wanted.path:
        parts = open_local(safe_path(root, wanted.path), wanted.config_name, wanted.splits, scratch)
        copy = _Copy(root, made, draft, wanted, inside=None)
    else:
        parts, fetched = open_hub(wanted.repo_id, wanted.revision, wanted.config_name, wanted.splits, scratch)
        copy = _Copy(root, made, draft, wanted, inside=fetched)
    log.info("copying the pictures of %s to %s", wanted.title, made)
    with readable(wanted.title):
        copy.write(parts, made_from)
    shutil.rmtree(scratch)
    outdated = made.with_name(f".{made.name}.outdated")
    shutil.rmtree(outdated, ignore_errors=True)
    if made.exists():
        made.rename(outdated)
    draft.rename(made)
    shutil.rmtree(outdated, ignore_errors=True)


@dataclass
class _Copy:
    """One copying; ``inside`` is the folder of files fetched from the Hub, which are copied and not referred to.

    Pictures are named by their content, which no new row changes and which tells nothing of a patient.
    """

    root: Path
    made: Path
    draft: Path
    wanted: Wanted
    inside: Path | None
    seen: dict[str, str] = field(default_factory=dict)
    copies: Counter[str] = field(default_factory=Counter)

    def write(self, parts: Mapping[str, Any], made_from: str) -> None:
        names: dict[str, list[str]] = {}
        with (self.draft / "rows.jsonl").open("w", encoding="utf-8") as file:
            for split, rows in parts.items():
                for column, found in _class_names(rows.features or {}).items():
                    if names.setdefault(column, found) != found:
                        what = f"the classes of {column!r} differ between splits"
                        raise DataError(what, where=self.wanted.title, fix="choose splits that agree")
                for line in self._lines(split, rows):
                    file.write(json.dumps(line, default=_plain) + "\n")
        facts = {"splits": list(parts), "names": names, "made_from": made_from}
        (self.draft / "dataset.json").write_text(json.dumps(facts), encoding="utf-8")

    def _lines(self, split: str, rows: Any) -> Iterator[dict[str, Any]]:
        column = self.wanted.image_column
        for number, row in enumerate(rows, start=1):
            where = f"{self.wanted.title}, {split}, row {number}"
            check_columns({"image_column": column}, list(row), self.wanted.title)
            image = self._image(row[column], where)
            if image in self.seen:
                fix = "give every picture one row, with a list of boxes where there are several"
                raise DataError(f"{image} is in {self.seen[image]} too", where=where, fix=fix)
            self.seen[image] = where
            values = {name: value for name, value in row.items() if name != column}
            yield {"image": image, "split": split, "row": number, "values": values}

    def _image(self, cell: Any, where: str) -> str:
        """Path of the picture relative to the root, after writing it if need be."""
        data = cell.get("bytes") if isinstance(cell, Mapping) else None
        named = cell.get("path") if isinstance(cell, Mapping) else cell
        if data is None:
            if not isinstance(named, str) or not named:
                what = f"no picture in the column {self.wanted.image_column!r}, but a {type(cell).__name__}"
                raise DataError(what, where=where, fix="name a column of pictures or of paths below the root")
            if self.inside is None and "::" not in named:
                return self._below_root(named, where)
            data = self._read(named, where)
        content, suffix = hashlib.sha256(data).hexdigest()[:16], _suffix(data, where)
        self.copies[content] += 1
        again = f"-{self.copies[content]}" if self.copies[content] > 1 else ""
        (self.draft / f"{content}{again}.{suffix}").write_bytes(data)
        return f"{self.made.name}/{content}{again}.{suffix}"

    def _below_root(self, named: str, where: str) -> str:
        path = Path(named)
        relative = path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else named
        try:
            if safe_path(self.root, relative).is_file():
                return relative
        except DataError as error:
            raise DataError(error.what, where=where, fix="keep the pictures below the root") from error
        raise DataError(f"the picture {relative} does not exist", where=where, fix="give paths relative to the root")

    def _read(self, named: str, where: str) -> bytes:
        """A file of the dataset, or a member of an archive that is one."""
        member, joined, file = named.rpartition("::")
        allowed = self.inside or safe_path(self.root, self.wanted.path)
        known = not joined or (member.startswith("zip://") and "::" not in member)
        if not known or ".." in Path(file).parts or not Path(file).is_relative_to(allowed):
            what = f"the picture {named} is not among the files of the dataset"
            raise DataError(what, where=where, fix="use a dataset that holds its pictures")
        with optional("fsspec", "this source").open(named, "rb") as stream:
            data: bytes = stream.read()
        return data


def _plain(value: Any) -> str | None:
    """What JSON has no form for: dates and the like as text, other columns of pictures without their bytes."""
    return None if isinstance(value, bytes) else str(value)


def _class_names(features: Any, above: str = "") -> dict[str, list[str]]:
    """Names of the classes in every column of numbered classes, those of objects as ``objects.category``."""
    found: dict[str, list[str]] = {}
    for name, feature in features.items():
        while hasattr(feature, "feature"):  # a list
            feature = feature.feature
        if isinstance(feature, Mapping):
            found |= _class_names(feature, f"{above}{name}.")
        elif hasattr(feature, "names"):
            found[above + name] = list(feature.names)
    return found


def _suffix(data: bytes, where: str) -> str:
    """Suffix that fits encoded bytes; nothing is decoded but the header."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            kind = image.format or ""
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        what = "this is not a picture that can be read"
        raise DataError(what, where=where, fix="use PNG or JPEG") from error
    return _SUFFIXES.get(kind, kind.lower())
