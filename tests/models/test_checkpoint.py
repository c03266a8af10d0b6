"""What goes wrong between a model's name and its settings."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from medft_bm.core.errors import ConfigError, DependencyError
from medft_bm.models import MODELS, load_model_family
from medft_bm.models.loading import load_image_text_model

SQUARE = {"size": {"height": 64, "width": 64}, "image_seq_length": 16}


def checkpoint(folder: Path, model_type: str = "gemma3", **files: object) -> str:
    for name, content in {"config": {"model_type": model_type}, "preprocessor_config": SQUARE, **files}.items():
        if content is not None:
            (folder / f"{name}.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return str(folder)


def test_the_family_is_found_by_the_model_type(tmp_path):
    assert load_model_family(checkpoint(tmp_path)).name == "gemma3"


def test_every_model_type_belongs_to_one_family():
    types = [known for name in MODELS.names() for known in MODELS.get(name).model_types]
    assert len(types) == len(set(types))


def test_the_newer_file_wins_where_both_layouts_are_present(tmp_path):
    newer = {"image_processor": {"size": {"height": 32, "width": 48}}, "image_seq_length": 4}
    view = load_model_family(checkpoint(tmp_path, processor_config=newer))
    assert (view.size.h, view.size.w, view.image_tokens) == (32, 48, 4)


def test_an_unknown_model_type_lists_the_known_ones(tmp_path):
    with pytest.raises(ConfigError, match=r"'llama'.*gemma3, qwen2_5_vl"):
        load_model_family(checkpoint(tmp_path, "llama"))


def test_a_family_that_does_not_fit_the_checkpoint_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="does not handle"):
        load_model_family(checkpoint(tmp_path), family="qwen2_5_vl")


def test_a_misspelt_family_gets_a_suggestion(tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'gemma3'"):
        load_model_family(checkpoint(tmp_path), family="gema3")


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "nowhere", "a/b/c"])
def test_a_folder_that_is_not_there_is_not_looked_up_on_the_hub(name):
    with pytest.raises(ConfigError, match="no model folder"):
        load_model_family(name)


def test_an_adapter_folder_is_not_a_base_model(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load_model_family(checkpoint(tmp_path, config=None, adapter_config={}))
    assert "adapter" in caught.value.fix


def test_an_adapter_beside_the_model_is_refused_because_it_would_be_injected(tmp_path):
    with pytest.raises(ConfigError, match=r"adapter_config\.json"):
        load_model_family(checkpoint(tmp_path, adapter_config={}))


def test_a_checkpoint_without_a_processor_says_how_to_get_one(tmp_path):
    with pytest.raises(ConfigError) as caught:
        load_model_family(checkpoint(tmp_path, preprocessor_config=None))
    assert "save_pretrained" in caught.value.fix


@pytest.mark.parametrize("content", ["{not json", "[1, 2]"])
def test_a_broken_file_is_named(tmp_path, content):
    with pytest.raises(ConfigError) as caught:
        load_model_family(checkpoint(tmp_path, config=content))
    assert caught.value.where.endswith("config.json")


def test_half_precision_with_a_short_exponent_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="float16"):
        load_image_text_model(checkpoint(tmp_path), revision=None, dtype="float16", attention="sdpa")


def test_an_attention_library_that_is_missing_is_a_missing_dependency(tmp_path):
    from medft_bm.models.tiny import build_tiny

    build_tiny("gemma3", tmp_path / "x", ["a"], seed=0, hidden=64, layers=(1, 1))
    with pytest.raises(DependencyError, match=r"(?i)flash"):
        load_image_text_model(str(tmp_path / "x"), revision=None, dtype="float32", attention="flash_attention_2")


class HubStub(BaseHTTPRequestHandler):
    """Answers as the Hub does for a gated, a missing and a present repository."""

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        _, _, repository, _, revision, name, *_ = [*self.path.split("?")[0].split("/"), "", ""]
        files = {"config.json": {"model_type": "gemma3"}, "preprocessor_config.json": SQUARE}
        if repository == "gated":
            return self.reply(403, {"X-Error-Code": "GatedRepo"})
        if repository != "open":
            return self.reply(401, {"X-Error-Code": "RepoNotFound"})
        if revision not in ("main", "v2"):
            return self.reply(404, {"X-Error-Code": "RevisionNotFound"})
        if name not in files:
            return self.reply(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": "c0ffee" * 6 + "c0ff"})
        content = json.dumps(files[name]).encode()
        headers = {"ETag": f'"{name}"', "X-Repo-Commit": "c0ffee" * 6 + "c0ff"}
        return self.reply(200, headers, content, body=body)

    def reply(self, status: int, headers: dict[str, str], content: bytes = b"", *, body: bool = False) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Iterator[None]:
    from huggingface_hub import constants

    server = ThreadingHTTPServer(("127.0.0.1", 0), HubStub)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    yield
    server.shutdown()
    server.server_close()


@pytest.mark.hub
def test_a_checkpoint_on_the_hub_is_read_without_its_weights(hub):
    assert load_model_family("some/open").name == "gemma3"
    assert load_model_family("some/open", revision="v2").name == "gemma3"


@pytest.mark.hub
def test_a_gated_model_names_the_page_to_visit(hub):
    with pytest.raises(ConfigError, match="gated") as caught:
        load_model_family("some/gated")
    assert "https://huggingface.co/some/gated" in caught.value.fix


@pytest.mark.hub
def test_a_missing_repository_is_neither_folder_nor_repository(hub):
    with pytest.raises(ConfigError, match="neither a folder here nor a repository"):
        load_model_family("some/thing")


@pytest.mark.hub
def test_a_missing_revision_is_named(hub):
    with pytest.raises(ConfigError, match="no revision 'v9'"):
        load_model_family("some/open", revision="v9")


def test_without_the_hub_the_message_says_so(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ConfigError, match="Hub cannot be reached"):
        load_model_family("some/open")


@pytest.mark.parametrize("name", ["-bad-/na me", "some/..name"])
def test_an_impossible_name_is_neither_folder_nor_repository(name):
    with pytest.raises(ConfigError, match="neither a folder here nor a repository"):
        load_model_family(name)
