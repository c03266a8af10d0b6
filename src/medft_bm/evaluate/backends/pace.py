"""Not more requests than a server allows, and what they used."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class Pace:
    """Lets tasks of one event loop go on one after the other, evenly spaced.

    Attributes:
        per_minute: how many at most; ``None`` lets everybody through.
    """

    per_minute: float | None
    _free_at: float = 0.0

    async def wait(self, *_: Any) -> None:
        """Return when it is this caller's turn."""
        if self.per_minute is None:
            return
        now = time.monotonic()
        turn = max(now, self._free_at)
        self._free_at = turn + 60 / self.per_minute
        await asyncio.sleep(turn - now)


@dataclass
class Tally:
    """What the replies of one session used.

    Attributes:
        replies: how many came.
        tokens_in: of the prompts, images included.
        tokens_out: of the replies, hidden reasoning included.
        uncounted: replies whose tokens the server did not say.
        withheld: replies that a content filter, or the model itself, refused to give.
    """

    replies: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    uncounted: int = 0
    withheld: int = 0

    def add(self, tokens_in: int | None, tokens_out: int | None, *, withheld: bool) -> None:
        """Count one reply; ``None`` for tokens that the server did not say."""
        self.replies += 1
        self.tokens_in += tokens_in or 0
        self.tokens_out += tokens_out or 0
        self.uncounted += tokens_in is None or tokens_out is None
        self.withheld += withheld

    def cost(self, per_million_in: float | None, per_million_out: float | None) -> float | None:
        """What it cost, in the currency of the prices; ``None`` when a price or a token count is unknown."""
        if per_million_in is None or per_million_out is None or self.uncounted:
            return None
        return (self.tokens_in * per_million_in + self.tokens_out * per_million_out) / 1e6

    def as_json(self) -> Mapping[str, Any]:
        """The counts."""
        return asdict(self)
