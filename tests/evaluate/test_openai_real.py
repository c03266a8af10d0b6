"""`transformers serve`, a real server, says what the same checkpoint says in this process."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from medft_bm.config.evaluation import Server
from medft_bm.evaluate.backends.connection import connect
from medft_bm.evaluate.backends.transformers import Transformers
from medft_bm.evaluate.generate import generate_replies
from medft_bm.evaluate.questions import question_of, shot_of

BUDGET = 6
START = 120
"""Seconds that the server may take to import torch on a busy machine."""


@dataclass(frozen=True)
class Serving:
    """A server that loads any checkpoint folder that it is asked for."""

    address: str

    def options(self, checkpoint: Path, **options: object) -> Server:
        return Server(url=f"{self.address}/v1", model=str(checkpoint), concurrency=4, retries=1, **options)

    def forget(self) -> None:
        """Drop the models in memory, as a restart would."""
        urllib.request.urlopen(urllib.request.Request(f"{self.address}/reset", method="POST"), timeout=60).read()


@pytest.fixture(scope="session")
def serving(tmp_path_factory) -> Iterator[Serving]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("serving") / "log"
    command = [Path(sys.executable).with_name("transformers"), "serve", "--device", "cpu", "--dtype", "float32"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            stdout=output, stderr=output, env=environment,
        )  # fmt: skip
    try:
        wait_for(f"http://127.0.0.1:{port}", process, log)
        yield Serving(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/health", timeout=5).read()
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"transformers serve does not answer:\n{log.read_text()[-2000:]}")


@pytest.fixture(scope="module", params=["checkpoint", "qwen_checkpoint"])
def folder(request, load, tmp_path_factory) -> Path:
    """A checkpoint whose replies depend on all of its input; an untrained one repeats a token whatever it sees."""
    import torch

    loaded = load(request.getfixturevalue(request.param))
    with torch.no_grad():
        for name, weights in loaded.model.named_parameters():
            if "embed" not in name and "norm" not in name:
                weights.mul_(8)
    folder = tmp_path_factory.mktemp("restless") / request.param
    loaded.model.save_pretrained(folder)
    loaded.processor.save_pretrained(folder)
    return folder


@pytest.fixture
def asked(items):
    """Questions about images of several sizes; the last one shows an example first, after a system turn."""
    chosen = items[::4][:5]
    plain = [question_of(item) for item in chosen]
    assert len({item.image.size for item in chosen}) > 1
    return [*plain[:-1], replace(plain[-1], shots=(shot_of(items[1]),), system="Be exact.")]


def test_replies_through_a_server_are_those_of_the_model_itself(serving, folder, asked, load):
    here = [Transformers(load(folder), BUDGET, 1).ask([question])[0] for question in asked]
    backend = connect(serving.options(folder), BUDGET)
    there = backend.ask(asked)

    # The server decodes with its own clean-up of blanks around a reply.
    assert [one.text.strip() for one in there] == [one.text.strip() for one in here]
    assert len({one.text for one in here}) > 2
    assert [one.tokens for one in there] == [one.tokens for one in here]
    assert backend.about()["used"]["tokens_out"] == sum(one.tokens for one in here)


@pytest.mark.parametrize("folder", ["checkpoint"], indirect=True)
def test_replies_of_a_checkpoint_that_was_trained_on_in_place_are_not_reused(serving, folder, asked, load, tmp_path):
    import torch

    place = tmp_path / "merged"
    shutil.copytree(folder, place)

    def ask():
        backend = connect(serving.options(place), BUDGET)
        return generate_replies(backend, asked, out=tmp_path / "out", data="data-1"), backend.about()["used"]["replies"]

    before, _ = ask()
    again, checks = ask()
    assert again == before
    assert checks == len({reply.text for reply in before})

    loaded = load(place)
    with torch.no_grad():
        for name, weights in loaded.model.named_parameters():
            if "language_model.layers.0" in name and "norm" not in name:
                weights.neg_()
    loaded.model.save_pretrained(place)
    serving.forget()

    after, _ = ask()
    assert after != before
    assert [one.text for one in after] == [one.text for one in connect(serving.options(place), BUDGET).ask(asked)]
