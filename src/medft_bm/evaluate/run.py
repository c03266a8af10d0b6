"""Evaluate one model on a prepared split, and find on disk what was evaluated before."""

from __future__ import annotations

import json
import logging
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from medft_bm import __version__
from medft_bm.config.schema import Config, Evaluate
from medft_bm.core.errors import DataError
from medft_bm.evaluate.backends.base import Backend
from medft_bm.evaluate.compare import Who
from medft_bm.evaluate.generate import generate_replies
from medft_bm.evaluate.questions import question_of
from medft_bm.evaluate.replies import Reply, ReplyFile, write_text
from medft_bm.evaluate.sampling import spread
from medft_bm.evaluate.score import Scored, Summary, baseline_replies, score_replies, summarise
from medft_bm.prepare.dataset import Item, Prepared

log = logging.getLogger(__name__)

PACKAGES = ("medft_bm", "torch", "transformers", "trl", "peft", "accelerate", "datasets", "numpy", "SimpleITK")


@dataclass(frozen=True)
class Evaluation:
    """What one model, or the trivial baseline, answered.

    Attributes:
        scored: every item asked, with reply and score.
        about: facts of the run, as in ``scores.json``; empty for the baseline.
    """

    scored: list[Scored]
    about: dict[str, Any]


def evaluate_run(prepared: Prepared, config: Config, which: Who, backend: Backend, out: Path) -> Evaluation:
    """Ask, score, and write ``replies.jsonl`` and ``scores.json`` into ``out/<which>``.

    Args:
        prepared: made for this model's family.
        config: what to ask (``evaluate``) and what the model is called.
        which: the model before or after fine-tuning.
        backend: who is asked.
        out: folder of all evaluations of a run.

    Raises:
        DataError: nothing to ask, or replies on disk that cannot be read.
    """
    options = config.evaluate
    items = _asked(prepared, options)
    # Scores of replies that are about to be replaced must not outlive them.
    (out / which / "scores.json").unlink(missing_ok=True)
    start = time.monotonic()
    questions = [question_of(item) for item in items]
    replies = generate_replies(backend, questions, out=out / which, data=prepared.folder.name)
    about = {
        "data": prepared.folder.name,
        "split": options.split,
        "seconds": round(time.monotonic() - start, 1),
        "versions": versions(),
        **backend.about(),
    }
    scored = score_replies(items, replies)
    _write_scores(out / which, scored, config, about, [part.name for part in prepared.parts])
    return Evaluation(scored, about)


def _asked(prepared: Prepared, options: Evaluate) -> list[Item]:
    items = prepared.items(options.split)
    if not len(items):
        raise DataError(
            f"the {options.split} split is empty", where="evaluate.split", fix="raise data.split or data.limit"
        )
    if options.limit is None or options.limit == len(items):
        return list(items)
    if options.limit > len(items):
        log.info(
            "evaluate.limit is %d and the %s split has %d samples; using all", options.limit, options.split, len(items)
        )
    return [items[index] for index in spread(items.rows, options.limit)]


def open_evaluation(folder: Path, prepared: Prepared) -> Evaluation | None:
    """What :func:`evaluate_run` left in ``folder``, scored anew; ``None`` when nothing is there.

    Raises:
        DataError: the evaluation is unreadable, or of another prepared dataset.
    """
    path = folder / "scores.json"
    if not path.is_file():
        return None
    try:
        scores = json.loads(path.read_text(encoding="utf-8"))
        about, uids = scores["about"], {sample["uid"] for sample in scores["samples"]}
        meta = json.loads((folder / "replies.meta.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"the evaluation cannot be read: {error!r}", where=str(folder), fix=_AGAIN) from error
    if about["data"] != prepared.folder.name:
        raise DataError("the evaluation is of another prepared dataset", where=str(folder), fix=_AGAIN)
    items = [item for item in prepared.items(about["split"]) if item.uid in uids]
    known = ReplyFile(folder, meta).open()
    keys = [(item.uid, question_of(item).digest) for item in items]
    if len(items) != len(uids) or any(key not in known for key in keys):
        raise DataError("replies are missing", where=str(folder), fix=_AGAIN)
    return Evaluation(score_replies(items, [known[key] for key in keys]), about)


def open_baseline(folder: Path, prepared: Prepared, items: Sequence[Item]) -> Evaluation:
    """The trivial baselines on the same items; kept in ``folder``, because learning them reads all training rows."""
    settings = {"data": prepared.folder.name, "medft_bm": __version__}
    file = ReplyFile(folder, settings)
    known = file.open()
    keys = [(item.uid, question_of(item).digest) for item in items]
    if any(key not in known for key in keys):
        file.path.unlink(missing_ok=True)
        replies: list[Reply] = baseline_replies(prepared.items("train"), items)
        file.add(replies, [digest for _, digest in keys])
        known = dict(zip(keys, replies, strict=True))
    return Evaluation(score_replies(items, [known[key] for key in keys]), {})


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
                "n": result.n,
                **(asdict(result.interval) if result.interval else {"value": None, "low": None, "high": None}),
            }
            for result in summary.results
        },
    }


def _write_scores(
    folder: Path, scored: Sequence[Scored], config: Config, about: dict[str, Any], names: Sequence[str]
) -> None:
    summaries = summarise(scored, resamples=config.evaluate.bootstrap, seed=config.run.seed)
    content = {
        "demo": config.demo,
        "about": about,
        "parts": [summary_json(summary, names[summary.part]) for summary in summaries],
        "samples": [
            {
                "uid": one.item.uid,
                "part": names[one.item.part],
                "subject": one.item.sample.subject,
                "values": dict(one.score.values) if one.score.values is not None else None,
                "predicted": one.score.predicted,
                "why": one.score.why,
            }
            for one in scored
        ],
    }
    write_text(folder / "scores.json", json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


_AGAIN = "evaluate the model again: medft evaluate CONFIG.yaml"
