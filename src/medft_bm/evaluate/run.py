"""Evaluate one model on a prepared split, and find on disk what was evaluated before."""

from __future__ import annotations

import json
import logging
import platform
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from medft_bm.config.evaluation import Evaluate
from medft_bm.config.schema import Config
from medft_bm.core.errors import DataError
from medft_bm.core.memory import no_garbage_search
from medft_bm.evaluate.asking import asked_items, condition, questions_about
from medft_bm.evaluate.backends.base import Backend
from medft_bm.evaluate.compare import Who
from medft_bm.evaluate.generate import generate_replies
from medft_bm.evaluate.questions import Question
from medft_bm.evaluate.replies import ReplyFile, write_text
from medft_bm.evaluate.score import Scored, Summary, score_replies, summarise
from medft_bm.evaluate.team import ALONE, Team
from medft_bm.prepare.dataset import Item, Prepared

log = logging.getLogger(__name__)

PACKAGES = ("medft_bm", "torch", "transformers", "trl", "peft", "accelerate", "datasets", "numpy", "SimpleITK")

SCORES = "scores.json"
"""What the replies are worth, in the folder of each evaluation."""
SHOWN = re.compile(r"(base|tuned)-shots\d+")
"""Folders of evaluations with examples before every question."""


@dataclass(frozen=True)
class Evaluation:
    """What one model, or the trivial baseline, answered.

    Attributes:
        scored: every item asked, with reply and score.
        about: facts of the run, as in ``scores.json``; empty for the baseline.
    """

    scored: list[Scored]
    about: dict[str, Any]


def evaluate_run(
    prepared: Prepared, config: Config, which: Who, backend: Backend, out: Path, team: Team = ALONE
) -> Evaluation:
    """Ask, score, and write ``replies.jsonl`` and ``scores.json`` into a folder of ``out``.

    Args:
        prepared: made for this model's family.
        config: what to ask (``evaluate``) and what the model is called.
        which: the model before or after fine-tuning.
        backend: who is asked.
        out: folder of all evaluations of a run; see :func:`~medft_bm.evaluate.asking.condition`.
        team: the processes that share the questions, all of which call this.

    Raises:
        DataError: nothing to ask, too few examples to show, or replies on disk that cannot be read.
    """
    options = config.evaluate
    items = asked_items(prepared, options)
    questions = questions_about(prepared, items, options)
    if team.first:
        _warn_unless_alike(out / ("tuned" if which == "base" else "base") / SCORES, options)
    return ask_and_score(prepared, config, items, questions, backend, out / condition(which, options), team)


def _warn_unless_alike(other: Path, options: Evaluate) -> None:
    """Say so when the model on the other side of the report was told something else before every question."""
    try:
        told = json.loads(other.read_text(encoding="utf-8"))["about"]["system"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    if told != options.system:
        log.warning(
            "evaluate.system is not what %s was asked with; before they are compared, ask both alike", other.parent
        )


def ask_and_score(
    prepared: Prepared,
    config: Config,
    items: Sequence[Item],
    questions: Sequence[Question],
    backend: Backend,
    folder: Path,
    team: Team = ALONE,
) -> Evaluation:
    """Ask these questions about these items, one each, and write replies and scores into ``folder``.

    Args:
        prepared: where the items are from.
        config: of the run.
        items: what the replies are scored against.
        questions: in the order of the items.
        backend: who is asked.
        folder: of this evaluation alone; replies in it to the same questions are taken over. Another launch that is at
            work in it is waited for.
        team: the processes that share the questions, all of which call this; the first one writes the scores.

    Raises:
        MedftError: the backend cannot be asked.
        DataError: replies on disk that cannot be read.
    """
    with team.alone_in(folder):
        return _ask_and_score(prepared, config, items, questions, backend, folder, team)


def _ask_and_score(
    prepared: Prepared,
    config: Config,
    items: Sequence[Item],
    questions: Sequence[Question],
    backend: Backend,
    folder: Path,
    team: Team,
) -> Evaluation:
    # Scores of replies that are about to be replaced must not outlive them.
    if team.first:
        (folder / SCORES).unlink(missing_ok=True)
    start = time.monotonic()
    replies = generate_replies(backend, questions, out=folder, data=prepared.folder.name, team=team)
    options = config.evaluate
    about = {
        "data": prepared.folder.name,
        "split": options.split,
        "shots": options.shots,
        "system": options.system,
        "processes": team.count,
        "seconds": round(time.monotonic() - start, 1),
        "versions": versions(),
        **backend.about(),
    }
    scored = score_replies(items, replies)
    if team.first:
        digests = [question.digest for question in questions]
        _write_scores(folder, scored, digests, config, about, [part.name for part in prepared.parts])
    return Evaluation(scored, about)


def open_evaluation(folder: Path, prepared: Prepared) -> Evaluation | None:
    """What :func:`evaluate_run` left in ``folder``, scored anew; ``None`` when nothing is there.

    Raises:
        DataError: the evaluation is unreadable, or of another prepared dataset.
    """
    path = folder / SCORES
    if not path.is_file():
        return None
    try:
        scores = json.loads(path.read_text(encoding="utf-8"))
        about, asked = scores["about"], {sample["uid"]: sample["question"] for sample in scores["samples"]}
        meta = json.loads((folder / "replies.meta.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"the evaluation cannot be read: {error!r}", where=str(folder), fix=_AGAIN) from error
    if about["data"] != prepared.folder.name:
        raise DataError("the evaluation is of another prepared dataset", where=str(folder), fix=_AGAIN)
    with no_garbage_search():
        items = [item for item in prepared.items(about["split"]) if item.uid in asked]
    known = ReplyFile(folder, meta).open()
    keys = [(item.uid, asked[item.uid]) for item in items]
    if len(items) != len(asked) or any(key not in known for key in keys):
        raise DataError("replies are missing", where=str(folder), fix=_AGAIN)
    return Evaluation(score_replies(items, [known[key] for key in keys]), about)


def open_conditions(folder: Path, prepared: Prepared) -> dict[str, Evaluation]:
    """Evaluations beside the plain ones, by the name of their folder, such as ``base-shots3``.

    Args:
        folder: of all evaluations of a run.
        prepared: the data they were asked about.

    Raises:
        DataError: one is unreadable, or of another prepared dataset.
    """
    names = sorted(path.name for path in folder.glob("*-shots*") if SHOWN.fullmatch(path.name))
    found = {name: open_evaluation(folder / name, prepared) for name in names}
    return {name: evaluation for name, evaluation in found.items() if evaluation is not None}


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that shape a reply; packages that are not installed are left out."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def summary_json(summary: Summary, name: str) -> dict[str, Any]:
    """A summary as plain JSON."""
    return {
        "part": name,
        "n": summary.n,
        "subjects": summary.subjects,
        "parse_rate": summary.parse_rate,
        "unfinished": summary.unfinished,
        "reasons": dict(summary.reasons),
        "metrics": {
            result.metric.name: {
                "unit": result.metric.unit,
                "higher_is_better": result.metric.higher_is_better,
                "unscored": result.metric.unscored,
                "n": result.n,
                **(asdict(result.interval) if result.interval else {"value": None, "low": None, "high": None}),
            }
            for result in summary.results
        },
    }


def _write_scores(
    folder: Path,
    scored: Sequence[Scored],
    digests: Sequence[str],
    config: Config,
    about: dict[str, Any],
    names: Sequence[str],
) -> None:
    summaries = summarise(scored, resamples=config.evaluate.bootstrap, seed=config.run.seed)
    content = {
        "demo": config.demo,
        "about": about,
        "parts": [summary_json(summary, names[summary.part]) for summary in summaries],
        "samples": [
            {
                "uid": one.item.uid,
                "question": digest,
                "part": names[one.item.part],
                "subject": one.item.sample.subject,
                "values": dict(one.score.values) if one.score.values is not None else None,
                "predicted": one.score.predicted,
                "why": one.score.why,
            }
            for one, digest in zip(scored, digests, strict=True)
        ],
    }
    write_text(folder / SCORES, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


_AGAIN = "evaluate the model again: medft evaluate CONFIG.yaml"
