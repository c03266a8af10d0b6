"""Fixtures shared by every test."""

from __future__ import annotations

import locale
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import hypothesis
import pytest

from medft_bm.cli.main import main

REPOSITORY = Path(__file__).resolve().parents[1]

# A busy machine is no failure: nothing here is judged by the clock.
hypothesis.settings.register_profile("medft", deadline=None)
hypothesis.settings.load_profile("medft")


@pytest.fixture(autouse=True)
def _same_locale() -> Iterator[None]:
    """SimpleITK's writer of DICOM files, which some tests use, leaves the process in the C locale."""
    before = locale.setlocale(locale.LC_ALL)
    yield
    locale.setlocale(locale.LC_ALL, before)


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


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The Chromium of this machine, without a window; Playwright drives it."""
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    # Not for the session: while it runs, no other test of this process can start an event loop.
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def browse(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open a file as a user does; the test fails on any word on the console, error or request to anywhere."""
    pages, problems = [], []

    def opened(path: Path, **how: Any) -> Any:
        page = browser.new_page(**how)
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda asked: problems.append(asked.url) if path.as_uri() not in asked.url else None)
        page.goto(path.as_uri())
        pages.append(page)
        return page

    yield opened
    for page in pages:
        page.close()
    assert [problem for problem in problems if not problem.startswith("data:image/")] == []


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
