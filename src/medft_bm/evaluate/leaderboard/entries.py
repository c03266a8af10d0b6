"""What several runs left in their ``scores.json``, read without data, models or configs."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.types import Metric

Which: TypeAlias = Literal["base", "tuned"]

_FOLDER = re.compile(r"(base|tuned)(?:-shots(\d+))?")
_WORDS = {"base": "before", "tuned": "after"}
_AGAIN = "evaluate the model again: medft evaluate RUN"


@dataclass(frozen=True)
class Answer:
    """One question as one model answered it.

    Attributes:
        part: name in the mix.
        subject: hidden name of the patient.
        values: by metric; ``None`` when no answer was found.
    """

    part: str
    subject: str
    values: Mapping[str, float] | None

    def value(self, metric: Metric) -> float | None:
        """As for a :class:`~medft_bm.evaluate.score.Scored`."""
        return metric.unscored if self.values is None else self.values.get(metric.name)


@dataclass(frozen=True)
class Entry:
    """One evaluation: one model, before or after fine-tuning.

    Attributes:
        name: run folder and state; no two entries have the same.
        folder: of the evaluation.
        demo: whether it is a demonstration.
        about: facts of the evaluation.
        metrics: headline metric of every part.
        answers: by uid of the question.
    """

    name: str
    folder: Path
    demo: bool
    about: Mapping[str, Any]
    metrics: Mapping[str, Metric]
    answers: Mapping[str, Answer]


def read_entries(folders: Sequence[Path], which: Which | None = None) -> list[Entry]:
    """Every evaluation in these folders, in their order, before ahead of after.

    Args:
        folders: run folders, folders of evaluations, or evaluations.
        which: only models before, or only those after fine-tuning.

    Raises:
        ConfigError: a folder does not exist.
        DataError: a folder holds no evaluation, or an unreadable one.
    """
    found: dict[Path, Entry] = {}
    for folder in folders:
        for one in _evaluations(folder, which):
            found.setdefault(one.resolve(), _read(one))
    return _told_apart(list(found.values()))


def _evaluations(folder: Path, which: Which | None) -> list[Path]:
    if not folder.is_dir():
        raise ConfigError("there is no such folder", where=str(folder), fix="give run folders")
    if (folder / "scores.json").is_file():
        return [folder]
    inside = folder / "evaluation" if (folder / "evaluation").is_dir() else folder
    every = sorted(path.parent for path in inside.glob("*/scores.json") if _FOLDER.fullmatch(path.parent.name))
    chosen = [path for path in every if which is None or path.name.split("-")[0] == which]
    if not chosen:
        what = "nothing has been evaluated here" if not every else f"no {which} model has been evaluated here"
        raise DataError(what, where=str(folder), fix="run `medft evaluate` first; base is --model base")
    return chosen


def _read(folder: Path) -> Entry:
    path = folder / "scores.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Entry(
            name=_name(folder.resolve()) + (" (fake)" if content["about"].get("fake") else ""),
            folder=folder,
            demo=bool(content["demo"]),
            about=dict(content["about"]),
            metrics={part["part"]: _headline(part["metrics"]) for part in content["parts"]},
            answers={one["uid"]: Answer(one["part"], one["subject"], one["values"]) for one in content["samples"]},
        )
    except KeyError as error:
        what = f"{error} is missing, as from an earlier version of medft_bm"
        raise DataError(what, where=str(path), fix=_AGAIN) from error
    except (OSError, ValueError, TypeError, AttributeError, StopIteration) as error:
        raise DataError(f"the evaluation cannot be read: {error!r}", where=str(path), fix=_AGAIN) from error


def _headline(metrics: Mapping[str, Any]) -> Metric:
    name, facts = next(iter(metrics.items()))
    return Metric(name, facts["unit"], facts["higher_is_better"], facts["unscored"])


def _name(folder: Path) -> str:
    """Name of the run, and which of its models; the folder's own name where it does not lie in a run."""
    known = _FOLDER.fullmatch(folder.name)
    if not known:
        return folder.name
    run = folder.parent.parent if folder.parent.name == "evaluation" else folder.parent
    shots = f", {known[2]} examples shown" if known[2] else ""
    return f"{run.name} {_WORDS[known[1]]}{shots}"


def _told_apart(entries: Sequence[Entry]) -> list[Entry]:
    """Entries of one name get as many parent folders as tell them apart, or numbers."""
    names = [entry.name for entry in entries]
    for depth in range(1, max((len(_run(entry).parts) for entry in entries), default=1)):
        if len(set(names)) == len(names):
            break
        parents = [_run(entry).parts[-1 - depth : -1] for entry in entries]
        names = [
            "/".join((*parent, entry.name)) if names.count(name) > 1 else name
            for parent, entry, name in zip(parents, entries, names, strict=True)
        ]
    seen = Counter[str]()
    for place, name in enumerate(names):
        seen[name] += 1
        names[place] = name if seen[name] == 1 else f"{name} ({seen[name]})"
    return [replace(entry, name=name) for entry, name in zip(entries, names, strict=True)]


def _run(entry: Entry) -> Path:
    folder = entry.folder.resolve()
    if not _FOLDER.fullmatch(folder.name):
        return folder
    return folder.parent.parent if folder.parent.name == "evaluation" else folder.parent
