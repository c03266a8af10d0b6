"""Published numbers beside which a report can put its own: those of the same task on the same data, and no others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from medft_bm.evaluate.medvision.groups import is_excluded, is_lesion, region
from medft_bm.prepare.dataset import PartInfo


@dataclass(frozen=True)
class Reference:
    """One published number, before and after fine-tuning.

    Attributes:
        model: which was evaluated.
        task: what it was asked, in words.
        setting: how it was asked and trained.
        metric: as the publication calls it.
        unit: of both values: ``%``, mm or degree.
        before: of the model as released; ``None`` when not published.
        after: of the model fine-tuned; likewise.
        source: publication and date.
        url: of it.
        note: what differs from an evaluation here.
    """

    model: str
    task: str
    setting: str
    metric: str
    unit: str
    before: float | None
    after: float | None
    source: str
    url: str
    note: str


def references_for(parts: Sequence[PartInfo]) -> list[Reference]:
    """Published numbers for any of these parts of a mix, in the order of the file; none twice."""
    data = _data()
    found: list[Reference] = []
    for entry in data["references"]:
        if any(_fits(entry["match"], part) for part in parts):
            found += _references(entry, data["origins"][entry["origin"]])
    return found


def _references(entry: Mapping[str, Any], origin: Mapping[str, str]) -> Iterator[Reference]:
    missing = [None] * len(entry["metrics"])
    for model, values in entry["models"].items():
        told = (values.get("before", missing), values.get("after", missing))
        for (metric, unit), before, after in zip(entry["metrics"].items(), *told, strict=True):
            yield Reference(
                model=model,
                task=entry["task"],
                setting=origin["setting"],
                metric=metric,
                unit=unit,
                before=before,
                after=after,
                source=origin["source"],
                url=origin["url"],
                note=origin["note"],
            )


def _fits(match: Mapping[str, Any], part: PartInfo) -> bool:
    return all(_TESTS[key](part, wanted) for key, wanted in match.items())


def _has_labels(part: PartInfo, lists: Sequence[Sequence[str]]) -> bool:
    """Whether the classes are those of one of the lists, all of them."""
    mine = {label.casefold() for label in part.labels}
    return any(mine == {label.casefold() for label in labels} for labels in lists)


def _asks_about(part: PartInfo, regions: str) -> bool:
    rows = [row for row in (region({"label": label}) for label in part.labels) if not is_excluded(row)]
    return any(is_lesion(row) == (regions == "lesion") for row in rows)


_TESTS: Mapping[str, Callable[[PartInfo, Any], bool]] = {
    "task": lambda part, name: part.task.name == name,
    "preset": lambda part, name: getattr(part.task, "preset", "") == name,
    "measure": lambda part, name: getattr(part.task, "measure", "") == name,
    "source": lambda part, name: part.source == name,
    "dataset": lambda part, name: name in part.datasets,
    "labels": _has_labels,
    "regions": _asks_about,
}


@cache
def _data() -> dict[str, Any]:
    text = files("medft_bm.evaluate").joinpath("references.yaml").read_text(encoding="utf-8")
    data: dict[str, Any] = yaml.safe_load(text)
    return data
