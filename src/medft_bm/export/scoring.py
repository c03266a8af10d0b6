"""How lmms-eval scores an exported task: by the task's own code, so that its numbers are ours.

The ``utils.py`` of an export calls these functions; lmms-eval 0.7.3 takes from a question one value per metric
(:func:`results`), and from all values of a metric one number (:func:`mean`, :func:`pooled`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from medft_bm.core.types import Metric, Score
from medft_bm.prepare.codec import load_sample, load_view
from medft_bm.tasks import load_task
from medft_bm.tasks.base import Answered, Pools, Task

Doc: TypeAlias = Mapping[str, Any]
"""A row of the export, as lmms-eval calls it."""


def visual(doc: Doc, folder: Path) -> list[Image.Image]:
    """The picture in RGB, for Qwen in the size in which the model must see it.

    Some of the model classes for Qwen resize by limits of their own, whatever they are told: a picture that has its
    final size already is left alone by all of them.
    """
    with Image.open(folder / doc["image"]) as image:
        picture = image.convert("RGB")
    if not json.loads(doc["task"])["fitted"]:
        return [picture]
    size = load_view(doc["view"]).size
    return [picture.resize((size.w, size.h), Image.Resampling.BICUBIC)]


def results(doc: Doc, replies: Sequence[str]) -> dict[str, Any]:
    """What the reply to one question is worth, by metric.

    A mean gets the fields ``score``, left out where the question has no value, and ``subject``, by which lmms-eval
    clusters its standard errors.
    """
    sample, about = load_sample(doc["sample"]), json.loads(doc["task"])
    task = _task(doc["task"])
    score = task.score(sample, load_view(doc["view"]), replies[0])
    values = {metric: _value(metric, score) for metric in task.metrics}
    means = {
        shown(metric.name): {"subject": sample.subject, **({} if value is None else {"score": value})}
        for metric, value in values.items()
    }
    said = {"values": score.values, "predicted": score.predicted, "sample": doc["sample"], "task": doc["task"]}
    return {**means, **{shown(name): {"metric": name, **said} for name in about["pooled"]}}


def mean(items: Sequence[Mapping[str, Any]]) -> float:
    """Over the questions that have a value; NaN when none has."""
    scores = [item["score"] for item in items if "score" in item]
    return float(np.mean(scores)) if scores else math.nan


def pooled(items: Sequence[Mapping[str, Any]]) -> float:
    """A metric that needs all questions at once; NaN when it is not defined for those there are."""
    task = _task(items[0]["task"])
    answered = [Answered(load_sample(item["sample"]), Score(item["values"], item["predicted"])) for item in items]
    metrics = task.pooled([one.sample for one in answered]) if isinstance(task, Pools) else ()
    for metric in metrics:
        if metric.metric.name == items[0]["metric"]:
            rows = [row for row in map(metric.row, answered) if row is not None]
            return metric.statistic(np.array(rows, np.float64), np.ones(len(rows))) if rows else math.nan
    return math.nan


def shown(name: str) -> str:
    """A metric's name for lmms-eval, which cuts names at commas."""
    return name.replace(",", ";")


def _value(metric: Metric, score: Score) -> float | None:
    return metric.unscored if score.values is None else score.values.get(metric.name)


@lru_cache(maxsize=256)
def _task(text: str) -> Task:
    about = json.loads(text)
    return load_task(about["name"], about["options"])
