"""A Hub on this machine, and an environment with the base installation alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import tomllib
import venv
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from tests.quiet import QuietServer

TOKEN = "hf_plantedplantedplantedplantedplant"


class Hub(BaseHTTPRequestHandler):
    """Answers as the Hub does: the login by the token, access by the owner of the model."""

    def do_GET(self) -> None:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if self.path == "/api/whoami-v2":
            if token == "slow":
                time.sleep(8)
            status = 200 if token in (TOKEN, "slow") else int(token) if token.isdigit() else 401
            self.answer(status, {"name": "radiologist", "type": "user"})
        else:
            owner = self.path.split("/")[3]
            code = {"gated": "GatedRepo", "missing": "RepoNotFound"}.get(owner)
            self.answer({"gated": 403, "missing": 404, "busy": 503}.get(owner, 200), {}, code)

    def answer(self, status: int, body: object, code: str | None = None) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        if code:
            self.send_header("X-Error-Code", code)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="session")
def hub() -> Iterator[str]:
    """Address of the Hub."""
    server = QuietServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def closure(names: list[str]) -> dict[str, object]:
    """Distributions and all they need."""
    found, left = {}, list(names)
    while left:
        dist = distribution(left.pop())
        if dist.metadata["Name"] in found:
            continue
        found[dist.metadata["Name"]] = dist
        needs = map(Requirement, dist.requires or ())
        left += [one.name for one in needs if one.marker is None or one.marker.evaluate({"extra": ""})]
    return found


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """The Python of an environment without torch and everything that comes with it."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    base = tomllib.loads((repository / "pyproject.toml").read_text())["project"]["dependencies"]
    for dist in closure([Requirement(line).name for line in base]).values():
        for top in {file.parts[0] for file in dist.files if file.parts[0] not in ("..", "__pycache__")}:
            (site / top).symlink_to(dist.locate_file(top))
    about = site / "medft_bm-0.1.0.dist-info"
    about.mkdir()
    lines = ["Metadata-Version: 2.4", "Name: medft_bm", "Version: 0.1.0", "Requires-Python: >=3.11"]
    lines += [f"Requires-Dist: {name}" for name in base]
    lines += ["Provides-Extra: train", 'Requires-Dist: torch>=2.8; extra == "train"', ""]
    (about / "METADATA").write_text("\n".join(lines))
    (site / "here.pth").write_text(str(repository / "src"))
    return folder / "bin" / "python"


Doctor = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def doctor(repository: Path, hub: str, tmp_path: Path) -> Doctor:
    """``medft doctor`` in a process of its own, at home in an empty folder."""

    def run(*words: str, python: Path | str = sys.executable, **variables: str) -> subprocess.CompletedProcess[str]:
        home = {"HOME": str(tmp_path), "HF_ENDPOINT": hub, "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            [str(python), "-m", "medft_bm.cli.main", "doctor", *words],
            env={**home, **variables},
            cwd=repository,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hub: str) -> Path:
    """The variables of a fresh account that talks to the Hub on this machine."""
    for name in [name for name in os.environ if name.startswith(("HF_", "HUGGING", "WANDB_", "NETRC"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", hub)
    return tmp_path
