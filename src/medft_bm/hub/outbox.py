"""What is sent while a training goes on: one adapter at a time, and never a reason to stop."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi

from medft_bm.core.errors import MedftError
from medft_bm.hub.faults import WAITS_S
from medft_bm.hub.journal import JOURNAL, note, words_for
from medft_bm.hub.names import Repository
from medft_bm.hub.parcel import PLACE, Check, Parcel, discard, pack
from medft_bm.hub.sender import outcome, start

log = logging.getLogger(__name__)

SAY_S = 30.0
"""Between two messages that something is waited for."""
LATE = "the training ended before it was sent"
FINAL = "final"
"""Tag of the adapter that a training ends with."""


@dataclass(frozen=True)
class Letter:
    """A copy of an adapter, and what is written on it."""

    parcel: Parcel
    step: int
    tag: str


class Outbox:
    """Sends adapters to one repository, by a thread and a process beside the training.

    One is on its way and one waits at most: a newer one takes the place of the one that waits, so that a slow network
    costs neither disk nor time. Whatever fails is told, written to ``hub.jsonl``, and forgotten.

    Args:
        api: with a token that may write.
        repository: where to.
        run: folder of the training.
        checks: every parcel passes them before it leaves.
        waits: seconds before each further attempt.
    """

    def __init__(
        self,
        api: HfApi,
        repository: Repository,
        run: Path,
        checks: Sequence[Check] = (),
        waits: Sequence[float] = WAITS_S,
    ) -> None:
        self.api, self.repository, self.run = api, repository, run
        self.checks, self.waits = checks, waits
        self.sent: list[str] = []
        self.failed: list[str] = []
        self._waiting: Letter | None = None
        self._process: Any = None
        self._closed = self._ended = False
        self._changed = threading.Condition()
        self._place = run / PLACE / "training"  # not what a push in another process has beside it
        self._clear()  # of a training that was killed
        self._thread = threading.Thread(target=self._work, name="hub", daemon=True)
        self._thread.start()

    def send(self, folder: Path, step: int, tag: str) -> None:
        """Copy an adapter as it is now; the copy is sent when its turn comes. Whatever goes wrong is only told."""
        try:
            letter = Letter(pack("lora", folder, self._place), step, tag)
        except (MedftError, OSError) as error:
            self._fail(step, tag, _why(error))
            return
        with self._changed:
            replaced, self._waiting = self._waiting, letter
            self._changed.notify_all()
        if replaced is not None:
            discard(replaced.parcel)
            self._note(replaced.step, replaced.tag, outcome="replaced", why=f"{tag} came before its turn")

    def close(self, wait_s: float) -> None:
        """Wait for what is on its way, end what takes longer, and say what became of everything."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        try:
            self._wait(wait_s)
        finally:
            self._end()
        if self.sent:
            log.info("on the Hub: %s in %s", ", ".join(self.sent), self.repository.id)
        if self.failed:
            log.warning("not on the Hub: %s; %s says why", ", ".join(self.failed), self.run / JOURNAL)
        if FINAL in self.failed:
            log.warning("`medft push %s --what lora` sends it again", self.run)

    def _wait(self, wait_s: float) -> None:
        until = time.monotonic() + wait_s
        self._thread.join(min(wait_s, 1.0))  # most are over before it is worth a word
        while self._thread.is_alive() and (left := until - time.monotonic()) > 0:
            log.info("waiting for the upload to %s, %.0f s at most", self.repository.id, left)
            self._thread.join(min(left, SAY_S))

    def _end(self) -> None:
        with self._changed:
            self._ended = True
            if self._process is not None:
                self._process.kill()
        self._thread.join(5.0)
        self._clear()

    def _clear(self) -> None:
        shutil.rmtree(self._place, ignore_errors=True)
        with suppress(OSError):
            self._place.parent.rmdir()

    def _work(self) -> None:
        while (letter := self._taken()) is not None:
            began = time.monotonic()
            try:
                said = self._deliver(letter)
            except Exception as error:  # noqa: BLE001 - nothing else would tell of it, or send what comes after it
                said = {"why": _why(error)}
            discard(letter.parcel)
            if "why" in said:
                self._fail(letter.step, letter.tag, LATE if self._ended else said["why"])
            else:
                facts = {"commit": said["commit"], "files": said["files"]}
                self._succeed(letter.step, letter.tag, **facts, seconds=round(time.monotonic() - began, 1))

    def _taken(self) -> Letter | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting is not None or self._closed)
            letter, self._waiting = self._waiting, None
        return letter

    def _deliver(self, letter: Letter) -> dict[str, Any]:
        for check in self.checks:
            check(letter.parcel)
        words = words_for(self.run, letter.step)
        message = f"{FINAL}, {words}" if letter.tag == FINAL else words
        with self._changed:
            if self._ended:
                return {"why": LATE}
            folder = letter.parcel.folder
            self._process = process = start(self.api, folder, self.repository, message, letter.tag, self.waits)
        said = outcome(process)
        with self._changed:
            self._process = None
        return said

    def _succeed(self, step: int, tag: str, **facts: Any) -> None:
        self.sent.append(tag)
        self._note(step, tag, outcome="sent", **facts)
        log.info("sent the adapter of step %d to %s", step, self.repository.id)

    def _fail(self, step: int, tag: str, why: str) -> None:
        self.failed.append(tag)
        self._note(step, tag, outcome="failed", why=why)
        log.warning("the adapter of step %d was not sent to %s: %s", step, self.repository.id, why)

    def _note(self, step: int, tag: str, **said: Any) -> None:
        note(self.run, what="lora", repository=self.repository.id, step=step, tag=tag, **said)


def _why(error: BaseException) -> str:
    return error.what if isinstance(error, MedftError) else f"{type(error).__name__}: {error}"
