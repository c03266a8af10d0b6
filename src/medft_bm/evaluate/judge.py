"""What a model's replies are worth while it is still training: a few questions, one number."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from medft_bm.config.evaluation import Evaluate
from medft_bm.core.errors import DataError
from medft_bm.core.types import Metric, Score
from medft_bm.evaluate.backends.transformers import Transformers
from medft_bm.evaluate.baselines import LEARN, guess_replies
from medft_bm.evaluate.questions import question_of
from medft_bm.evaluate.replies import Reply
from medft_bm.evaluate.sampling import spread_items
from medft_bm.evaluate.score import Scored, by_part, score_replies
from medft_bm.models.base import Loaded
from medft_bm.prepare.dataset import Item, Prepared

LEARN_FROM = 2000
"""Training samples that the trivial baselines learn from."""

Watch: TypeAlias = Callable[[int, Sequence[Item], Sequence[Reply], Sequence[Score]], None]
"""Told of every round on the first process: step, what was asked, what was said, and what it is worth."""


@dataclass(frozen=True)
class Judge:
    """Asks the same items every time, greedily, and compares the replies with the trivial baselines'.

    The skill of a part is (trivial - error) / (trivial + error), from the mean of its headline metric, where the error
    of a metric that should be high is 1 - metric: 1 is perfect, 0 as good as guessing, -1 infinitely wrong. Replies
    without an answer count -1 each where the metric gives them no value. The skill is the mean over parts.

    Attributes:
        items: what is asked.
        names: of the parts of the mix.
        trivial: error of each part's trivial baseline on the same items.
        batch: prompts at a time.
        max_new_tokens: budget per reply.
        watch: told of every round.
    """

    items: Sequence[Item]
    names: Sequence[str]
    trivial: Mapping[int, float]
    batch: int
    max_new_tokens: int
    watch: Watch | None = None

    @classmethod
    def of(cls, prepared: Prepared, samples: int, options: Evaluate, watch: Watch | None = None) -> Judge:
        """A judge over validation samples of every part that is trained on.

        Args:
            prepared: made for the model's family.
            samples: how many to ask at most, over all parts.
            options: batch and budget of the replies.
            watch: told of every round.

        Raises:
            DataError: no part has samples both to train and to validate on.
        """
        learnt = spread_items(prepared.items("train"), LEARN_FROM)
        known = {item.part for item in learnt}
        items = [item for item in spread_items(prepared.items("validation"), samples) if item.part in known]
        if not items:
            raise DataError(
                "no part of the mix has both training and validation samples",
                where="train.best.metric",
                fix="raise data.split.validation or data.limit.validation",
            )
        guesses = guess_replies(LEARN["baseline"], ((item.part, item.sample) for item in learnt), items)
        guessed = by_part(score_replies(items, guesses))
        trivial = {part: _error(_headline(scored), _values(scored)) for part, scored in guessed.items()}
        names = [part.name for part in prepared.parts]
        return cls(items, names, trivial, options.batch, options.max_new_tokens, watch)

    def __call__(self, model: Any, processor: Any, step: int) -> dict[str, float]:
        """Ask and score; under a launcher all processes call it together, and each asks its share."""
        from accelerate import PartialState

        replies = self._replies(Loaded(model, processor), PartialState())
        scored = score_replies(self.items, replies)
        if self.watch is not None and PartialState().is_main_process:
            self.watch(step, self.items, replies, [one.score for one in scored])
        return self.numbers(scored)

    def numbers(self, scored: Sequence[Scored]) -> dict[str, float]:
        """Headline metric and share of readable replies by part, and the skill over all."""
        numbers, skills = {}, []
        for part, members in by_part(scored).items():
            metric, values = _headline(members), _values(members)
            if values:
                numbers[f"{self.names[part]}_{metric.name}"] = sum(values) / len(values)
            answered = sum(one.score.values is not None for one in members)
            numbers[f"{self.names[part]}_answered"] = answered / len(members)
            skills.append(skill(_error(metric, values), self.trivial[part], len(values), len(members)))
        return {**numbers, "skill": sum(skills) / len(skills)}

    def _replies(self, loaded: Loaded, state: Any) -> list[Reply]:
        from accelerate.utils import gather_object

        mine = [self.items[index] for index in turns(len(self.items), state.process_index, state.num_processes)]
        groups = [mine[start : start + self.batch] for start in range(0, len(mine), self.batch)]
        backend = Transformers(loaded, self.max_new_tokens, self.batch)
        replies = [reply for group in groups for reply in backend.ask([question_of(item) for item in group])]
        said = {reply.uid: reply for reply in gather_object(replies)}
        return [said[item.uid] for item in self.items]


def skill(error: float, trivial: float, valued: int, n: int) -> float:
    """Skill of one part, from -1 to 1.

    Args:
        error: mean over the replies that have a value.
        trivial: the same of the trivial baseline.
        valued: how many replies have a value.
        n: how many there are.
    """
    gain = (trivial - error) / (trivial + error) if trivial + error else 1.0
    return (valued * gain - (n - valued)) / n


def turns(count: int, process: int, processes: int) -> list[int]:
    """Which of ``count`` questions a process asks: as many as every other one, if need be some of theirs again.

    Where weights are sharded every forward pass is a joint one, and a process that was done would keep all waiting.
    """
    return [index % count for index in range(process, count + process, processes)]


def _headline(scored: Sequence[Scored]) -> Metric:
    return scored[0].item.task.metrics[0]


def _values(scored: Sequence[Scored]) -> list[float]:
    return [value for one in scored if (value := one.value(_headline(scored))) is not None]


def _error(metric: Metric, values: Sequence[float]) -> float:
    mean = sum(values) / len(values) if values else 0.0
    return 1 - mean if metric.higher_is_better else mean
