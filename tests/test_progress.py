"""Progress where nobody looks at a terminal."""

from __future__ import annotations

import pytest

from medft_bm import progress as module
from medft_bm.progress import progress


@pytest.fixture
def lines(caplog):
    caplog.set_level("INFO", logger="medft_bm.progress")
    # Another test may have run the command, which keeps our messages from the root logger that caplog listens to.
    module.log.addHandler(caplog.handler)
    yield lambda: list(dict.fromkeys(record.message for record in caplog.records))
    module.log.removeHandler(caplog.handler)


def test_quick_work_says_one_line_at_its_end(lines):
    assert list(progress("abcdefghijklmnopqrst", "letters", 20)) == list("abcdefghijklmnopqrst")

    assert lines() == ["letters: 20 of 20"]


def test_slow_work_says_a_line_every_tenth(lines, monkeypatch):
    monkeypatch.setattr(module, "QUIET_S", 0.0)

    list(progress(range(40), "slices", 40))

    assert lines() == [f"slices: {done} of 40" for done in range(4, 44, 4)]


def test_nothing_to_do_says_nothing(lines):
    assert list(progress([], "slices", 0)) == []

    assert lines() == []
