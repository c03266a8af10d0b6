"""The cases of a report, ready to show: picture, question, replies, and what they can be filtered by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medft_bm.evaluate.compare import TITLES, Who
from medft_bm.evaluate.report import words
from medft_bm.evaluate.report.cases import Case, choose_cases
from medft_bm.evaluate.report.drawing import Slice, draw_slice
from medft_bm.evaluate.score import Scored

PAGE = 6_000_000
"""Characters that all pictures of one page may cost together."""
LONGEST = 4000
"""Characters shown of one reply or question."""
SCORES = 3
"""Metrics shown of one reply: the first of its task."""
THIRDS = ("best third", "middle third", "worst third")


@dataclass(frozen=True)
class Said:
    """One model's reply to a case."""

    who: Who
    title: str
    text: str
    why: str
    score: str


@dataclass(frozen=True)
class Card:
    """One case.

    Attributes:
        part: name in the mix.
        label: what was asked about.
        name: ``best``, ``worst``, or its rank.
        share: rank as a share: 0 is the best of its part, 1 the worst.
        third: of its part, in words.
        outcome: right, wrong, measured or no answer.
        change: better, worse or equal after fine-tuning; empty when only one model was asked.
        picture: the slice.
        alt: the picture in words.
        answer: the reference answer.
        replies: before, after, or one of them.
        prompt: the question.
        uid: of the sample.
        subject: hidden name of the patient.
    """

    part: str
    label: str
    name: str
    share: float
    third: str
    outcome: str
    change: str
    picture: Slice
    alt: str
    answer: str
    replies: tuple[Said, ...]
    prompt: str
    uid: str
    subject: str


def cards(scored: Mapping[Who, Sequence[Scored]], names: Sequence[str], count: int) -> list[Card]:
    """About ``count`` cases of the model after fine-tuning, or before where that is all there is."""
    shown: Who = "tuned" if "tuned" in scored else "base"
    chosen = [case for of in choose_cases(scored[shown], count).values() for case in of]
    wanted = {case.scored.item.uid for case in chosen}
    said: dict[str, dict[Who, Scored]] = {uid: {} for uid in wanted}
    for who in ("base", "tuned"):
        for one in scored.get(who, ()):
            if one.item.uid in wanted:
                said[one.item.uid][who] = one
    budget = PAGE // max(1, len(chosen))
    return [_card(case, said[case.scored.item.uid], names[case.scored.item.part], budget) for case in chosen]


def _card(case: Case, said: Mapping[Who, Scored], part: str, budget: int) -> Card:
    item, tags = case.scored.item, case.scored.item.sample.tags
    answer = words.with_unit(item.answer_text, item.task.unit)
    predicted = {who: one.score.predicted for who, one in said.items()}
    what = " ".join(tags[key] for key in ("plane", "modality", "anatomy") if tags.get(key)) or "image"
    text = case.scored.reply.text
    share = (case.rank - 1) / max(1, case.of - 1)
    return Card(
        part=part,
        label=tags.get("label", ""),
        name=case.name,
        share=round(share, 4),
        third=THIRDS[min(2, int(3 * share))],
        outcome=_outcome(case.scored),
        change=_change(said),
        picture=draw_slice(item.image, item.sample, predicted, budget=budget),
        alt=f"{what}; true answer {answer}; reply {_cut(text, 200) or words.EMPTY}",
        answer=answer,
        replies=tuple(
            Said(
                who,
                TITLES[who],
                _cut(one.reply.text) or words.EMPTY,
                one.score.why,
                words.score_words(one.score, one.item.task.metrics[:SCORES]),
            )
            for who, one in said.items()
        ),
        prompt=_cut(item.prompt_text),
        uid=item.uid,
        subject=item.sample.subject,
    )


def _outcome(one: Scored) -> str:
    if one.score.values is None:
        return "no answer"
    if "class_id" not in one.item.sample.truth:
        return "measured"
    return "right" if one.value(one.item.task.metrics[0]) == 1 else "wrong"


def _change(said: Mapping[Who, Scored]) -> str:
    """Better, worse or equal by the headline metric; an answer is better than none where none has a value."""
    if len(said) < 2:
        return ""
    metric = said["tuned"].item.task.metrics[0]
    before, after = said["base"].value(metric), said["tuned"].value(metric)
    if before is None or after is None:
        return "equal" if before is after else "better" if before is None else "worse"
    return "equal" if before == after else "better" if (after > before) == metric.higher_is_better else "worse"


def _cut(text: str, length: int = LONGEST) -> str:
    return text if len(text) <= length else f"{text[:length]} … ({len(text) - length} more characters)"
