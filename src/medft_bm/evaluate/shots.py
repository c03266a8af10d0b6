"""Few-shot prompting: which training samples are shown, with their answers, before a question."""

from __future__ import annotations

import hashlib
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from medft_bm.core.errors import DataError
from medft_bm.evaluate.questions import Shot, candidates_of, shot_of
from medft_bm.evaluate.sampling import spread_items
from medft_bm.prepare.dataset import Item, Prepared

LEARN_FROM = 5000
"""Training samples that examples are taken from, spread over parts and patients."""

T = TypeVar("T")


@dataclass(frozen=True)
class Examples:
    """Draws examples for every question anew, by hashes.

    One fixed set would make the whole evaluation hang on one draw, which no interval over patients shows; other
    examples for every question average over the draw.

    Attributes:
        pools: training items by part and label, in the order of a hash.
        count: examples for each question.
    """

    pools: Mapping[int, Mapping[str, Sequence[Item]]]
    count: int

    @classmethod
    def of(cls, prepared: Prepared, count: int) -> Examples:
        """Examples from the training split.

        Args:
            prepared: made for the model's family.
            count: examples for each question.
        """
        chosen = spread_items(prepared.items("train"), LEARN_FROM) if count else []
        pools: dict[int, dict[str, list[Item]]] = defaultdict(lambda: defaultdict(list))
        for item in sorted(chosen, key=lambda item: _hash(item.uid)):
            pools[item.part][item.sample.tags["label"]].append(item)
        return cls(pools, count)

    def before(self, item: Item) -> tuple[Shot, ...]:
        """What is shown before this question: samples of its part, each of another patient where there are enough.

        Where the answer is one of a closed list the classes take turns, beginning anywhere, so that neither their
        shares nor their order say anything. Elsewhere samples about the same label come first.

        Raises:
            DataError: the part has too few training samples.
        """
        shown = self._drawn(item, ())
        shown += self._drawn(item, shown)
        if len(shown) < self.count:
            raise DataError(
                f"{self.count} examples are asked for, and only {len(shown)} training samples can be shown",
                where=f"evaluate.shots, sample {item.uid}",
                fix=f"set evaluate.shots={len(shown)}, or take more training samples into the mix",
            )
        return tuple(map(shot_of, shown))

    def _drawn(self, item: Item, before: Sequence[Item]) -> list[Item]:
        """Examples of different patients, beside those drawn before."""
        seen, subjects, drawn = {one.uid for one in before}, set[str](), list[Item]()
        takes_turns, queues = bool(candidates_of(item)), deque(map(iter, self._queues(item)))
        while queues and len(before) + len(drawn) < self.count:
            queue = queues.popleft()
            one = next((one for one in queue if one.uid not in seen and one.sample.subject not in subjects), None)
            if one is not None:
                drawn.append(one)
                subjects.add(one.sample.subject)
                queues.insert(len(queues) if takes_turns else 0, queue)
        return drawn

    def _queues(self, item: Item) -> Iterable[Sequence[Item]]:
        """Samples of the part by label: those of the same label first, unless the label is the answer."""
        pools, start = self.pools.get(item.part, {}), _hash(item.uid)
        labels = _from(sorted(pools), start)
        if not candidates_of(item):
            labels.sort(key=lambda label: label != item.sample.tags["label"])
        return [_from(pools[label], start) for label in labels]


def _from(members: Sequence[T], start: int) -> list[T]:
    """The same in a circle, from somewhere on."""
    first = start % max(1, len(members))
    return [*members[first:], *members[:first]]


def _hash(uid: str) -> int:
    return int(hashlib.sha256(uid.encode()).hexdigest()[:16], 16)
