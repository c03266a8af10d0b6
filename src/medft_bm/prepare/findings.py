"""What a check of raw data has to say: one finding per thing that is wrong or odd."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from medft_bm.core.errors import DataError

Level: TypeAlias = Literal["error", "warning", "note"]
LEVELS: tuple[Level, Level, Level] = ("error", "warning", "note")
"""``error``: preparing stops at it, or trains on what is wrong; ``warning``: look at it; ``note``: good to know."""

_VALUE = re.compile(r"'[^']*'|\d[\d.,]*")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with the data, or odd enough to look at.

    Attributes:
        level: one of :data:`LEVELS`.
        kind: name of the check, the same in every version.
        part: name of the part of the mix, or of several that read the same files.
        file: relative to the root of the part; empty when it is about the part as a whole.
        what: one sentence with the value in it.
        fix: what the owner of the data can do.
    """

    level: Level
    kind: str
    part: str
    file: str
    what: str
    fix: str

    @property
    def family(self) -> tuple[str, str]:
        """What findings share that differ only in their values: the check, and the sentence without its values."""
        return self.kind, _VALUE.sub("#", self.what.split(":")[0])


def of_error(error: DataError, part: str, root: Path, unit: str) -> Finding:
    """The finding that an error becomes.

    Args:
        error: what a reader or a task raised.
        part: name of the part.
        root: folder that is left out of the file's name.
        unit: named when the error says no place.
    """
    file = (error.where or unit).replace(f"{root}/", "")
    return Finding("error", "unusable", part, file, error.what, error.fix)


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each finding once: the worst first, then by file."""
    return tuple(
        sorted(dict.fromkeys(findings), key=lambda one: (LEVELS.index(one.level), one.part, one.file, one.kind))
    )
