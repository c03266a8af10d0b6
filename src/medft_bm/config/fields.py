"""Types of single settings, and the base of every group of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


def _path(value: Any) -> Any:
    if value == "":
        raise ValueError("a path may not be empty")
    if isinstance(value, str) and value.startswith("~"):
        try:
            return Path(value).expanduser()
        except RuntimeError as error:
            raise ValueError(str(error)) from error
    return value


def _folder_or_id(value: Any) -> Any:
    return str(_path(value)) if isinstance(value, str) else value


def _words(value: Any) -> Any:
    """One word stands for a list of one, ``none`` for an empty one."""
    if isinstance(value, str):
        return [] if value in ("", "none") else value.split(",")
    return value


def _all(value: int | None) -> int | None:
    return None if value == -1 else value


def _some(value: int | None) -> int | None:
    if value == 0:
        raise ValueError("0 leaves nothing to ask; use at least 1, or -1 for all")
    return value


FilePath = Annotated[Path, BeforeValidator(_path)]
FolderOrId = Annotated[str, BeforeValidator(_folder_or_id), Field(min_length=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Limit = Annotated[Annotated[int, Field(ge=-1)] | None, AfterValidator(_all)]
SampleLimit = Annotated[Limit, AfterValidator(_some)]
Words = BeforeValidator(_words)
"""One word stands for a list of one, ``none`` for an empty one."""
Rate = Annotated[float, Field(gt=0, lt=1)]


class Section(BaseModel):
    """A group of keys: frozen, and a key it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)
