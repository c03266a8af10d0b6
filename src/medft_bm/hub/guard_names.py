"""Identifiers that are known to be this run's: its subjects, raw files, user and machine."""

from __future__ import annotations

import getpass
import json
import re
import socket
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from medft_bm.config.schema import Config
from medft_bm.core.errors import MedftError
from medft_bm.hub.guard_findings import Finding
from medft_bm.hub.guard_patterns import matches
from medft_bm.prepare.index import ask
from medft_bm.prepare.split import hide

REMEMBERED = 200_000
MOST_PIECES = 10
"""Of a word that is taken apart; what is longer is a hash or a path."""
SHORTEST = 4
"""Letters of the shortest name that is looked for: shorter ones stand everywhere."""
NOBODY = frozenset(
    ("root", "user", "admin", "ubuntu", "debian", "runner", "jovyan", "docker", "nobody", "container", "localhost",
     "localdomain", "model", "data", "test", "demo")
)  # fmt: skip
"""Users and hosts that name nobody."""
_WORD = re.compile(r"[\w^](?:[\w.^'/:+-]*[\w^])?")
_DIGIT = re.compile(r"\d")
_NUMBER = re.compile(r"(0|[1-9]\d{0,2})\.\d+(e[+-]?\d+)?|\d{1,4}")
"""A length, a share or a count, and no name: its digits would be those of some patient sooner or later."""
_SEPARATOR = re.compile(r"([./:_+-]+| )")


@dataclass(frozen=True)
class Known:
    """What must appear nowhere in what leaves.

    Attributes:
        words: names, in lower case, to what they are.
        paths: folders of this machine.
        subjects: hashes of the subjects of the run.
        salt: that went into them.
        gaps: what could not be looked for.
    """

    words: Mapping[str, str] = field(default_factory=dict)
    paths: Collection[str] = ()
    subjects: Collection[str] = ()
    salt: str = ""
    gaps: tuple[Finding, ...] = ()

    def found_in(self, line: str, *, words: bool = True) -> Iterator[tuple[str, str]]:
        """What of it a line holds, and what to do about it.

        Args:
            line: of a text.
            words: whether to look for single words too.
        """
        if any(path in line for path in self.paths):
            yield "holds a path of this machine", "give the path relative to data.root, or leave it out"
        if words:
            for word in _words(line):
                yield from self._judged_word(word)

    def masked(self, name: str) -> str:
        """A file's name for a message, without what must not be said."""
        return "/".join(_mask(part) if [*self.found_in(part), *matches(part)] else part for part in name.split("/"))

    def _judged_word(self, word: str) -> tuple[tuple[str, str], ...]:
        found = self._judged.get(word)
        if found is None:
            if len(self._judged) > REMEMBERED:
                self._judged.clear()
            kinds = ((kind, name) for name in _names_in(word) if (kind := self._kind(name)))
            found = self._judged[word] = tuple((f"holds {kind}, {_mask(name)}", "remove it") for kind, name in kinds)
        return found

    def _kind(self, name: str) -> str | None:
        # Short numbers are everywhere, and some of them are patients.
        if (len(name) > SHORTEST or not name.isdigit()) and hide(name, self.salt) in self.subjects:
            return "the name of a subject"
        return self.words.get(name.lower())

    @cached_property
    def _judged(self) -> dict[str, tuple[tuple[str, str], ...]]:
        """Words that were looked at already: the same ones stand in every row of a table."""
        return {}


def known_of(config: Config, splits: Collection[Path], *, allowed: Collection[str] = ()) -> Known:
    """The identifiers of a run, from its split, its raw files where they still are, and this machine.

    Args:
        config: of the run.
        splits: ``split.json`` of run folder and prepared folder; those that are not there are passed over.
        allowed: names that may appear, such as that of the repository; those of accounts are often those of users.
    """
    subjects = {name for path in splits if path.is_file() for name in json.loads(path.read_text(encoding="utf-8"))}
    open_words = {word.lower() for text in allowed for name in _words(text) for word in _names_in(name)}
    open_words |= {
        word.lower() for name in _words(json.dumps(_ordinary(config), ensure_ascii=False)) for word in _names_in(name)
    }
    files, gaps = _raw_names(config)
    words = dict.fromkeys(files, "the name of a raw file or folder") | _here()
    return Known(
        words={word: what for word, what in words.items() if word not in open_words},
        paths=_folders(config),
        subjects=subjects,
        salt=config.data.salt,
        gaps=gaps,
    )


def _ordinary(config: Config) -> Any:
    """What the user wrote about tasks and sources: labels, and the names that all files share."""
    return [
        [part.name, part.task, part.source, part.task_options, part.source_options, str(part.root)]
        for part in config.data.mix
    ]


def _here() -> dict[str, str]:
    """User and host of this machine."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container may have a user without a name
        user = ""
    host = socket.gethostname()
    found = {user: "the name of a user of this machine", host: "the name of this machine"}
    found[host.split(".")[0]] = "the name of this machine"
    return {name.lower(): what for name, what in found.items() if len(name) >= SHORTEST and name.lower() not in NOBODY}


def _folders(config: Config) -> set[str]:
    """Where home, raw data, cache and run are; a folder right below the root, such as /data, says nothing alone."""
    places = [config.data.root, config.data.cache, config.run.folder, Path.cwd(), Path.home()]
    places += [config.data.root / part.root for part in config.data.mix if part.root]
    return {str(place.absolute()) for place in places if len(place.absolute().parts) > 2}


def _raw_names(config: Config) -> tuple[set[str], tuple[Finding, ...]]:
    """Distinctive names of raw files and their folders, without endings, in lower case."""
    names: set[str] = set()
    try:
        for one in ask(config.data):
            if not one.source.makes_its_data:
                for path in one.source.files(one.root):
                    parts = path.relative_to(one.root).parts if path.is_relative_to(one.root) else path.parts[-2:]
                    names |= {_stem(part).lower() for part in parts if _is_distinctive(_stem(part))}
    except (MedftError, OSError) as error:
        what = f"names of raw files were not looked for: {str(error).splitlines()[0]}"
        return names, (Finding(what, "data.root", "push where the raw data is, to be sure", blocks=False),)
    return names, ()


def _stem(name: str) -> str:
    return name.strip(".").split(".")[0]


def _is_distinctive(stem: str) -> bool:
    """Whether a name says more than what kind of file it is: digits, or several words in one."""
    return len(stem) > SHORTEST and re.search(r"\d|[_^,]|\w-\w", stem) is not None


def _words(line: str) -> Iterator[str]:
    """What is written in one piece, and two such pieces without digits in a row, as first and last name are."""
    words = _WORD.findall(line)
    yield from words
    plain = [not _DIGIT.search(word) for word in words]
    yield from (f"{words[n]} {words[n + 1]}" for n in range(len(words) - 1) if plain[n] and plain[n + 1])


def _names_in(word: str) -> Iterator[str]:
    """Everything in a word that could be a name on its own: its pieces between separators, alone and in a row."""
    if _NUMBER.fullmatch(word):
        return
    pieces = _SEPARATOR.split(word)  # every other one is a separator
    count = len(pieces) if len(pieces) <= 2 * MOST_PIECES else 1
    for start in range(0, count, 2):
        for end in range(start + 1, count + 1, 2):
            name = "".join(pieces[start:end]) if end - start > 1 else pieces[start]
            if len(name) >= SHORTEST:
                yield name


def _mask(word: str) -> str:
    return f"{word[:2]}… ({len(word)} characters)"
