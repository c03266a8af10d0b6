"""Replies that gave no answer: why, how many, and what one of them looks like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medft_bm.evaluate.compare import TITLES, Who
from medft_bm.evaluate.report.words import EMPTY
from medft_bm.evaluate.score import Scored, Summary

REASONS = 4
"""Shown of one part and model; rarer ones are counted together."""
LONGEST = 160
"""Characters shown of an example."""


@dataclass(frozen=True)
class Unread:
    """One reason why replies of one model to one part held no answer.

    Attributes:
        part: name in the mix.
        title: of the model.
        reason: in words.
        count: replies.
        n: questions asked.
        example: one such reply; empty where several reasons stand together.
    """

    part: str
    title: str
    reason: str
    count: int
    n: int
    example: str


def unread_replies(
    scored: Mapping[Who, Sequence[Scored]], summaries: Mapping[Who, Sequence[Summary]], names: Sequence[str]
) -> list[Unread]:
    """The reasons of every part and model, most frequent first, in the order of the mix."""
    lines = [
        (summary.part, line)
        for who, of in summaries.items()
        for summary in of
        for line in _of_part(summary, names[summary.part], TITLES[who], _examples(scored[who], summary.part))
    ]
    return [line for _, line in sorted(lines, key=lambda pair: pair[0])]


def _of_part(summary: Summary, part: str, title: str, examples: Mapping[str, str]) -> list[Unread]:
    reasons = list(summary.reasons.items())
    lines = [Unread(part, title, why, n, summary.n, examples.get(why, "")) for why, n in reasons[:REASONS]]
    rare = sum(n for _, n in reasons[REASONS:])
    if rare:
        lines.append(Unread(part, title, "other reasons", rare, summary.n, ""))
    if summary.unfinished:
        cut = "cut off by the token budget, with or without an answer"
        lines.append(Unread(part, title, cut, summary.unfinished, summary.n, ""))
    return lines


def _examples(scored: Sequence[Scored], part: int) -> dict[str, str]:
    """For every reason the reply with the smallest uid: uids are hashes, so it is no choice of anyone."""
    found: dict[str, tuple[str, str]] = {}
    for one in scored:
        if one.item.part == part and one.score.values is None:
            text = " ".join(one.reply.text.split()) or EMPTY
            shown = text if len(text) <= LONGEST else text[:LONGEST] + " …"
            mine = (one.item.uid, shown)
            found[one.score.why] = min(found.get(one.score.why, mine), mine)
    return {why: text for why, (_, text) in found.items()}
