"""Kinds of questions; see ``docs/add-a-task.md``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medft_bm.config.options import build
from medft_bm.core.registry import Registry
from medft_bm.tasks.base import Task

TASKS: Registry[type[Task]] = Registry(
    kind="task",
    group="medft_bm.tasks",
    builtin={
        "classification": "medft_bm.tasks.classification:Classification",
        "detection": "medft_bm.tasks.detection:Detection",
        "lesion_size": "medft_bm.tasks.lesion_size:LesionSize",
        "angle_distance": "medft_bm.tasks.angle_distance:AngleDistance",
    },
)


def load_task(name: str, options: Mapping[str, Any] | None = None) -> Task:
    """The task of that name with these options.

    Raises:
        ConfigError: unknown task or option.
    """
    return build(TASKS.get(name), options or {}, where=f"task {name}")
