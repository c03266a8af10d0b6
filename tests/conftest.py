"""Fixtures shared by every test."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import hypothesis
import pytest

from medft_bm.cli.main import main

REPOSITORY = Path(__file__).resolve().parents[1]

# A busy machine is no failure: nothing here is judged by the clock.
hypothesis.settings.register_profile("medft", deadline=None)
hypothesis.settings.load_profile("medft")


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Real, licensed images beside the repository; read in place, never copied into it."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real images at {folder}")
    return folder


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
