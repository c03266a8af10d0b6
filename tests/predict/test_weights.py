"""What a user means by a model; nothing heavy is loaded."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from tests.models.hub import HubStub, in_place_of_the_hub

from medft_bm.core.errors import ConfigError
from medft_bm.models.pixels import Pixels
from medft_bm.predict.weights import find_weights

BASE = "script/demo/base/qwen2_5_vl"


@pytest.fixture(autouse=True)
def _here(repository, monkeypatch):
    monkeypatch.chdir(repository)


@pytest.fixture
def run(tmp_path) -> Path:
    mix = [{"task": "detection", "source": "phantom", "source_options": {"kind": "volumes"}}]
    config = {"data": {"mix": mix}, "model": {"name": BASE, "max_pixels": 6272, "dtype": "float32"}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    return tmp_path


def test_a_run_offers_its_merged_weights_first_then_the_adapter(run):
    with pytest.raises(ConfigError, match="these weights are not there"):
        find_weights(str(run))
    (run / "adapter").mkdir()
    adapter = find_weights(str(run))
    assert (adapter.model, adapter.adapter, adapter.pixels) == (BASE, run / "adapter", Pixels(None, 6272))
    assert adapter.bound().cells.max_pixels == 6272
    (run / "merged").mkdir()
    assert find_weights(str(run)).model == str(run / "merged")
    assert find_weights(str(run)).pixels is None  # the processor that was saved with them has it
    assert find_weights(str(run), "adapter") == adapter
    assert find_weights(str(run), "base").adapter is None
    assert find_weights(str(run), "base").dtype == "float32"


def test_weights_in_a_run_folder_are_of_that_run(run):
    (run / "adapter").mkdir()
    assert find_weights(str(run / "adapter")) == find_weights(str(run))


def test_what_a_run_or_folder_would_not_hear_is_refused(run):
    (run / "adapter").mkdir()
    with pytest.raises(ConfigError, match="names its own base"):
        find_weights(str(run), base=BASE)
    with pytest.raises(ConfigError, match="no revisions"):
        find_weights(str(run / "adapter"), revision="main")


def test_an_adapter_alone_names_its_base_and_its_pixel_budget(tmp_path):
    about = {"base_model_name_or_path": BASE, "revision": "v2"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(about))
    found = find_weights(str(tmp_path))
    assert (found.model, found.revision, found.adapter, found.pixels) == (BASE, "v2", tmp_path, None)

    size = {"shortest_edge": 3136, "longest_edge": 6272}
    (tmp_path / "processor_config.json").write_text(json.dumps({"image_processor": {"size": size}}))
    assert find_weights(str(tmp_path)).bound().cells.max_pixels == 6272
    other = find_weights(str(tmp_path), base="script/demo/base/gemma3")
    assert (other.model, other.revision) == ("script/demo/base/gemma3", None)


def test_a_whole_model_is_taken_as_it_is():
    assert find_weights(BASE).model == BASE
    assert find_weights(BASE).bound().name == "qwen2_5_vl"


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"which": "merged"}, "only a run folder"),
        ({"base": "other/model"}, "no adapter"),
    ],
)
def test_a_choice_that_goes_with_another_model_is_refused(choice, said):
    with pytest.raises(ConfigError, match=said):
        find_weights(BASE, **choice)


def test_an_adapter_without_a_base_asks_for_it(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(ConfigError, match="which model it belongs to"):
        find_weights(str(tmp_path))
    with pytest.raises(ConfigError, match="no model folder"):
        find_weights(str(tmp_path / "nothing"))


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Iterator[Path]:
    """A server on this machine in place of the Hub; the folder is what its repository some/open holds."""
    folder = tmp_path / "some-open"
    folder.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (HubStub,), {"folder": folder}))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    in_place_of_the_hub(monkeypatch, address, tmp_path / "cache")
    yield folder
    server.shutdown()
    server.server_close()


@pytest.mark.hub
def test_an_adapter_on_the_hub_is_fetched_without_what_else_lies_beside_it(hub):
    (hub / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": BASE}))
    (hub / "adapter_model.safetensors").write_bytes(b"weights")
    (hub / "optimizer.pt").write_bytes(b"a pickle")

    found = find_weights("some/open", revision="v2")

    assert (found.model, found.revision) == (BASE, None)
    assert sorted(path.name for path in found.adapter.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]


@pytest.mark.hub
def test_a_model_of_the_hub_that_is_here_already_needs_no_network(hub, monkeypatch):
    from huggingface_hub import constants

    for name in ("config.json", "processor_config.json"):
        shutil.copy(Path(BASE) / name, hub)
    assert find_weights("some/open").bound().name == "qwen2_5_vl"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert find_weights("some/open").bound().name == "qwen2_5_vl"
    with pytest.raises(ConfigError, match="Hub cannot be reached"):
        find_weights("some/other")
