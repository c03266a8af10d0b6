"""Ask a model the probed questions, and say what its answers show."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medft_bm.config.evaluation import Evaluate
from medft_bm.config.schema import Config
from medft_bm.core.errors import DataError
from medft_bm.core.types import Metric, Score
from medft_bm.evaluate.asking import questions_about
from medft_bm.evaluate.backends.base import Backend
from medft_bm.evaluate.generate import generate_replies
from medft_bm.evaluate.probes import PROBES, Probe, Probed, probed
from medft_bm.evaluate.replies import write_text
from medft_bm.evaluate.run import Evaluation
from medft_bm.evaluate.sampling import spread
from medft_bm.evaluate.score import Scored, bounds_of, by_part
from medft_bm.evaluate.team import ALONE, Team
from medft_bm.metrics.aggregate import Interval, clustered_bootstrap
from medft_bm.prepare.dataset import Prepared

FILE = "probes.json"
FEW = 8
"""With fewer answers to compare, a probe says nothing."""


@dataclass(frozen=True)
class Finding:
    """What one probe showed on one part.

    Attributes:
        part: name in the mix.
        probe: name of the probe.
        question: what it finds out.
        expectation: what a model that measures does.
        n: questions that were asked both ways.
        subjects: patients among them.
        answered: replies to the probed question an answer could be read from.
        metric: headline metric.
        unit: of it.
        plain: the metric as asked; ``None`` where nothing could be scored, and for pixel sizes.
        probed: the metric after the probe; likewise.
        change: probed minus plain on questions with a value in both.
        same: share of the answers read both times that are the same.
        scaling: for pixel sizes, how far the lengths followed: 1 in full, 0 not at all.
        verdict: in words.
    """

    part: str
    probe: str
    question: str
    expectation: str
    n: int
    subjects: int
    answered: int
    metric: str
    unit: str
    plain: Interval | None
    probed: Interval | None
    change: Interval | None
    same: float | None
    scaling: Interval | None
    verdict: str


@dataclass(frozen=True)
class Pair:
    """One question as it is and after a probe."""

    plain: Scored
    score: Score

    @property
    def subject(self) -> str:
        """The patient."""
        return self.plain.item.sample.subject

    def values(self, metric: Metric) -> tuple[float | None, float | None]:
        """The metric as asked and after the probe."""
        after = metric.unscored if self.score.values is None else self.score.values.get(metric.name)
        return self.plain.value(metric), after


def run_probes(
    backend: Backend,
    prepared: Prepared,
    evaluation: Evaluation,
    config: Config,
    out: Path,
    team: Team = ALONE,
) -> list[Finding]:
    """Ask, score and write ``probes.json`` and ``probes/replies.jsonl``; replies that are there are taken over.

    Args:
        backend: who is asked.
        prepared: what the plain questions were made from.
        evaluation: how the same backend answered them.
        config: how many questions every probe asks again (``evaluate.probes``, spread over parts and patients), and in
            what form.
        out: folder of the evaluation.
        team: the processes that share the questions, all of which call this; the first one writes.

    Raises:
        MedftError: the backend cannot be asked.
    """
    options, about = config.evaluate, evaluation.about
    asked = list(_asked(prepared, _chosen(evaluation.scored, options.probes), options))
    questions = [probe.question for *_, pairs in asked for _, probe in pairs]
    folder, data = out / "probes", str(about["data"])
    with team.alone_in(folder):
        replies = iter(generate_replies(backend, questions, out=folder, data=data, team=team))
    findings = []
    for probe, part, pairs in asked:
        answers = [Pair(one, _score(one, changed, next(replies).text)) for one, changed in pairs]
        findings.append(_finding(probe, part, answers, options.bootstrap, config.run.seed))
    content = {**_key(about), "probes": [asdict(finding) for finding in findings]}
    if team.first:
        write_text(out / FILE, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return findings


def _chosen(scored: Sequence[Scored], count: int) -> list[Scored]:
    columns = {
        "uid": [one.item.uid for one in scored],
        "part": [one.item.part for one in scored],
        "subject": [one.item.sample.subject for one in scored],
    }
    return [scored[index] for index in spread(columns, count)]


def _asked(
    prepared: Prepared, chosen: Sequence[Scored], options: Evaluate
) -> Iterator[tuple[Probe, str, list[tuple[Scored, Probed]]]]:
    """Every probe on every part, with what it asks."""
    for part, members in by_part(chosen).items():
        items = [one.item for one in members]
        questions = questions_about(prepared, items, options)
        for probe in PROBES:
            changed = probed(probe, items, questions)
            pairs = [(one, after) for one, after in zip(members, changed, strict=True) if after is not None]
            if pairs:
                yield probe, prepared.parts[part].name, pairs


def _key(about: Mapping[str, Any]) -> dict[str, Any]:
    """What findings hold for: another model, other data or another form of the questions may show something else."""
    return {name: about[name] for name in ("model", "data", "shots", "system")}


def open_probes(folder: Path, about: Mapping[str, Any]) -> list[Finding]:
    """What :func:`run_probes` found about the model and data of an evaluation; nothing when it was not run on them.

    Raises:
        DataError: the file cannot be read.
    """
    path = folder / FILE
    if not path.is_file():
        return []
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if any(content[name] != value for name, value in _key(about).items()):
            return []
        return [_from_json(one) for one in content["probes"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"the probes cannot be read: {error!r}", where=str(path), fix="delete the file") from error


def _from_json(facts: Mapping[str, Any]) -> Finding:
    intervals = {name: Interval(**facts[name]) if facts[name] else None for name in _INTERVALS}
    return Finding(**{**facts, **intervals})


_INTERVALS = ("plain", "probed", "change", "scaling")


def _score(one: Scored, changed: Probed, text: str) -> Score:
    return one.item.task.score(changed.sample, changed.view, changed.read(text))


def _finding(probe: Probe, part: str, pairs: Sequence[Pair], resamples: int, seed: int) -> Finding:
    metric = pairs[0].plain.item.task.metrics[0]
    draws = {"resamples": resamples, "seed": seed}
    before, after = zip(*(pair.values(metric) for pair in pairs), strict=True)
    both = [(b, a, pair.subject) for b, a, pair in zip(before, after, pairs, strict=True)
            if b is not None and a is not None]  # fmt: skip
    subjects, same = [pair.subject for pair in pairs], _same(pairs)
    bounds = bounds_of(metric, np.array([value for value in (*before, *after) if value is not None]))
    around = (bounds[0] - bounds[1], bounds[1] - bounds[0]) if bounds else None
    change = _interval([a - b for b, a, _ in both], [subject for *_, subject in both], draws, around)
    # An error in mm grows with the pixel size by itself: there, only the ratio of the answers says something.
    scales = probe.kind == "scales"
    scaling = _scaling(probe, pairs, draws) if scales else None
    return Finding(
        part=part,
        probe=probe.name,
        question=probe.asks,
        expectation=probe.expected,
        n=len(pairs),
        subjects=len(set(subjects)),
        answered=sum(pair.score.values is not None for pair in pairs),
        metric=metric.name,
        unit=metric.unit,
        plain=None if scales else _interval(before, subjects, draws, bounds),
        probed=None if scales else _interval(after, subjects, draws, bounds),
        change=None if scales else change,
        same=same,
        scaling=scaling,
        verdict=_silence(metric, pairs)
        or (_scaling_words(scaling, len(both)) if scales else _verdict(probe, metric, change, same, len(both))),
    )


def _interval(
    values: Sequence[float | None],
    subjects: Sequence[str],
    draws: Mapping[str, int],
    bounds: tuple[float, float] | None = None,
) -> Interval | None:
    kept = [(value, subject) for value, subject in zip(values, subjects, strict=True) if value is not None]
    if not kept:
        return None
    numbers, patients = np.array([value for value, _ in kept]), [subject for _, subject in kept]
    return clustered_bootstrap(numbers, patients, resamples=draws["resamples"], seed=draws["seed"], bounds=bounds)


def _same(pairs: Sequence[Pair]) -> float | None:
    read = [pair for pair in pairs if pair.score.values is not None and pair.plain.score.values is not None]
    same = sum(pair.score.predicted == pair.plain.score.predicted for pair in read)
    return same / len(read) if read else None


def _scaling(probe: Probe, pairs: Sequence[Pair], draws: Mapping[str, int]) -> Interval | None:
    """Logarithm of the answers' ratio over that of the factor, averaged."""
    found: list[float | None] = []
    for pair in pairs:
        lengths = [np.atleast_1d(one.predicted).astype(float) if one.values is not None else np.zeros(0)
                   for one in (pair.plain.score, pair.score)]  # fmt: skip
        usable = len(lengths[0]) == len(lengths[1]) > 0 and all((length > 0).all() for length in lengths)
        ratio = float(np.mean(np.log(lengths[1] / lengths[0]))) if usable else 0.0
        found.append(ratio / math.log(probe.factor) if usable else None)
    return _interval(found, [pair.subject for pair in pairs], draws)


def _silence(metric: Metric, pairs: Sequence[Pair]) -> str:
    """Where most replies lost their answer, an error is one of the others alone; a share counts a miss."""
    if metric.unscored is not None:
        return ""
    before = sum(pair.plain.score.values is not None for pair in pairs)
    kept = sum(pair.score.values is not None for pair in pairs if pair.plain.score.values is not None)
    return "it mostly stops answering" if before >= FEW and 2 * kept < before else ""


def _verdict(probe: Probe, metric: Metric, change: Interval | None, same: float | None, both: int) -> str:
    looks = probe.kind == "looks"
    if change is None or both < FEW:
        return f"under {FEW} answers to compare"
    if same == 1:
        return "no: the same answers without it" if looks else "yes: the same answers"
    if change.low is None or change.high is None:
        return "too few patients to tell"
    worse = change.high < 0 if metric.higher_is_better else change.low > 0
    if looks:
        return "yes: worse without it" if worse else "not shown: as good without it"
    return "no: worse" if worse else "yes: not found to be worse"


def _scaling_words(scaling: Interval | None, both: int) -> str:
    if scaling is None or both < FEW:
        return f"under {FEW} answers to compare"
    if scaling.value >= 0.8:
        return "yes: answers scale with it"
    return "in part" if scaling.value > 0.2 else "no: answers ignore it"
