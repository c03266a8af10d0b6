"""What the tests of the file sources share."""

from __future__ import annotations

from pathlib import Path

import pytest

from medft_bm.core.records import Record
from medft_bm.sources import load_source


class Reading:
    """Records of a source with given options, and what it left out."""

    def __init__(self) -> None:
        self.skipped: list[tuple[str, str]] = []

    def __call__(self, name: str, root: Path, **options: object) -> list[Record]:
        source = load_source(name, options)
        return [record for unit in source.units(root) for record in source.records_of(root, unit, self._skip)]

    def _skip(self, what: str, why: str) -> None:
        self.skipped.append((what, why))


@pytest.fixture
def read() -> Reading:
    return Reading()
