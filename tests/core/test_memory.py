from __future__ import annotations

import gc

import pytest

from medft_bm.core.memory import no_garbage_search


def stopped() -> None:
    with no_garbage_search():
        assert not gc.isenabled()
        with no_garbage_search():
            pass
        assert not gc.isenabled(), "only the outer block ends the pause"
        raise ValueError("stop")


def test_the_search_is_paused_and_goes_on_also_after_an_error():
    with pytest.raises(ValueError, match="stop"):
        stopped()
    assert gc.isenabled()


def test_a_search_that_was_off_stays_off():
    gc.disable()
    try:
        with no_garbage_search():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
