"""Progress of long work: a bar on a terminal, a few plain lines elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
log = logging.getLogger(__name__)

QUIET_S = 5.0
"""Seconds between two plain lines at least, so that quick work says one line and not ten."""


def progress(items: Iterable[T], what: str, total: int) -> Iterator[T]:
    """Yield ``items`` and show how far it is.

    Without a terminal a line is written at every tenth, not more often than every :data:`QUIET_S` seconds, and at the
    end.

    Args:
        items: what to go through.
        what: short noun phrase in front of the bar.
        total: how many there will be.
    """
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(items, desc=what, total=total, dynamic_ncols=True, leave=False)
        return
    tenth, spoke = 0, time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        reached = done * 10 // max(total, 1)
        if done == total or (reached > tenth and time.monotonic() - spoke >= QUIET_S):
            log.info("%s: %d of %d", what, done, total)
            tenth, spoke = reached, time.monotonic()
