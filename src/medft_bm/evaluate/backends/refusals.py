"""What a server's refusals mean for the user; a key never gets into any of it."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from medft_bm.core.errors import ConfigError, DataError, MedftError

KEPT = "replies so far are kept, and the same command goes on from there"
UNKNOWN_FIELD = re.compile(
    r"unsupported|not support|unexpected|unknown|unrecogni[sz]ed|not permitted|not allowed|extra", re.IGNORECASE
)
TOO_LONG = re.compile(
    r"context.?(length|window)|maximum.{0,20}(length|tokens)|max_model_len|too (long|large|many tokens)|longer than",
    re.IGNORECASE,
)
FILTERED = re.compile(r"content.?(filter|policy|management)|safety system|responsible.?ai", re.IGNORECASE)
SHOWN = 300
"""Characters of a server's own words that a message repeats."""


@dataclass(frozen=True)
class Key:
    """What a server is shown to be let in.

    Attributes:
        secret: the key; ``None`` shows none.
        source: where it comes from, in words that do not hold it.
    """

    secret: SecretStr | None = None
    source: str = "nowhere"

    def hidden(self, text: str) -> str:
        """The text without the key, which careless servers repeat."""
        return text if self.secret is None else text.replace(self.secret.get_secret_value(), "[key]")


@dataclass(frozen=True)
class Refusals:
    """Turns what went wrong into an error that a user can act on.

    Attributes:
        host: of the server.
        key: taken out of everything the server says.
        model: as the server calls it; empty when it was not chosen yet.
        offered: models that the server offers; empty when it does not say.
    """

    host: str
    key: Key
    model: str = ""
    offered: Sequence[str] = ()

    def explain(self, error: Exception, uid: str) -> MedftError:
        """The error for a question that got no reply, or for the server as a whole when ``uid`` is empty."""
        status, said = getattr(error, "status_code", None), self.said(error)
        match status:
            case 401 | 403:
                return self._no_access(status, said)
            case 404 | 405:
                return self._not_there(said)
            case 429:
                return self._too_fast(error, said)
            case 400 | 413 | 422:
                return _bad_question(said, uid or self.host)
            case int() if status >= 500:
                what = f"the server failed with status {status}: {said}"
            case _ if isinstance(error, ValueError):
                what = f"the server did not answer in the chat completions protocol: {said}"
            case _:
                what = f"the server cannot be reached or broke off: {said}"
        fix = f"look at the server's own log, check evaluate.server.url and timeout_s; {KEPT}"
        return MedftError(what, where=self.host, fix=fix)

    def said(self, error: Exception) -> str:
        """The server's own words, in one line, without the key."""
        text = self.key.hidden(" ".join(_words(error).split()))
        return text if len(text) <= SHOWN else f"{text[:SHOWN]} ..."

    def _no_access(self, status: int, said: str) -> ConfigError:
        what = "the server wants a key" if self.key.secret is None else "the server refuses the key, or this use of it"
        return ConfigError(
            f"{what} (status {status}): {said}",
            where=f"{self.host}, key from {self.key.source}",
            fix="set the variable that evaluate.server.key_variable names (over https also OPENAI_API_KEY), "
            f"or evaluate.server.key_file; {KEPT}",
        )

    def _not_there(self, said: str) -> ConfigError:
        if not self.offered:
            what, key = f"the server knows no such address or model: {said}", "evaluate.server.url"
            return ConfigError(what, where=f"{key} ({self.host})", fix=f"addresses usually end in /v1; {KEPT}")
        return ConfigError(
            f"the server has no model {self.model!r}; it offers {', '.join(self.offered[:20])}",
            where="evaluate.server.model",
            fix=f"set it to one of those; {KEPT}",
        )

    def _too_fast(self, error: Exception, said: str) -> MedftError:
        if getattr(error, "code", None) == "insufficient_quota":
            fix = "add credit to the account"
        else:
            fix = "set evaluate.server.requests_per_minute, or lower evaluate.server.concurrency"
        return MedftError(f"the server takes no more questions: {said}", where=self.host, fix=f"{fix}; {KEPT}")


def _bad_question(said: str, where: str) -> DataError:
    if TOO_LONG.search(said):
        fix = "serve it with a longer context, lower evaluate.shots, or send smaller images"
    else:
        fix = "check that the model reads images, and evaluate.server.model and evaluate.server.extra"
    return DataError(f"the server refuses the question: {said}", where=where, fix=f"{fix}; {KEPT}")


def is_filtered(error: Exception) -> bool:
    """Whether a content filter refused the question: then the refusal is the reply."""
    return getattr(error, "status_code", None) == 400 and bool(FILTERED.search(_words(error)))


def refused_field(error: Exception, fields: Collection[str]) -> str | None:
    """Which of these fields of the request the server does not know, or not with this value."""
    words = _words(error)
    if not UNKNOWN_FIELD.search(words) or TOO_LONG.search(words):
        return None
    named = getattr(error, "param", None)
    # Where several are named, the first is the culprit and the others are advice.
    places = {field: re.search(rf"\b{field}\b", words) for field in fields}
    found = sorted((place.start(), field) for field, place in places.items() if place)
    return named if named in fields else found[0][1] if found else None


def _words(error: Exception) -> str:
    """What the server said: the message in its JSON, or all of it."""
    body: Any = getattr(error, "body", None)
    inner = body.get("error", body) if isinstance(body, dict) else body
    inner = inner.get("message") or inner.get("detail") or inner if isinstance(inner, dict) else inner
    code = getattr(error, "code", None)
    text = str(inner or error)
    return f"{text} ({code})" if code and str(code) not in text else text
