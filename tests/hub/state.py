"""What the test's Hub holds, and what goes wrong with it."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any

PART = 1 << 16
"""Bytes of a part of what is large; and a file above it goes by LFS."""
WRITER: dict[str, Any] = {
    "type": "user",
    "name": "me",
    "orgs": [{"type": "org", "name": "lab"}],
    "auth": {"type": "access_token", "accessToken": {"displayName": "test", "role": "write"}},
}


@dataclass
class Repo:
    """Commits are whole trees: name to content."""

    private: bool
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    messages: dict[str, str] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    large: set[bytes] = field(default_factory=set)

    def commit(self, tree: dict[str, bytes], message: str) -> str:
        oid = hashlib.sha1(f"{len(self.commits)}{message}".encode()).hexdigest()
        self.commits[oid], self.messages[oid], self.refs["main"] = tree, message, oid
        return oid

    def apply(self, lines: list[dict[str, Any]], objects: dict[str, bytes]) -> str:
        """Make the commit of a request; empty, as the Hub refuses it, where its parent is no longer the last one."""
        header, *changes = [line["value"] | {"key": line["key"]} for line in lines]
        if header.get("parentCommit", self.refs["main"]) != self.refs["main"]:
            return ""
        tree = dict(self.tree() or {})
        for change in changes:
            match change["key"]:
                case "file":
                    tree[change["path"]] = base64.b64decode(change["content"])
                case "lfsFile":
                    tree[change["path"]] = objects[change["oid"]]
                    self.large.add(tree[change["path"]])
                case "deletedFile":
                    del tree[change["path"]]
        return self.commit(tree, header["summary"])

    def tree(self, revision: str = "main") -> dict[str, bytes] | None:
        return self.commits.get(self.refs.get(revision, revision))

    def upload_mode(self, asked: dict[str, Any]) -> dict[str, Any]:
        mode = "lfs" if asked["path"].endswith((".safetensors", ".arrow")) or asked["size"] > PART else "regular"
        found = {"path": asked["path"], "uploadMode": mode, "shouldIgnore": False}
        content = (self.tree() or {}).get(asked["path"])
        if content is not None:
            found["oid"] = hashlib.sha256(content).hexdigest() if content in self.large else git_oid(content)
        return found


@dataclass
class Fault:
    """What goes wrong, and how often.

    Attributes:
        on: pattern of ``METHOD /path``.
        status: of the answer; 0 cuts the connection in the middle of the request's body.
        times: that many matching requests fail.
        slow_s: waits before it answers, instead of failing when ``status`` is 200.
    """

    on: str
    status: int
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict)
    slow_s: float = 0.0


def git_oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def entry(path: str, content: bytes, large: bool) -> dict[str, Any]:
    found = {"type": "file", "path": path, "size": len(content), "oid": git_oid(content)}
    if large:
        found["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
    return found


def may_write(who: dict[str, Any], name: str, *, new: bool) -> bool:
    """Whether an account's token may write to a repository; ``new``: one that is not there yet."""
    token, space = who["auth"]["accessToken"], name.partition("/")[0]
    if space not in [who["name"], *(one["name"] for one in who["orgs"])] or token["role"] == "read":
        return False
    scopes = token.get("fineGrained", {}).get("scoped", [])
    places = {one["entity"]["name"] for one in scopes if "repo.write" in one["permissions"]}
    return token["role"] == "write" or bool(places & ({space} if new else {space, name}))
