"""Guesses that never look at an image, on the questions that models were asked: what every number is read beside."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from medft_bm import __version__
from medft_bm.core.types import Sample
from medft_bm.evaluate.questions import question_of
from medft_bm.evaluate.replies import Reply, ReplyFile
from medft_bm.evaluate.run import Evaluation
from medft_bm.evaluate.score import score_replies
from medft_bm.prepare.codec import load_sample
from medft_bm.prepare.dataset import Item, Prepared
from medft_bm.tasks.base import Guess, Task
from medft_bm.tasks.baseline import random_guess
from medft_bm.tasks.nearest import nearest_guess

BASELINES: Mapping[str, str] = {
    "baseline": "trivial baseline",
    "random": "random answer",
    "nearest": "nearest training sample",
}
"""Titles for people, by the name of the folder that keeps the replies."""

LEARN: Mapping[str, Callable[[Task, Sequence[Sample]], Guess]] = {
    "baseline": lambda task, train: task.baseline(train),
    "random": random_guess,
    "nearest": nearest_guess,
}

_BATCH = 1000


def open_baselines(folder: Path, prepared: Prepared, items: Sequence[Item]) -> dict[str, Evaluation]:
    """Every baseline on the same items, each part's learnt from its training samples.

    Replies are kept in ``folder/<name>``, because learning them reads all training rows.

    Args:
        folder: of all evaluations of a run.
        prepared: where the items are from.
        items: what the models were asked.

    Returns:
        By name, in the order of :data:`BASELINES`.
    """
    settings = {"data": prepared.folder.name, "medft_bm": __version__}
    files = {name: ReplyFile(folder / name, settings) for name in BASELINES}
    known = {name: file.open() for name, file in files.items()}
    digests = [question_of(item).digest for item in items]
    keys = list(zip([item.uid for item in items], digests, strict=True))
    missing = [name for name in BASELINES if any(key not in known[name] for key in keys)]
    train = list(_training_samples(prepared, {item.part for item in items})) if missing else []
    for name in missing:
        replies = guess_replies(LEARN[name], train, items)
        files[name].path.unlink(missing_ok=True)
        files[name].add(replies, digests)
        known[name] = dict(zip(keys, replies, strict=True))
    return {name: Evaluation(score_replies(items, [known[name][key] for key in keys]), {}) for name in BASELINES}


def guess_replies(
    learn: Callable[[Task, Sequence[Sample]], Guess], train: Iterable[tuple[int, Sample]], items: Sequence[Item]
) -> list[Reply]:
    """What guesses reply, learnt from the training samples of the same part.

    Args:
        learn: how, as in :data:`LEARN`.
        train: part and sample.
        items: what is asked.
    """
    samples: dict[int, list[Sample]] = defaultdict(list)
    for part, sample in train:
        samples[part].append(sample)
    tasks = {item.part: item.task for item in items}
    guesses = {part: learn(task, samples[part]) for part, task in tasks.items()}
    return [Reply(item.uid, guesses[item.part](item.sample, item.view), 0, True) for item in items]


def _training_samples(prepared: Prepared, parts: set[int]) -> Iterator[tuple[int, Sample]]:
    """With their part of the mix, of the parts asked about."""
    for batch in prepared.rows("train").select_columns(["part", "sample"]).iter(_BATCH):
        for part, text in zip(batch["part"], batch["sample"], strict=True):
            if part in parts:
                yield part, load_sample(text)
