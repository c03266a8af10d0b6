"""Run ``medft`` in this process."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from medft_bm.cli.main import main


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Medft = Callable[..., Outcome]


@pytest.fixture
def medft(capsys: pytest.CaptureFixture[str], repository: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Medft]:
    """Run one command line in the repository's root; the outcome's streams hold only what it wrote."""
    monkeypatch.chdir(repository)
    log = logging.getLogger("medft_bm")

    def run(*words: object) -> Outcome:
        capsys.readouterr()
        # The handler holds on to the stderr of the test that made it.
        log.handlers.clear()
        try:
            code = main([str(word) for word in words])
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Outcome(code, *capsys.readouterr())

    yield run
    log.handlers.clear()
    log.propagate = True
