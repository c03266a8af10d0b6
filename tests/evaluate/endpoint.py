"""A small server that speaks the chat completions protocol and fails as it is told to."""

from __future__ import annotations

import base64
import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tests.quiet import QuietServer

from medft_bm.config.evaluation import Server
from medft_bm.evaluate.backends.connection import connect
from medft_bm.evaluate.backends.refusals import Key
from medft_bm.evaluate.generate import generate_replies
from medft_bm.evaluate.questions import Question
from medft_bm.evaluate.replies import Reply

LIST = {"object": "list", "data": [{"id": "tiny", "object": "model", "created": 1, "owned_by": "lab"}]}


@dataclass
class Seen:
    """One request."""

    at: float
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def text(self) -> str:
        """The question."""
        return str(self.body["messages"][-1]["content"][-1]["text"])


@dataclass
class Answer:
    """What the server does: a status and a body, or nothing but a cut connection."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False


@dataclass
class Endpoint:
    """The server from outside.

    Attributes:
        url: its address.
        act: what to do about a request for a completion.
        models: what it answers to the question for its models.
        seen: requests for completions so far.
    """

    url: str
    act: Callable[[Seen], Answer]
    models: Answer = field(default_factory=lambda: Answer(LIST))
    seen: list[Seen] = field(default_factory=list)

    def server(self, **options: Any) -> Server:
        """The config of a client that does not wait long."""
        return Server(url=self.url, **{"model": "tiny", "retries": 2, "timeout_s": 20, **options})

    def times(self, text: str) -> int:
        """How often a question was asked."""
        return sum(one.text == text for one in self.seen)


def completion(
    text: str | None, *, finish: str | None = "stop", usage: Any = (100, 7), refusal: str | None = None
) -> Answer:
    """A reply."""
    message = {"role": "assistant", "content": text, "refusal": refusal}
    body: dict[str, Any] = {"id": "x", "object": "chat.completion", "created": 1, "model": "tiny"}
    body["choices"] = [{"index": 0, "message": message, "finish_reason": finish}]
    if usage:
        body["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
    return Answer(body)


def refused(status: int, message: str, *, headers: dict[str, str] | None = None, **more: Any) -> Answer:
    """An error as OpenAI words it."""
    return Answer({"error": {"message": message, "type": "invalid_request_error", **more}}, status, headers or {})


def picture_of(part: dict[str, Any]) -> Image.Image:
    """The image of a part of a message."""
    kind, data = part["image_url"]["url"].split(",", 1)
    assert kind == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


@contextmanager
def endpoint() -> Iterator[Endpoint]:
    """A server on a free port of this machine, that says the question back."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.give(made.models)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            one = Seen(time.monotonic(), {name.lower(): value for name, value in self.headers.items()}, body)
            made.seen.append(one)
            self.give(made.act(one))

        def give(self, answer: Answer) -> None:
            if answer.cut:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in {"content-type": "application/json", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = QuietServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made = Endpoint(f"http://127.0.0.1:{server.server_port}/v1", lambda one: completion(one.text))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


def picture(seed: int = 0, *, h: int = 11, w: int = 17) -> Image.Image:
    """Noise."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (h, w, 3), np.uint8))


def questions(count: int) -> list[Question]:
    """Questions that differ in their number."""
    return [Question(f"uid-{index}", f"question {index}", lambda: picture()) for index in range(count)]


def ask(server: Endpoint, asked: list[Question], out: Path, *, key: Key | None = None, **options: Any) -> list[Reply]:
    """Replies to all of them, taking up what is in the folder."""
    return generate_replies(connect(server.server(**options), 16, key), asked, out=out, data="data-1")


def lines(out: Path) -> int:
    """How many replies are on disk."""
    path = out / "replies.jsonl"
    return len(path.read_text().splitlines()) if path.is_file() else 0
