"""Benchmark plans of MedVision: which annotation file there is, which tasks and cases it holds."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from medft_bm.core.errors import ConfigError, DataError, MedftError
from medft_bm.core.memory import no_garbage_search
from medft_bm.core.registry import did_you_mean
from medft_bm.core.types import Split
from medft_bm.imaging.slices import safe_path
from medft_bm.sources.files import existing_root
from medft_bm.sources.medvision_names import TaskName

_SHORT = {"boxes": "detection", "axes": "biometry", "landmarks": "biometry"}
_VERSION = re.compile(r"_v(\d+\.\d+\.\d+)\.json\.gz$")


@dataclass(frozen=True, eq=False)
class Job:
    """What one configuration says about one image.

    Attributes:
        name: the configuration.
        plan: file that it is from.
        facts: of the task: labels, folders, names of landmarks.
        case: files and grid of the image.
        slices: annotated slices along the configuration's axis.
        split: list of the plan that the case is in.
    """

    name: TaskName
    plan: Path
    facts: Mapping[str, Any]
    case: Mapping[str, Any]
    slices: Sequence[Mapping[str, Any]]
    split: Split

    @property
    def where(self) -> str:
        """For messages."""
        return f"{self.plan}, Task{self.name.number:02d}, {self.case.get('image_file')}"

    def path(self, kind: str) -> str:
        """Path of the ``image``, ``mask`` or ``landmark`` file, relative to the root.

        Raises:
            DataError: it does not stay under the root.
            KeyError: the plan names none.
        """
        folder, file = self.facts.get(f"{kind}_folder") or "", PurePosixPath(self.case[f"{kind}_file"])
        inside = file if file.is_relative_to(folder) else PurePosixPath(folder) / file
        relative = (PurePosixPath(self.name.dataset) / inside).as_posix()
        try:
            safe_path(self.plan.parent.parent, relative)
        except DataError as error:
            raise DataError(error.what, where=self.where, fix="correct the plan, or fetch it again") from error
        return relative


def plan_path(root: Path, name: TaskName, version: str) -> Path:
    """The plan of a configuration in one version of the annotations.

    Raises:
        ConfigError: no such dataset.
        DataError: no plan of that version; lists those there are.
    """
    folder, kind = root / name.dataset, _SHORT[name.kind]
    path = folder / f"benchmark_plan_{kind}_v{version}.json.gz"
    if path.is_file():
        return path
    if not folder.is_dir():
        datasets = [entry.name for entry in existing_root(root).iterdir() if entry.is_dir()]
        raise ConfigError(
            f"tasks: unknown dataset {name.dataset!r}{did_you_mean(name.dataset, datasets)}",
            where=str(root),
            fix="correct the name, or set root to the folder that holds the datasets",
        )
    found = sorted(
        match[1] for file in folder.glob(f"benchmark_plan_{kind}_v*") if (match := _VERSION.search(file.name))
    )
    raise DataError(
        f"no {kind} plan of version {version}; found: {', '.join(found) or 'none'}",
        where=str(folder),
        fix="set the option `version` to one of those found, or fetch the annotations",
    )


@contextmanager
def understood(where: str) -> Iterator[None]:
    """Turn a key that is missing or a value of the wrong type into one message.

    Raises:
        DataError: the file cannot be understood.
    """
    fix = "it is damaged or not MedVision's: fetch it again"
    try:
        yield
    except MedftError:
        raise
    except KeyError as error:
        raise DataError(f"the file lacks the key {error}", where=where, fix=fix) from error
    except (TypeError, ValueError, AttributeError, IndexError) as error:
        raise DataError(f"the file is garbled: {error}", where=where, fix=fix) from error


@lru_cache(maxsize=8)
def find_jobs(names: tuple[TaskName, ...], plans: tuple[tuple[Path, int], ...]) -> dict[str, tuple[Job, ...]]:
    """Jobs by relative path of the image, sorted; kept, because every image asks for them.

    Args:
        names: configurations.
        plans: file and modification time for each of them.

    Raises:
        ConfigError: a task that the plan does not have.
        DataError: a damaged plan, or a path that leads out of the root.
    """
    jobs: dict[str, list[Job]] = {}
    # Plan by plan: one of a large dataset fills the memory of two.
    for name, (path, stamp_ns) in sorted(zip(names, plans, strict=True), key=lambda pair: pair[1]):
        for job in _jobs(name, path, stamp_ns):
            with understood(job.where):
                jobs.setdefault(job.path("image"), []).append(job)
    return {image: tuple(jobs[image]) for image in sorted(jobs)}


def _jobs(name: TaskName, path: Path, stamp_ns: int) -> Iterator[Job]:
    with understood(str(path)):
        tasks = _read(path, stamp_ns)["tasks"]
        if not 1 <= name.number <= len(tasks):
            what = f"tasks: there is no Task{name.number:02d}; the plan has {len(tasks)} tasks"
            raise ConfigError(what, where=str(path), fix="correct the number of the task")
        task = tasks[name.number - 1]
        _require_kind(name, task, path)
        facts = {key: value for key, value in task.items() if not key.endswith("_cases")}
        for split in name.splits:
            for case in task[f"{split}_cases"]:
                slices = case[f"slice_profiles_{'xyz'[name.axis]}"]
                rest = {key: value for key, value in case.items() if key == "image_file_info" or key.endswith("_file")}
                yield Job(name, path, facts, rest, slices, split)


def _require_kind(name: TaskName, task: Mapping[str, Any], path: Path) -> None:
    if name.kind != "boxes" and ("target_label" in task) != (name.kind == "axes"):
        what = f"tasks: Task{name.number:02d} of {name.dataset} is not a {name.annotation} task"
        raise ConfigError(what, where=str(path), fix="correct the number or the annotation in the name")


@lru_cache(maxsize=1)
def _read(path: Path, stamp_ns: int) -> Any:
    return read_json(path, hook=_slim)


def read_json(path: Path, hook: Any = None) -> Any:
    """Contents of a JSON file, compressed when it is called ``.gz``.

    Raises:
        DataError: missing, damaged, or no JSON.
    """
    fix = "fetch the file again"
    try:
        data = path.read_bytes()
        with no_garbage_search():
            return json.loads(gzip.decompress(data) if path.suffix == ".gz" else data, object_hook=hook)
    except FileNotFoundError as error:
        raise DataError("the file does not exist", where=str(path), fix=fix) from error
    except (OSError, EOFError, zlib.error, ValueError, RecursionError) as error:
        raise DataError(f"the file cannot be read: {error}", where=str(path), fix=fix) from error


def _slim(entry: dict[str, Any]) -> Any:
    """A box as the corners alone: its centre and sizes follow from them and take ten times the memory."""
    return (*entry["min_coords"], *entry["max_coords"]) if "max_coords" in entry and "min_coords" in entry else entry
