"""Replies on disk: written batch by batch, taken up again after an interruption, never mixed between models."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medft_bm.core.errors import DataError

SHARE = "replies-of-"
"""How the file of another process than the first begins."""


@dataclass(frozen=True)
class Reply:
    """What a model said.

    Attributes:
        uid: of the sample it was asked about.
        text: as decoded, without special tokens.
        tokens: how many the model produced, its end of turn included.
        finished: whether it ended its turn within the budget.
        probabilities: of every candidate of a closed set, which sum to 1; ``None`` when they were not asked for.
    """

    uid: str
    text: str
    tokens: int
    finished: bool
    probabilities: tuple[float, ...] | None = None


@dataclass(frozen=True)
class ReplyFile:
    """``replies.jsonl`` in a folder, with ``replies.meta.json`` that says which model and settings it belongs to.

    Attributes:
        folder: where both are.
        settings: everything that may change a reply, as plain JSON.
    """

    folder: Path
    settings: Mapping[str, Any]

    @property
    def path(self) -> Path:
        """The replies, one JSON object a line."""
        return self.folder / "replies.jsonl"

    @property
    def meta(self) -> Path:
        """The settings they were made with."""
        return self.folder / "replies.meta.json"

    def open(self) -> dict[tuple[str, str], Reply]:
        """Replies of an earlier run with the same settings, by uid and digest of the question; others are removed.

        A last line without its end was cut off by an interruption and is removed from the file too. What several
        processes wrote side by side is in the one file afterwards.

        Raises:
            DataError: a complete line that is no reply.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self._same_settings():
            # Replies go first: killed in between, the old settings name no replies, and nothing is mixed.
            for path in (self.path, *self._shares()):
                path.unlink(missing_ok=True)
            write_text(self.meta, json.dumps(dict(self.settings), indent=2, sort_keys=True) + "\n")
            return {}
        self._gather()
        return self.read()

    def read(self) -> dict[tuple[str, str], Reply]:
        """What is in the one file, by uid and digest of the question; writes nothing.

        Raises:
            DataError: a complete line that is no reply.
        """
        # Not splitlines: it also splits at separators that JSON leaves inside a string.
        lines = _complete(self.path).decode().split("\n")[:-1]
        rows = (self._row(number, line) for number, line in enumerate(lines, start=1))
        return {(reply.uid, digest): reply for reply, digest in rows}

    def add(self, replies: Sequence[Reply], digests: Sequence[str], process: int = 0) -> None:
        """Append the replies to these questions in one write, so that an interruption cuts at most the last line.

        Args:
            replies: to add.
            digests: of the questions they answer.
            process: who writes, counted from 0; every other process than the first has a file of its own, which
                :meth:`open` adds to the one.
        """
        rows = (
            json.dumps({**asdict(reply), "question": digest}, ensure_ascii=False)
            for reply, digest in zip(replies, digests, strict=True)
        )
        path = self.path.with_stem(f"{SHARE}{process}") if process else self.path
        with path.open("a", encoding="utf-8") as file:
            file.write("".join(f"{row}\n" for row in rows))

    def _gather(self) -> None:
        """Shares of processes go into the one file; interrupted in between, some replies are there twice, and alike."""
        shares = self._shares()
        written = self.path.stat().st_size if self.path.is_file() else 0
        complete = _complete(self.path)
        if not shares and len(complete) == written:
            return
        write_text(self.path, b"".join([complete, *map(_complete, shares)]).decode())
        for share in shares:
            share.unlink()

    def _shares(self) -> list[Path]:
        return sorted(self.folder.glob(f"{SHARE}*.jsonl"))

    def _same_settings(self) -> bool:
        try:
            return bool(json.loads(self.meta.read_text(encoding="utf-8")) == dict(self.settings))
        except (OSError, ValueError):
            return False

    def _row(self, number: int, line: str) -> tuple[Reply, str]:
        try:
            row = json.loads(line)
            said = None if row["probabilities"] is None else tuple(map(float, row["probabilities"]))
            return Reply(row["uid"], row["text"], int(row["tokens"]), bool(row["finished"]), said), row["question"]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"line {number} is not a reply: {line[:80]!r}",
                where=str(self.path),
                fix="delete the file to generate the replies again",
            ) from error


def _complete(path: Path) -> bytes:
    """The lines of a file that have their end; none where there is no file."""
    written = path.read_bytes() if path.is_file() else b""
    return written[: written.rfind(b"\n") + 1]


def write_text(path: Path, text: str) -> None:
    """Replace a file's content; a reader sees the old or the new, never a part, also where two processes write it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
