"""A model behind any server that speaks OpenAI's chat completions: vLLM, SGLang, TGI, transformers, commercial ones."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeAlias

from medft_bm.config.evaluation import Server
from medft_bm.core.errors import DataError, MedftError
from medft_bm.evaluate.backends.base import BatchError
from medft_bm.evaluate.backends.pace import Tally
from medft_bm.evaluate.backends.refusals import Refusals, is_filtered, refused_field
from medft_bm.evaluate.backends.wire import is_withheld, messages_of, reply_of, used
from medft_bm.evaluate.questions import Question
from medft_bm.evaluate.replies import Reply

log = logging.getLogger(__name__)

ROUNDS = 4
"""Questions per batch and connection: many enough to keep the server busy, few enough to be on disk soon."""
RECHECKED = 8
"""Kept replies that are asked again."""

Outcome: TypeAlias = "Reply | MedftError"


@dataclass(frozen=True, eq=False)
class OpenAI:
    """A model behind a server; made by :func:`medft_bm.evaluate.backends.connection.connect`.

    Attributes:
        client: an ``openai.AsyncOpenAI``.
        server: how to ask it.
        served: hash of what the server says of the model.
        max_new_tokens: budget per reply.
        refusals: explains what goes wrong; knows the model's name.
        tally: what was used so far.
        dropped: optional fields of a request that the server turned out not to take.
    """

    client: Any = field(repr=False)
    server: Server
    served: str
    max_new_tokens: int
    refusals: Refusals
    tally: Tally = field(default_factory=Tally)
    dropped: set[str] = field(default_factory=set)

    @property
    def batch(self) -> int:
        """Several questions per connection."""
        return ROUNDS * self.server.concurrency

    def identity(self) -> Mapping[str, Any]:
        """The model's name and the user's word for its weights; without that word, where it is served and as what.

        No server shows its weights, so kept replies are checked (:meth:`still_says`).
        """
        weights = {"url": self.server.url, "served": self.served}
        if self.server.revision is not None:
            weights = {"revision": self.server.revision}
        return {
            "backend": "openai",
            "model": self.refusals.model,
            **weights,
            "max_new_tokens": self.max_new_tokens,
            "decoding": "temperature 0",
            "extra": self.server.extra,
        }

    def ask(self, questions: Sequence[Question]) -> list[Reply]:
        """The reply to every question, asked at the same time as far as the server's options allow.

        Raises:
            BatchError: some got none; what concerns the whole server stops the batch, one bad question does not.
        """
        outcomes: dict[int, Outcome] = {}
        asking = asyncio.run_coroutine_threadsafe(self._ask(questions, outcomes), background_loop())
        try:
            asking.result()
        except KeyboardInterrupt as interrupt:
            asking.cancel()
            raise BatchError(_replies(outcomes), interrupt) from None
        errors = [outcome for outcome in outcomes.values() if isinstance(outcome, MedftError)]
        if errors:
            raise BatchError(_replies(outcomes), min(errors, key=lambda error: isinstance(error, DataError)))
        return list(_replies(outcomes).values())

    def still_says(self, kept: Sequence[tuple[Question, Reply]]) -> bool:
        """Whether a few of its replies, asked again, are the same; not asked when the user named the revision.

        Raises:
            MedftError: the server cannot be asked.
        """
        if self.server.revision is not None:
            return True
        # Replies that differ among themselves tell one model from another better than eight times "normal".
        distinct = {reply.text: (question, reply) for question, reply in sorted(kept, key=_by_hash)}
        chosen = list(distinct.values())[:RECHECKED]
        try:
            again = self.ask([question for question, _ in chosen])
        except BatchError as error:
            raise error.reason from None
        changed = sum(now.text != then.text for now, (_, then) in zip(again, chosen, strict=True))
        if changed:
            log.warning(
                "%d of %d kept replies are others when asked again: the server's weights have changed, or it does not "
                "decode the same way twice; evaluate.server.revision keeps replies unchecked",
                changed,
                len(chosen),
            )
        return not changed

    def about(self) -> Mapping[str, Any]:
        """The model's name, the server's host, and what was used since the connection."""
        cost = self.tally.cost(self.server.price_per_million_input, self.server.price_per_million_output)
        return {
            "model": _shown(self.refusals.model),
            "device": f"server {self.refusals.host}",
            "used": {**self.tally.as_json(), "cost": cost},
            "not_taken": sorted(self.dropped),
            "remarks": list(_remarks(self.tally, cost, self.dropped)),
        }

    async def _ask(self, questions: Sequence[Question], outcomes: dict[int, Outcome]) -> None:
        free = asyncio.Semaphore(self.server.concurrency)

        async def one(place: int, question: Question) -> None:
            async with free:
                if not any(map(_concerns_all, outcomes.values())):
                    outcomes[place] = await self._outcome(question)

        tasks = [asyncio.ensure_future(one(place, question)) for place, question in enumerate(questions)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _outcome(self, question: Question) -> Outcome:
        from openai import OpenAIError

        try:
            completion = await self._complete(question)
            reply = reply_of(question, completion)
        except (OpenAIError, ValueError) as error:
            if not is_filtered(error):
                return self.refusals.explain(error, question.uid)
            self.tally.add(0, 0, withheld=True)
            return Reply(question.uid, "", 0, False)
        self.tally.add(*used(completion), withheld=is_withheld(completion))
        return reply

    async def _complete(self, question: Question) -> Any:
        from openai import BadRequestError, UnprocessableEntityError

        messages = await asyncio.to_thread(messages_of, question)
        while True:
            fields = self._fields()
            try:
                return await self.client.chat.completions.create(
                    model=self.refusals.model, messages=messages, **fields, extra_body=self.server.extra or None
                )
            except (BadRequestError, UnprocessableEntityError) as error:
                refused = refused_field(error, fields)
                if refused is None or refused == "max_completion_tokens":
                    raise
                self._drop(refused)

    def _fields(self) -> dict[str, Any]:
        """Greedy within the budget, as far as the server goes along."""
        wanted = {"temperature": 0, "seed": 0, "max_tokens": self.max_new_tokens}
        fields = {name: value for name, value in wanted.items() if name not in self.dropped}
        return fields if "max_tokens" in fields else {**fields, "max_completion_tokens": self.max_new_tokens}

    def _drop(self, name: str) -> None:
        if name not in self.dropped and name == "temperature":
            log.warning("the server refuses temperature 0: its replies are not greedy and may differ from run to run")
        self.dropped.add(name)


@cache
def background_loop() -> asyncio.AbstractEventLoop:
    """One event loop in a thread of its own, so that a notebook, which runs one itself, can ask too."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="medft_bm server", daemon=True).start()
    return loop


def _remarks(tally: Tally, cost: float | None, dropped: set[str]) -> Iterator[str]:
    """What a reader of the report should know."""
    price = "" if cost is None else f", cost {cost:.4g}"
    yield f"{tally.replies} replies in this session, {tally.tokens_in} tokens in, {tally.tokens_out} out{price}"
    if tally.withheld:
        yield f"{tally.withheld} replies withheld by a filter or refused"
    if "temperature" in dropped:
        yield "not greedy: the server refuses temperature 0"


def _shown(model: str) -> str:
    """The name without the folders of the machine that it is served from."""
    is_path = model.startswith((".", "/")) or model.count("/") > 1
    return model.rstrip("/").rpartition("/")[2] if is_path else model


def _concerns_all(outcome: Outcome) -> bool:
    return isinstance(outcome, MedftError) and not isinstance(outcome, DataError)


def _replies(outcomes: Mapping[int, Outcome]) -> dict[int, Reply]:
    return {place: outcome for place, outcome in sorted(outcomes.items()) if isinstance(outcome, Reply)}


def _by_hash(pair: tuple[Question, Reply]) -> str:
    return hashlib.sha256(pair[0].uid.encode()).hexdigest()
