"""What the Hub or the network refused, as one message; and whether it is worth trying again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from huggingface_hub.errors import HfHubHTTPError

from medft_bm.core.errors import ConfigError, MedftError

T = TypeVar("T")
log = logging.getLogger(__name__)

WAITS_S = (5.0, 30.0, 120.0)
"""Before the second, third and fourth attempt; huggingface_hub itself has tried each request several times by then."""
LONGEST_WAIT_S = 900.0
"""More is not waited for, whatever the Hub asks for."""
PASSING = frozenset({408, 409, 412, 423, 425, 429, 500, 502, 503, 504})
"""Answers that another attempt may change: conflicts with somebody else's commit, limits of rate, and faults there."""
HTTP_ERROR: type[Exception] = HfHubHTTPError.__bases__[0]
"""The base of all errors of httpx, or of its successor: whichever huggingface_hub is built on."""
TOKENS = "https://huggingface.co/settings/tokens"


class PassingError(MedftError):
    """The network or the Hub failed in a way that may have passed later."""


def attempted(work: Callable[[], T], doing: str, waits: Sequence[float] = WAITS_S) -> T:
    """Do something on the Hub, several times if need be.

    Args:
        work: may be repeated: what has arrived already is not sent again.
        doing: in words, with the repository.
        waits: seconds before each further attempt; the Hub's ``Retry-After`` is waited for as well.

    Raises:
        ConfigError: no right to do so.
        MedftError: refused for another reason; :class:`PassingError` when all attempts failed.
    """
    for wait in (*waits, None):
        try:
            return work()
        except (PassingError, HTTP_ERROR, OSError, RuntimeError, ValueError) as error:
            fault = error if isinstance(error, PassingError) else explained(error, doing)
            if fault is error and wait is None:
                raise
            if not isinstance(fault, PassingError) or wait is None:
                raise fault from error
            pause = min(max(wait, _retry_after(error)), LONGEST_WAIT_S)
            log.info("%s: %s; trying again in %.0f s", doing, fault.what, pause)
            time.sleep(pause)
    raise AssertionError("unreachable")


def explained(error: BaseException, doing: str) -> MedftError:
    """The error of ours for one of huggingface_hub's, or of what it is built on."""
    status, why = _status(error), _one_line(error)
    if status in PASSING or (status is None and _is_network(error)):
        return PassingError(f"{doing} failed: {why}", where="the Hub", fix="try again later")
    if status == 401:
        fix = f"log in again with `hf auth login`, or make a new token at {TOKENS}"
        return ConfigError(f"{doing}: the Hub does not know this token, or it has expired", where="the token", fix=fix)
    if status == 404:
        fix = "`medft push` makes it anew; or use a token that may see it, or name another repository"
        return ConfigError(f"{doing}: it is not there, or not for this token: {why}", where="the Hub", fix=fix)
    if status in (402, 403):
        fix = f"use a token that may write there ({TOKENS}), or name another repository"
        return ConfigError(f"{doing}: the Hub does not allow it: {why}", where="the token", fix=fix)
    return MedftError(f"{doing} failed: {why}", where="the Hub", fix="correct what it says, then `medft push`")


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__


def _answer(error: BaseException) -> Any:
    return next((found for link in _chain(error) if (found := getattr(link, "response", None)) is not None), None)


def _status(error: BaseException) -> int | None:
    answer = _answer(error)
    if answer is None:
        return None
    # To whoever may not see a repository the Hub says that there is none, with the number for a missing login.
    return 404 if answer.headers.get("X-Error-Code") == "RepoNotFound" else int(answer.status_code)


def _is_network(error: BaseException) -> bool:
    """A RuntimeError is how huggingface_hub reports what happened to one file of several, and hf_xet everything."""
    kinds = (HTTP_ERROR, ConnectionError, TimeoutError, RuntimeError)
    return any(isinstance(link, kinds) for link in _chain(error))


def _retry_after(error: BaseException) -> float:
    answer = _answer(error)
    asked = "" if answer is None else answer.headers.get("Retry-After", "")
    return float(asked) if asked.isdigit() else 0.0


def _one_line(error: BaseException) -> str:
    answer = _answer(error)
    said = answer.headers.get("X-Error-Message", "") if answer is not None else ""
    text = " ".join((said or str(error)).split())
    return f"{answer.status_code} {said}" if said else text[:300] or type(error).__name__
