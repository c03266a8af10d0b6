"""A Hub on this machine: it speaks enough of the Hub's HTTP for the real client to push, look and download.

Repositories, files and commits are kept in memory. :attr:`Hub.faults` makes it fail as the real one does.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from tests.hub.state import PART, WRITER, Fault, Repo, entry, git_oid, may_write
from tests.quiet import QuietServer


class Hub:
    """The server: start it with ``with``; its state is there to be looked at."""

    def __init__(self, tokens: dict[str, dict[str, Any]] | None = None) -> None:
        self.tokens = tokens if tokens is not None else {"hf_secret": WRITER}
        self.repos: dict[tuple[str, str], Repo] = {}
        self.objects: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self.bodies: list[bytes] = []
        self.before: Callable[[str], None] = lambda request: None
        self.lock = threading.RLock()

    def __enter__(self) -> Hub:
        handler = type("Bound", (Handler,), {"hub": self})
        self.server = QuietServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    def only(self, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
        """Let the client of this process, and of its children, know no other Hub; nobody is logged in."""
        from huggingface_hub import constants

        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
        # hf_xet is used wherever it is installed, and speaks to a service of its own.
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        monkeypatch.setattr(constants, "ENDPOINT", self.address)
        template = self.address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)

    def repo(self, name: str, kind: str = "model") -> Repo:
        return self.repos[kind, name]

    def fault(self, request: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.times > 0 and re.search(fault.on, request):
                    fault.times -= 1
                    return fault
        return None


class Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.serve()

    def do_HEAD(self) -> None:
        self.serve()

    def do_POST(self) -> None:
        self.serve()

    def do_PUT(self) -> None:
        self.serve()

    def do_DELETE(self) -> None:
        self.serve()

    def serve(self) -> None:
        path = unquote(urlsplit(self.path).path)
        request = f"{self.command} {path}"
        self.hub.before(request)
        fault = self.hub.fault(request)
        if fault and not fault.status:
            self.rfile.read(int(self.headers.get("Content-Length", 0)) // 2)
            self.close_connection = True
            self.connection.close()
            return
        body = self.body()
        with self.hub.lock:
            self.hub.requests.append(request)
            self.hub.bodies.append(body)
        if fault:
            time.sleep(fault.slow_s)
            if fault.status != 200:
                return self.reply(fault.status, {"error": "planted"}, fault.headers)
        with self.hub.lock:
            for pattern, answer in ROUTES:
                method, _, route = pattern.partition(" ")
                if method == self.command.replace("HEAD", "GET") and (found := re.fullmatch(route, path)):
                    if "/lfs-" not in route and self.who() is None:
                        return self.reply(401, {"error": "Invalid username or password."})
                    return answer(self, body, **found.groupdict())
        self.reply(404, {"error": f"the test's Hub does not know {request}"})

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        found = b""
        while size := int(self.rfile.readline(), 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def who(self) -> dict[str, Any] | None:
        return self.hub.tokens.get(self.headers.get("Authorization", "").removeprefix("Bearer "))

    def may_write(self, name: str, *, new: bool = False) -> bool:
        return may_write(self.who() or {}, name, new=new)

    def reply(self, status: int, content: Any = None, headers: dict[str, str] | None = None) -> None:
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for key, value in {"Content-Type": "application/json", **(headers or {}), "Content-Length": len(raw)}.items():
            self.send_header(key, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(raw)

    def found(self, kind: str, name: str) -> Repo | None:
        repo = self.hub.repos.get((kind, name))
        if repo is None:
            self.reply(401, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
        return repo

    def tree_of(self, repo: Repo, revision: str) -> dict[str, bytes] | None:
        tree = repo.tree(revision)
        if tree is None:
            self.reply(404, {"error": "no such revision"}, {"X-Error-Code": "RevisionNotFound"})
        return tree

    def whoami(self, body: bytes) -> None:
        self.reply(200, self.who())

    def create(self, body: bytes) -> None:
        asked = json.loads(body)
        name = f"{asked['organization'] or (self.who() or {})['name']}/{asked['name']}"
        if not self.may_write(name, new=True):
            return self.reply(403, {"error": "forbidden"}, {"X-Error-Message": "You don't have the rights to create"})
        url = f"{self.hub.address}/{name}"
        if (asked.get("type", "model"), name) in self.hub.repos:
            return self.reply(409, {"error": "You already created this repo", "url": url})
        repo = self.hub.repos[asked.get("type", "model"), name] = Repo(asked.get("visibility") == "private")
        repo.commit({".gitattributes": b"*.safetensors filter=lfs\n"}, "initial commit")
        return self.reply(200, {"url": url, "name": name})

    def check(self, body: bytes, kind: str, name: str) -> None:
        if self.found(kind, name):
            self.reply(200 if self.may_write(name) else 403, {}, {"X-Error-Message": "no write access"})

    def info(self, body: bytes, kind: str, name: str, revision: str | None = None) -> None:
        if repo := self.found(kind, name):
            tree = self.tree_of(repo, revision or "main")
            if tree is not None:
                sha = repo.refs.get(revision or "main", revision)
                about = {"id": name, "sha": sha, "private": repo.private}
                self.reply(200, {**about, "siblings": [{"rfilename": path} for path in tree]})

    def listing(self, body: bytes, kind: str, name: str, revision: str) -> None:
        if (repo := self.found(kind, name)) and (tree := self.tree_of(repo, revision)) is not None:
            self.reply(200, [entry(path, content, content in repo.large) for path, content in sorted(tree.items())])

    def preupload(self, body: bytes, kind: str, name: str, revision: str) -> None:
        if repo := self.found(kind, name):
            self.reply(200, {"files": [repo.upload_mode(one) for one in json.loads(body)["files"]]})

    def batch(self, body: bytes, name: str, prefix: str = "") -> None:
        self.reply(200, {"transfer": "multipart", "objects": [self.action(one) for one in json.loads(body)["objects"]]})

    def action(self, asked: dict[str, Any]) -> dict[str, Any]:
        oid, size, at = asked["oid"], asked["size"], self.hub.address
        if oid in self.hub.objects:
            return {"oid": oid, "size": size}
        upload: dict[str, Any] = {"href": f"{at}/lfs-put/{oid}"}
        if size > PART:
            parts = {str(n + 1): f"{at}/lfs-part/{oid}/{n + 1}" for n in range(-(-size // PART))}
            upload = {"href": f"{at}/lfs-complete/{oid}", "header": {"chunk_size": str(PART), **parts}}
        return {"oid": oid, "size": size, "actions": {"upload": upload, "verify": {"href": f"{at}/lfs-verify"}}}

    def put(self, body: bytes, oid: str, part: str = "") -> None:
        if part:
            self.hub.parts.setdefault(oid, {})[int(part)] = body
        elif hashlib.sha256(body).hexdigest() == oid:
            self.hub.objects[oid] = body
        else:
            return self.reply(400, {"error": "not what was announced"})
        return self.reply(200, {}, {"ETag": f'"{part or oid}"'})

    def complete(self, body: bytes, oid: str) -> None:
        parts = self.hub.parts.pop(oid, {})
        self.put(b"".join(parts[number["partNumber"]] for number in json.loads(body)["parts"]), oid)

    def verify(self, body: bytes) -> None:
        asked = json.loads(body)
        held = self.hub.objects.get(asked["oid"])
        self.reply(200 if held is not None and len(held) == asked["size"] else 404, {})

    def commit(self, body: bytes, kind: str, name: str, revision: str) -> None:
        repo = self.found(kind, name)
        if repo is None:
            return
        if not self.may_write(name):
            return self.reply(403, {"error": "forbidden"}, {"X-Error-Message": "no write access"})
        oid = repo.apply([json.loads(line) for line in body.splitlines()], self.hub.objects)
        if not oid:
            said = "A commit has happened since. Please refresh and try again."
            return self.reply(412, {"error": said}, {"X-Error-Message": said})
        return self.reply(
            200, {"success": True, "commitOid": oid, "commitUrl": f"{self.hub.address}/{name}/commit/{oid}"}
        )

    def tag(self, body: bytes, kind: str, name: str, revision: str) -> None:
        repo, asked = self.hub.repos[kind, name], json.loads(body)["tag"]
        if asked in repo.refs:
            return self.reply(409, {"error": "Tag reference exists already"})
        repo.refs[asked] = repo.refs.get(revision, revision)
        return self.reply(200, {})

    def untag(self, body: bytes, kind: str, name: str, revision: str) -> None:
        gone = self.hub.repos[kind, name].refs.pop(revision, None) is None
        self.reply(404 if gone else 200, {}, {"X-Error-Code": "RevisionNotFound"} if gone else None)

    def resolve(self, body: bytes, name: str, revision: str, path: str, prefix: str = "") -> None:
        kind = "dataset" if prefix else "model"
        if (repo := self.found(kind, name)) and (tree := self.tree_of(repo, revision)) is not None:
            about = {"X-Repo-Commit": repo.refs.get(revision, revision)}
            if path not in tree:
                return self.reply(404, {}, {"X-Error-Code": "EntryNotFound", **about})
            return self.reply(200, tree[path], {"ETag": f'"{git_oid(tree[path])}"', **about})
        return None

    def valid(self, body: bytes) -> None:
        self.reply(200, {"errors": [], "warnings": []})

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


REPO = r"/api/(?P<kind>model|dataset)s/(?P<name>[^/]+/[^/]+)"
FILES = r"/(?P<prefix>datasets/)?(?P<name>[^/]+/[^/]+)"
ROUTES: list[tuple[str, Callable[..., None]]] = [
    (r"GET /api/whoami-v2", Handler.whoami),
    (r"POST /api/repos/create", Handler.create),
    (r"POST /api/validate-yaml", Handler.valid),
    (rf"GET {REPO}/auth-check/write", Handler.check),
    (rf"GET {REPO}(/revision/(?P<revision>[^/]+))?", Handler.info),
    (rf"GET {REPO}/tree/(?P<revision>[^/]+)", Handler.listing),
    (rf"POST {REPO}/preupload/(?P<revision>[^/]+)", Handler.preupload),
    (rf"POST {REPO}/commit/(?P<revision>[^/]+)", Handler.commit),
    (rf"POST {REPO}/tag/(?P<revision>[^/]+)", Handler.tag),
    (rf"DELETE {REPO}/tag/(?P<revision>[^/]+)", Handler.untag),
    (rf"POST {FILES}\.git/info/lfs/objects/batch", Handler.batch),
    (rf"GET {FILES}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", Handler.resolve),
    (r"PUT /lfs-put/(?P<oid>\w+)", Handler.put),
    (r"PUT /lfs-part/(?P<oid>\w+)/(?P<part>\d+)", Handler.put),
    (r"POST /lfs-complete/(?P<oid>\w+)", Handler.complete),
    (r"POST /lfs-verify", Handler.verify),
]
