"""Models on the Hub: what is said when they cannot be had, while settings are read and while weights are loaded."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.models.hub import HubStub, in_place_of_the_hub

from medft_bm.core.errors import ConfigError
from medft_bm.models import load_model_family
from medft_bm.models.loading import load_image_text_model
from medft_bm.models.tiny import build_tiny

pytestmark = pytest.mark.hub


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("hub") / "model"
    build_tiny("gemma3", path, ["How long? 12 mm"], seed=0, hidden=32, layers=(1, 1), heads=2)
    return path


@pytest.fixture(scope="module")
def address(folder) -> Iterator[str]:
    """One for all tests: huggingface_hub remembers the first one it talked to."""
    handler = type("Handler", (HubStub,), {"folder": folder})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def hub(address, tmp_path, monkeypatch) -> None:
    in_place_of_the_hub(monkeypatch, address, tmp_path / "cache")


def family(name: str, revision: str | None = None) -> object:
    return load_model_family(name, revision=revision)


def weights(name: str, revision: str | None = None) -> object:
    return load_image_text_model(name, revision=revision, dtype="float32", attention="sdpa")


def test_a_checkpoint_on_the_hub_is_read_without_its_weights(hub, tmp_path):
    assert family("some/open").name == "gemma3"
    assert family("some/open", "v2").name == "gemma3"
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


def test_a_checkpoint_on_the_hub_loads(hub):
    loaded = weights("some/open", "v2")
    assert loaded.model.config.model_type == "gemma3"
    assert loaded.processor.chat_template


@pytest.mark.parametrize("read", [family, weights])
@pytest.mark.parametrize(
    ("name", "revision", "what", "where", "fix"),
    [
        ("some/gated", None, "some/gated is gated", "model.name", "https://huggingface.co/some/gated"),
        ("some/thing", None, "neither a folder here nor a repository", "model.name", "spelling"),
        ("some/open", "v9", "some/open has no revision 'v9'", "model.revision", "some/open/commits"),
    ],
)
def test_what_cannot_be_had_says_why_and_what_to_do(hub, read, name, revision, what, where, fix):
    with pytest.raises(ConfigError, match=what) as caught:
        read(name, revision)
    assert caught.value.where == where
    assert fix in caught.value.fix


def test_gated_weights_behind_open_settings_name_the_page_to_visit(hub):
    assert family("some/half").name == "gemma3"
    with pytest.raises(ConfigError, match="some/half is gated") as caught:
        weights("some/half")
    assert "https://huggingface.co/some/half" in caught.value.fix


@pytest.mark.parametrize("read", [family, weights])
def test_without_the_hub_the_message_says_so(tmp_path, monkeypatch, read):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ConfigError, match="Hub cannot be reached"):
        read("some/open")


def test_offline_with_a_part_of_the_model_says_so(hub, monkeypatch):
    from huggingface_hub import constants
    from transformers import AutoProcessor

    family("some/open")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert family("some/open").name == "gemma3"
    with pytest.raises(ConfigError) as caught:  # transformers goes on without a tokenizer, and fails at something else
        weights("some/open")
    assert "HF_HUB_OFFLINE" in caught.value.fix

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    AutoProcessor.from_pretrained("some/open")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError) as caught:
        weights("some/open")
    assert "HF_HUB_OFFLINE" in caught.value.fix


def test_damaged_weights_are_not_blamed_on_the_hub(folder, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / "model.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(ConfigError, match="transformers cannot load the model"):
        weights(str(broken))
