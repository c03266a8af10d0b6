"""Where in a reply the answer stands: behind the reasoning, in a tag, in a line that says so."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from medft_bm.tasks.reading.characters import folded, plain, spaced
from medft_bm.tasks.reading.refusal import Refusal

T = TypeVar("T")

_TURN_ENDS = re.compile(r"<end_of_turn>|<\|im_end\|>|<\|endoftext\|>|<\|eot_id\|>|<eos>|</s>")
_THOUGHT_STARTS = re.compile(r"<think(?:ing)?>|<reasoning>|<unused94>", re.IGNORECASE)
_THOUGHT_ENDS = re.compile(r"</think(?:ing)?>|</reasoning>|<unused95>", re.IGNORECASE)
_TAG = re.compile(r"<answer[^<>]{0,80}>", re.IGNORECASE)
_TAG_ENDS = re.compile(r"</answer>", re.IGNORECASE)
_BOXED = re.compile(r"\\boxed ?\{([^{}]*)(?:\}((?:(?!\\boxed)[^\n])*)|$)")
_NEXT_QUESTION = re.compile(r"^(?:question|q|user|human|prompt|task) ?:", re.IGNORECASE | re.MULTILINE)

_WORD = r"(?:answer|antwort|r[ée]ponse|respuesta|resposta|risposta|ответ|答案|回答|答え)"
_WORDS = ("answer", "antwort", "ponse", "respuesta", "resposta", "risposta", "ответ", "答案", "回答", "答え")
"""What a mark cannot do without: a look for that is far cheaper."""
_MARKS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\bfinal {_WORD}[\"')]{{0,2}} ?(?:[:=]|is\b:?|(?=\n))",
        rf"{_WORD}[\"')]{{0,2}} ?(?:[:=]|(?=\n))",
        rf"{_WORD} (?:is|would be|ist|est|es|è|é)\b:?",
    )
)
"""From the clearest mark of an answer to the least clear one: only the clearest that is there counts."""

_CONCLUDES = re.compile(r"\b(?:therefore|thus|hence|in conclusion|in summary|to conclude|conclusion|overall)\b", re.I)
_INCONCLUSIVE = (Refusal.TOO_MANY, Refusal.RANGE, Refusal.SEVERAL_BOXES, Refusal.SEVERAL_CLASSES)

_VERB = (
    r"(?:be )?(?:accurately |reliably |directly |precisely |safely |definitively |confidently |really )?"
    r"(?:determine|measure|(?:provide|give|offer)(?! medical advice)|answer|assist|help|identif(?:y|ied)|"
    r"classif(?:y|ied)|diagnose|interpret|analy[sz]e|estimate|calculate|compute|tell|say|see|view|locate|detect|comply|"
    r"assess|make|perform|state|draw|process|access|decide|distinguish|conclude)"
)
_DECLINES = re.compile(
    rf"(?:\b(?:cannot|can not|can't|could not|couldn't|won't|am not able to|not able to|unable to|impossible to|"
    rf"not possible to|not qualified to) {_VERB}|\bi'?m sorry\b|\bnot visible\b|"
    r"\b(?:do not|don't|does not|doesn't) (?:know|have enough|contain enough|provide enough)\b)",
    re.IGNORECASE,
)
_DECLINING = ("not", "n't", "unable", "impossible", "sorry")
"""Likewise of such a sentence."""
_GOES_ON = re.compile(
    r"\b(?:but|however|nevertheless|nonetheless|that said|still|estimate[ds]?|approximate(?:ly|d)?|roughly|"
    r"best guess|if i had to)\b",
    re.IGNORECASE,
)


def agreed(reply: str, wanted: re.Pattern[str], read: Callable[[str], T | Refusal]) -> T | Refusal:
    """What the parts of a reply that hold the answer say, where they all say the same.

    Args:
        reply: as the model wrote it.
        wanted: what an answer cannot do without, such as a digit.
        read: the reader of one part.
    """
    text = folded(reply)
    if not text:
        return Refusal.EMPTY
    parts = _parts(text, wanted)
    if isinstance(parts, Refusal):
        return parts
    readings = [_undeclined(part, wanted, read) for part in dict.fromkeys(parts)]
    return readings[0] if all(reading == readings[0] for reading in readings) else Refusal.CONTRADICTS


def _parts(text: str, wanted: re.Pattern[str]) -> Sequence[str] | Refusal:
    """Every part of a folded text that is marked as the answer, or all of it."""
    told = _told(text) if "<" in text else text
    if told is None:
        return Refusal.UNFINISHED
    text = plain(told)
    boxed = list(_BOXED.finditer(text))
    if boxed:
        return [spaced(f"{boxed[-1][1]} {boxed[-1][2] or ''}")]
    first = wanted.search(text)
    asks = _NEXT_QUESTION.search(text, first.end()) if first else None
    if not asks:
        return _marked(text, wanted)
    return [*_marked(text[: asks.start()], wanted), *_marked(text[asks.start() :], wanted)]


def _told(text: str) -> str | None:
    """What stands in the tag for the answer or else behind the reasoning; ``None`` where that does not end."""
    text = _TURN_ENDS.split(text, maxsplit=1)[0]
    thoughts = list(_THOUGHT_ENDS.finditer(text))
    text = text[thoughts[-1].end() :] if thoughts else text
    tags = list(_TAG.finditer(text))
    if not tags and _THOUGHT_STARTS.search(text):
        return None
    return _TAG_ENDS.split(text[tags[-1].end() if tags else 0 :], maxsplit=1)[0]


def _marked(text: str, wanted: re.Pattern[str]) -> Sequence[str]:
    for mark in _MARKS if _any_in(_WORDS, text) else ():
        marks = list(mark.finditer(text))
        stops = [*(match.start() for match in marks), len(text)][1:]
        lines = [_line(text[match.end() : stop], wanted) for match, stop in zip(marks, stops, strict=True)]
        said = [line for line in lines if wanted.search(line)]
        if said:
            return said
    return [text]


def _line(text: str, wanted: re.Pattern[str]) -> str:
    """The first line where the answer stands in it, else all lines: it may be a block that follows."""
    line = text.split("\n", 1)[0]
    return line if wanted.search(line) else text


def _undeclined(part: str, wanted: re.Pattern[str], read: Callable[[str], T | Refusal]) -> T | Refusal:
    """What a part says, unless it says that it will not say, and nothing after all."""
    declines = list(_DECLINES.finditer(part)) if _any_in(_DECLINING, part) else []
    if declines:
        goes_on = _GOES_ON.search(part, declines[-1].end())
        if not goes_on or not wanted.search(part, goes_on.end()):
            return Refusal.DECLINED
        part = part[goes_on.start() :]
    reading = read(part)
    concludes = list(_CONCLUDES.finditer(part)) if reading in _INCONCLUSIVE else []
    return read(part[concludes[-1].end() :]) if concludes and wanted.search(part, concludes[-1].end()) else reading


def _any_in(words: Sequence[str], text: str) -> bool:
    lowered = text.lower()
    return any(word in lowered for word in words)
