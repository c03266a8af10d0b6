"""A server on this machine that answers as the Hub does, as far as reading a model goes."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

COMMIT = "c0ffee" * 6 + "c0ff"


def in_place_of_the_hub(monkeypatch: pytest.MonkeyPatch, address: str, cache: Path) -> None:
    """Send huggingface_hub to another server, and let it keep what it fetches in a folder of the test."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


class Replies(BaseHTTPRequestHandler):
    """Sends one reply and says nothing about it."""

    def reply(self, status: int, headers: dict[str, str], content: bytes = b"", *, body: bool = False) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


class HubStub(Replies):
    """One folder as the repositories ``some/open``, ``some/gated`` and ``some/half``, whose weights alone are gated."""

    folder: Path

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        parts = self.path.split("?")[0].strip("/").split("/")
        api = parts[0] == "api"
        _, repository, _, revision, name, *_ = [*(parts[2:] if api else parts), "", "main", ""]
        if repository == "gated" or (repository == "half" and ".safetensors" in name):
            return self.reply(403, {"X-Error-Code": "GatedRepo"})
        if repository not in ("open", "half"):
            return self.reply(401, {"X-Error-Code": "RepoNotFound"})
        if revision not in ("main", "v2", COMMIT):
            return self.reply(404, {"X-Error-Code": "RevisionNotFound"})
        if api and not name:
            return self.reply(200, {}, self.listing(tree="tree" in parts), body=body)
        if not (self.folder / name).is_file():
            return self.reply(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
        headers = {"ETag": json.dumps(name), "X-Repo-Commit": COMMIT}
        return self.reply(200, headers, (self.folder / name).read_bytes(), body=body)

    def listing(self, *, tree: bool) -> bytes:
        files = [
            {"type": "file", "path": path.name, "size": path.stat().st_size, "oid": COMMIT}
            for path in sorted(self.folder.iterdir())
        ]
        return json.dumps(files if tree else {"id": "some/open", "sha": COMMIT}).encode()
