"""The first contact with a server: is it there, does it let us in, and which models does it have?"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from medft_bm.config.evaluation import Server
from medft_bm.core.errors import ConfigError, DependencyError, MedftError
from medft_bm.evaluate.backends.openai import OpenAI, background_loop
from medft_bm.evaluate.backends.pace import Pace
from medft_bm.evaluate.backends.refusals import Key, Refusals

log = logging.getLogger(__name__)

LISTED = ("id", "root", "parent", "owned_by")
"""What a server's list says of a model that does not change from one look to the next."""


def connect(server: Server, max_new_tokens: int, key: Key | None = None) -> OpenAI:
    """Reach a server and find the model on it.

    Args:
        server: where it is and how to ask it; ``url`` must be set.
        max_new_tokens: budget per reply.
        key: what lets us in; ``None`` for a server without keys.

    Raises:
        ConfigError: no access, no such model, or several and none was chosen.
        MedftError: the server cannot be reached.
        DependencyError: the package openai is not installed.
    """
    key = key or Key()
    client = _client(server, key)
    refusals = Refusals(urlsplit(server.url or "").netloc, key)
    listed = asyncio.run_coroutine_threadsafe(_listed(client, refusals), background_loop()).result()
    if isinstance(listed, MedftError):
        raise listed
    model = server.model or _only(listed, refusals.host)
    found = {name: listed[model].get(name) for name in LISTED} if model in listed else {}
    served = hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:16]
    refusals = replace(refusals, model=model, offered=tuple(listed))
    log.info("asking %s on %s: the images are sent there", model, refusals.host)
    return OpenAI(client, server, served, max_new_tokens, refusals)


def _client(server: Server, key: Key) -> Any:
    try:
        import openai
    except ModuleNotFoundError as error:
        raise DependencyError(
            "asking a server needs the package 'openai'",
            where="evaluate.backend",
            fix='pip install "medft_bm[server]"',
        ) from error
    pace = Pace(server.requests_per_minute)
    return openai.AsyncOpenAI(
        # Not None, for which the client would look for a key that is not meant for this server.
        api_key=key.secret.get_secret_value() if key.secret else "none",
        base_url=server.url,
        timeout=openai.Timeout(server.timeout_s, connect=10),
        max_retries=server.retries,
        http_client=openai.DefaultAsyncHttpxClient(event_hooks={"request": [pace.wait]}),
    )


async def _listed(client: Any, refusals: Refusals) -> Mapping[str, Mapping[str, Any]] | MedftError:
    """What the server says of each of its models; nothing when it keeps no list, or a broken one."""
    from openai import APIStatusError, AuthenticationError, OpenAIError, PermissionDeniedError

    try:
        page = await client.with_options(max_retries=1).models.list()
        return {model.id: model.model_dump() for model in page.data}
    except (AuthenticationError, PermissionDeniedError) as error:
        return refusals.explain(error, "")
    except (APIStatusError, ValueError, AttributeError, TypeError):
        return {}
    except OpenAIError as error:
        return refusals.explain(error, "")


def _only(listed: Mapping[str, Any], host: str) -> str:
    if len(listed) == 1:
        return next(iter(listed))
    what = f"the server offers {', '.join(list(listed)[:20])}" if listed else "the server does not list its models"
    raise ConfigError(what, where=f"evaluate.server.model ({host})", fix="say which model to ask")
