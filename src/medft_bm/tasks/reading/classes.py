"""Read which class of a closed list a reply names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from medft_bm.tasks.reading.answers import agreed
from medft_bm.tasks.reading.characters import folded, plain
from medft_bm.tasks.reading.refusal import Refusal

_ANY_WORD = re.compile(r"[^\W_]")
_ENDS_CLAUSE = re.compile(
    r"[.;:!?|\n]|[\"'\]}],|,? (?:but|however|thus|therefore|hence)\b|\binstead\b(?! of)|, (?:it|this) is\b"
)
_DENIED_BEFORE = re.compile(
    r"\bno\b(?! doubt| question)|\bnot\b(?! only| just)|\b(?:non|without|neither|nor|never|exclud(?:e|es|ed|ing)|"
    r"rul(?:e|es|ed|ing) out|absence|absent|negative for|rather than|instead of|as opposed to|unlikely|less likely|"
    r"free of|lack(?:s|ing)?|against|cannot|den(?:y|ies|ied)|nicht|kein(?:e|en|er)?|ohne|pas|sans|sin|senza)\b|n't\b"
)
_DENIED_AFTER = re.compile(
    r"[ \"')]{0,3}(?!and\b|or\b|while\b)(?:\w+ ){0,2}(?:(?:is|are|was|were|can be|seems?|appears?|looks?) (?:\w+ )?"
    r"(?:not|unlikely|less likely|absent|excluded|ruled out|denied)\b|(?:is|are|was|were|does|do)n't\b|"
    r"(?:excluded|ruled out|absent|unlikely)\b)|[\"' ]{0,3}[:?] ?[\"']?(?:no|false|0(?![.\d]))\b"
)
_WINDOW = 80


def read_class(reply: str, classes: Sequence[str]) -> int | Refusal:
    """Index of the only class that the reply names, ignoring case, punctuation and line breaks.

    A name inside a longer one (``carcinoma`` in ``ductal carcinoma``) does not count, nor does one that is denied
    (``not malignant``); what is denied names no other class. Names are not inflected, abbreviated or translated.

    Args:
        reply: as the model wrote it.
        classes: their names.
    """
    names = _Names.of(tuple(classes))
    same = names.whole.get(_bare(folded(reply)))
    return agreed(reply, _ANY_WORD, lambda part: _read(part.casefold(), names)) if same is None else same


@dataclass(frozen=True)
class _Names:
    """A list of classes, ready to be looked for.

    Attributes:
        whole: place of every name as :func:`_bare` leaves it, where no other is the same.
        words: likewise by the words of a name.
        pattern: of any of ``words``.
    """

    whole: dict[str, int]
    words: dict[str, int]
    pattern: re.Pattern[str]

    @classmethod
    @lru_cache(maxsize=256)
    def of(cls, classes: tuple[str, ...]) -> _Names:
        """Of the names of the classes, which are the same for reply after reply."""
        words = _unique([_words(name) for name in classes])
        return cls(_unique([_bare(folded(name)) for name in classes]), words, _any_of(list(words)))


def _unique(names: Sequence[str]) -> dict[str, int]:
    counts = Counter(names)
    return {name: index for index, name in enumerate(names) if name and counts[name] == 1}


def _read(text: str, names: _Names) -> int | Refusal:
    named: set[int] = set()
    denied: set[int] = set()
    for name, is_denied in _named(text, names.pattern):
        (denied if is_denied else named).add(names.words[name])
    if named & denied:
        return Refusal.DENIED
    if len(named) != 1:
        return Refusal.SEVERAL_CLASSES if named else Refusal.DENIED if denied else Refusal.NO_CLASS
    return named.pop()


def _named(text: str, pattern: re.Pattern[str]) -> Iterator[tuple[str, bool]]:
    """Every class that is named, and whether its clause denies it."""
    for match in pattern.finditer(text):
        before = _ENDS_CLAUSE.split(text[max(0, match.start() - _WINDOW) : match.start()])[-1]
        yield _words(match[0]), bool(_DENIED_BEFORE.search(before) or _DENIED_AFTER.match(text, match.end()))


def _any_of(names: Sequence[str]) -> re.Pattern[str]:
    """A pattern of any of the names, of two that begin alike the longer one."""
    longest_first = sorted(names, key=lambda name: -len(name))
    spelt = [r"[\W_]+".join(map(re.escape, name.split())) for name in longest_first]
    return re.compile(rf"(?<!\w)(?:{'|'.join(spelt)})(?!\w)" if spelt else r"(?!)")


def _words(name: str) -> str:
    return re.sub(r"[\W_]+", " ", plain(folded(name))).strip().casefold()


def _bare(text: str) -> str:
    return text.strip(" \n.\"'`*").casefold()
