"""What stands beside the comparison of before and after: other baselines, other ways to ask, probes, a general set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from medft_bm.evaluate.compare import Row, Who
from medft_bm.evaluate.probing import Finding
from medft_bm.evaluate.run import Evaluation
from medft_bm.evaluate.score import Result, summarise

Kind: TypeAlias = Literal["baseline", "condition"]


@dataclass(frozen=True)
class Beside:
    """Everything a report may show besides.

    Attributes:
        baselines: by title, on the items of the comparison.
        conditions: by name, the same questions asked in another way.
        probes: what every model's answers to changed questions showed.
        general: before and after on a set that was not trained for, as rows of a comparison.
    """

    baselines: Mapping[str, Evaluation] = field(default_factory=dict)
    conditions: Mapping[str, Evaluation] = field(default_factory=dict)
    probes: Mapping[Who, Sequence[Finding]] = field(default_factory=dict)
    general: Sequence[Row] = ()


@dataclass(frozen=True)
class Other:
    """The headline metric of one part for someone beside before and after.

    Attributes:
        part: name in the mix.
        title: who answered.
        kind: another baseline, or the model asked in another way.
        n: items asked, of those of the comparison.
        subjects: patients among them.
        result: headline metric.
        parse_rate: share of replies with an answer.
    """

    part: str
    title: str
    kind: Kind
    n: int
    subjects: int
    result: Result
    parse_rate: float


def others(beside: Beside, uids: set[str], names: Sequence[str], *, resamples: int, seed: int) -> list[Other]:
    """The other baselines and conditions, in the order of the mix.

    Args:
        beside: what there is.
        uids: items of the comparison; answers to others are left out.
        names: of the parts of the mix.
        resamples: draws behind every interval.
        seed: of those draws.
    """
    kinds: tuple[tuple[Kind, Mapping[str, Evaluation]], ...] = (
        ("baseline", beside.baselines),
        ("condition", beside.conditions),
    )
    found = []
    for kind, evaluations in kinds:
        for title, of in evaluations.items():
            scored = [one for one in of.scored if one.item.uid in uids]
            for one in summarise(scored, resamples=resamples, seed=seed):
                line = Other(names[one.part], title, kind, one.n, one.subjects, one.headline, one.parse_rate)
                found.append((one.part, line))
    return [line for _, line in sorted(found, key=lambda pair: pair[0])]
