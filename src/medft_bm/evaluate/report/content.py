"""All that a report says, gathered once, so that its page, its Markdown and its JSON cannot disagree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medft_bm.config.schema import Config
from medft_bm.evaluate.compare import Row, Who, compare
from medft_bm.evaluate.medvision.tables import Table, medvision_tables
from medft_bm.evaluate.probing import Finding
from medft_bm.evaluate.references import Reference, references_for
from medft_bm.evaluate.report.agreement import Agreement, agreements
from medft_bm.evaluate.report.beside import Beside, Other, others
from medft_bm.evaluate.report.confusion import Confusion, confusions
from medft_bm.evaluate.report.facts import LIMITS, Facts, gather_facts, title_of, verdict
from medft_bm.evaluate.report.groups import Grouping, groupings
from medft_bm.evaluate.report.plots import MOST_POINTS, Plot
from medft_bm.evaluate.report.reliability import Reliability, reliabilities
from medft_bm.evaluate.report.scatter import size_plots
from medft_bm.evaluate.report.unread import Unread, unread_replies
from medft_bm.evaluate.report.words import DEMO_NOTE, FAKE_NOTE
from medft_bm.evaluate.run import Evaluation
from medft_bm.evaluate.score import Scored, Summary, by_part, summarise
from medft_bm.prepare.dataset import Prepared

_POINTS = 15_000  # on one page
_SERIES = 6  # a part has at most about so many: two models, in a plot by size and two of agreement

ByPart = Mapping[int, Mapping[Who, Sequence[Scored]]]


@dataclass(frozen=True)
class Content:
    """Everything a report says, but its pictures.

    Attributes:
        title: of the report.
        marks: what has to be said everywhere, as a word and a sentence: that this is a demonstration, that replies are
            made up.
        verdict: one sentence.
        names: of the parts of the mix.
        rows: baseline, before and after, every metric.
        summaries: the same per model.
        others: other baselines, and the model asked in other ways.
        references: published numbers for the same task on the same data.
        tables: in the form of published ones.
        groups: the headline metric by label, plane, size and the like.
        sizes: error against size.
        agreements: Bland–Altman.
        reliabilities: of class probabilities.
        confusions: of classes.
        probes: what answers to changed questions showed.
        general: a set that was not trained for.
        unread: replies without an answer.
        facts: where the numbers come from.
        limits: what they do not say.
    """

    title: str
    marks: Sequence[tuple[str, str]]
    verdict: str
    names: Sequence[str]
    rows: Sequence[Row]
    summaries: Mapping[Who, Sequence[Summary]]
    others: Sequence[Other]
    references: Sequence[Reference]
    tables: Sequence[Table]
    groups: Sequence[Grouping]
    sizes: Sequence[Plot]
    agreements: Sequence[Agreement]
    reliabilities: Sequence[Reliability]
    confusions: Sequence[Confusion]
    probes: Mapping[Who, Sequence[Finding]]
    general: Sequence[Row]
    unread: Sequence[Unread]
    facts: Facts
    limits: Sequence[str]


def gather(
    prepared: Prepared, config: Config, evaluations: Mapping[Who, Evaluation], beside: Beside, date: str
) -> Content:
    """All numbers of a report.

    Args:
        prepared: the data that was asked about.
        config: of the run.
        evaluations: of the same items.
        beside: what stands beside them.
        date: to print; may be empty.
    """
    names = [part.name for part in prepared.parts]
    draws = {"resamples": config.evaluate.bootstrap, "seed": config.run.seed}
    scored: dict[Who, Sequence[Scored]] = {who: of.scored for who, of in evaluations.items()}
    summaries = {who: summarise(of, **draws) for who, of in scored.items()}
    rows = compare(scored, names, summaries=summaries, **draws)
    parts = _by_part(scored)
    uids = {one.item.uid for of in scored.values() for one in of}
    most = min(MOST_POINTS, _POINTS // (_SERIES * max(1, len(parts))))
    return Content(
        title=title_of(config),
        marks=_marks(config, evaluations),
        verdict=verdict(rows),
        names=names,
        rows=rows,
        summaries=summaries,
        others=others(beside, uids, names, **draws),
        references=references_for(prepared.parts),
        tables=medvision_tables(scored, prepared.parts),
        groups=groupings(scored, names, **draws),
        sizes=size_plots(parts, names, most),
        agreements=agreements(parts, names, most),
        reliabilities=reliabilities(parts, names),
        confusions=confusions(parts, names),
        probes=beside.probes,
        general=beside.general,
        unread=unread_replies(scored, summaries, names),
        facts=gather_facts(prepared, config, evaluations, date),
        limits=[*(note for _, note in _marks(config, evaluations)), *LIMITS],
    )


def _marks(config: Config, evaluations: Mapping[Who, Evaluation]) -> list[tuple[str, str]]:
    fake = any(of.about.get("fake") for of in evaluations.values())
    return [*([("DEMO", DEMO_NOTE)] if config.demo else []), *([("FAKE", FAKE_NOTE)] if fake else [])]


def _by_part(scored: Mapping[Who, Sequence[Scored]]) -> ByPart:
    """What the models answered, without the baseline, by part."""
    by_who = {who: by_part(of) for who, of in scored.items() if who != "baseline"}
    parts = sorted({part for of in by_who.values() for part in of})
    return {part: {who: of[part] for who, of in by_who.items() if part in of} for part in parts}
