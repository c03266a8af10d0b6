"""Validation samples with what the model says of them, drawn at every evaluation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from medft_bm.core.types import Score
from medft_bm.train.labels import spread
from medft_bm.train.trackers import Shown, Wall

if TYPE_CHECKING:
    from medft_bm.prepare.dataset import Item


@dataclass(frozen=True)
class Gallery:
    """Hangs the same cases at every step, so that one can watch the replies change.

    Attributes:
        draw: from item, text of the reply and score to a picture with truth and reply on it.
        count: how many cases, evenly spread over those that were asked.
        walls: where.
    """

    draw: Callable[[Item, str, Score], Image.Image]
    count: int
    walls: Sequence[Wall]

    def on_replies(self, step: int, items: Sequence[Item], replies: Sequence[Any], scores: Sequence[Score]) -> None:
        """Draw a round of questions; called by the first process alone.

        Args:
            step: of the optimiser.
            items: what was asked, the same each time.
            replies: to each, with its ``text``.
            scores: of each.
        """
        cases = []
        for place, index in enumerate(spread(len(items), self.count), start=1):
            item, text, score = items[index], replies[index].text, scores[index]
            name = f"case {place:02d} {item.task.name}"
            cases.append(Shown(name, self.draw(item, text, score), caption(item, text, score)))
        for wall in self.walls:
            wall.show(step, cases)


def caption(item: Item, reply: str, score: Score) -> str:
    """Question, right answer, reply, and what it is worth."""
    worth = ", ".join(f"{name} {value:.4g}" for name, value in (score.values or {}).items()) or score.why
    return f"{item.prompt_text}\n\ntruth: {item.answer_text}\nreply: {reply}\n{worth}"
