"""Turn what a user wrote under ``options`` into a task or source, or say what is wrong with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from medft_bm.core.errors import ConfigError
from medft_bm.core.registry import did_you_mean

T = TypeVar("T")


def build(kind: type[T], options: Mapping[str, Any], where: str) -> T:
    """An instance of the dataclass ``kind`` with validated fields.

    Raises:
        ConfigError: every unknown or invalid option at once.
    """
    made, problems = check(kind, options)
    if made is None:
        raise ConfigError(
            "; ".join(f"{option}: {message}" for option, message in problems),
            where=where,
            fix="see `medft tasks`, `medft sources` for the options",
        )
    return made


def check(kind: type[T], options: Mapping[str, Any]) -> tuple[T | None, list[tuple[str, str]]]:
    """An instance, or else (dotted option, message) of everything that is wrong."""
    known = {field.name for field in dataclasses.fields(kind) if field.init}  # type: ignore[arg-type]
    problems = [(str(key), f"unknown option{did_you_mean(str(key), known)}") for key in options if key not in known]
    made = None
    try:
        made = TypeAdapter(kind).validate_python({k: v for k, v in options.items() if k in known})
    except ValidationError as error:
        for detail in error.errors():
            path = ".".join(str(step) for step in detail["loc"]) or "options"
            problems.append((path, detail["msg"].removeprefix("Value error, ")))
    except ConfigError as error:  # from the class's own check of its fields
        option, _, message = error.what.partition(": ")
        named = (option, message) if option in known else ("options", error.what)
        problems.append((named[0], f"{named[1]}; {error.fix}" if error.fix else named[1]))
    return (None, problems) if problems else (made, [])
