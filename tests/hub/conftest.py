"""A local Hub that the installed client talks to, and small folders to push."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from tests.hub.server import Hub

from medft_bm.config.schema import Config

TOKEN = "hf_secret"


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A finished run of a tiny model; tests that change it take a copy."""
    from tests.hub.made import make_run  # torch, and most tests here need none

    return make_run(tmp_path_factory.mktemp("made"))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with Hub() as server:
        server.only(monkeypatch, tmp_path / "home")
        yield server


@pytest.fixture
def logged_in(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Hub:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    return hub


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """A checkpoint's folder with an adapter, and all that must stay here."""
    return write_adapter(tmp_path / "run" / "checkpoints" / "checkpoint-2")


def write_adapter(folder: Path, seed: int = 0) -> Path:
    folder.mkdir(parents=True)
    weights = np.random.default_rng(seed).normal(size=(300, 200)).astype(np.float32)  # three parts and a bit
    save_file({"base_model.lora_A.weight": weights}, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    (folder / "tokenizer.json").write_text("{}")
    for name in ("optimizer.pt", "rng_state.pth", "trainer_state.json", "training_args.bin", "complete.json"):
        (folder / name).write_text("PRIVATE")
    (folder / "logs").mkdir()
    (folder / "logs" / "events.out.tfevents").write_text("PRIVATE")
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def until(true: Callable[[], object]) -> None:
    for _ in range(600):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it never came")


@contextmanager
def full_disk() -> Iterator[None]:
    """No file may grow beyond a few bytes, as where none are left."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., Config]:
    def made(run: str = "run", method: str = "lora", **hub: Any) -> Config:
        return Config.model_validate(
            {
                "data": {"mix": [{"task": "detection", "source": "phantom"}]},
                "model": {"name": "some/base"},
                "train": {"method": method},
                "run": {"folder": str(tmp_path / run)},
                "hub": hub,
            }
        )

    return made
