"""What of a dataset is opened, on a disk and on the Hub, and what is refused."""

from __future__ import annotations

import io
import json
import shutil
import sys
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import datasets
import pytest
from tests.models.hub import COMMIT, Replies, in_place_of_the_hub
from tests.sources.small_datasets import image_folder, picture, table

from medft_bm.core.errors import DataError, DependencyError


def test_a_damaged_file_is_one_clear_error(read, tmp_path):
    table(4).to_parquet(tmp_path / "set.parquet")
    (tmp_path / "set.parquet").write_bytes((tmp_path / "set.parquet").read_bytes()[:-200])
    with pytest.raises(DataError, match="the dataset cannot be read"):
        read("hf_dataset", tmp_path, path="set.parquet")
    (tmp_path / "set.txt").write_text("x")
    with pytest.raises(DataError, match=r"set\.txt is not a file of a dataset"):
        read("hf_dataset", tmp_path, path="set.txt")


def test_formats_that_unpickle_and_scripts_are_refused(read, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(DataError, match="cannot be read"):
        read("hf_dataset", tmp_path, path="set")
    (tmp_path / "set" / "train.txt").write_text("one\n")
    with pytest.raises(DataError, match="text files, which are not read"):
        read("hf_dataset", tmp_path, path="set")
    shutil.rmtree(tmp_path / "set")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "set.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(DataError, match="cannot be read"):
        read("hf_dataset", tmp_path, path="set")
    assert not (tmp_path / "ran").exists()


def test_a_dataset_that_takes_in_files_from_elsewhere_is_refused(read, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "private.csv").write_text("image,label\na,b\n")
    (tmp_path / "set" / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files: ../private.csv\n---\n"
    )
    with pytest.raises(DataError, match=r"it takes in .*private\.csv, which is elsewhere"):
        read("hf_dataset", tmp_path, path="set")


def test_without_the_package_the_message_says_what_to_install(read, tmp_path, monkeypatch):
    table(2).save_to_disk(tmp_path / "set")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DependencyError, match="needs the package 'datasets'"):
        read("hf_dataset", tmp_path, path="set")


class HubStub(Replies):
    """Answers as the Hub does for one public dataset: its files, their list, and nothing about any other."""

    files: dict[str, bytes]

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        asked = json.loads(self.rfile.read(length))["paths"]
        self.reply_json([self.entry(name) for name in asked if name in self.files], body=True)

    def entry(self, name: str) -> dict[str, object]:
        return {"type": "file", "path": name, "size": len(self.files[name]), "oid": name.encode().hex()[:40]}

    def answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        start = "/api/datasets/some/open"
        if not path.startswith((start, "/datasets/some/open/")):
            return self.reply(401, {"X-Error-Code": "RepoNotFound"}, b"", body=body)
        if path in (start, f"{start}/revision/main", f"{start}/revision/{COMMIT}"):
            siblings = [{"rfilename": name} for name in self.files]
            return self.reply_json({"id": "some/open", "sha": COMMIT, "siblings": siblings}, body=body)
        if path.startswith(f"{start}/tree/"):
            return self.reply_json(self.tree(path.removeprefix(f"{start}/tree/{COMMIT}").strip("/")), body=body)
        _, found, name = path.partition(f"/resolve/{COMMIT}/")
        if not found or name not in self.files:
            return self.reply(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}, b"", body=body)
        return self.reply(
            200, {"ETag": f'"{name.encode().hex()}"', "X-Repo-Commit": COMMIT}, self.files[name], body=body
        )

    def tree(self, folder: str) -> list[dict[str, object]]:
        below = f"{folder}/" if folder else ""
        inside = [name.removeprefix(below) for name in self.files if name.startswith(below)]
        folders = sorted({name.split("/")[0] for name in inside if "/" in name})
        deep = "recursive=True" in self.path or "recursive=true" in self.path
        found = [self.entry(below + name) for name in inside if deep or "/" not in name]
        return found + [{"type": "directory", "path": below + name, "oid": "0" * 40} for name in folders]

    def reply_json(self, content: object, *, body: bool) -> None:
        self.reply(200, {"Content-Type": "application/json"}, json.dumps(content).encode(), body=body)


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Iterator[dict[str, bytes]]:
    """The files of the one repository, ``some/open``."""
    from huggingface_hub import HfFileSystem

    server = ThreadingHTTPServer(("127.0.0.1", 0), HubStub)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    in_place_of_the_hub(monkeypatch, address, tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", address)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    HfFileSystem.clear_instance_cache()
    monkeypatch.setattr(HubStub, "files", {}, raising=False)
    yield HubStub.files
    HfFileSystem.clear_instance_cache()
    server.shutdown()
    server.server_close()


def parquet(dataset: datasets.Dataset) -> bytes:
    file = io.BytesIO()
    dataset.to_parquet(file)
    return file.getvalue()


@pytest.mark.hub
def test_a_dataset_on_the_hub_is_fetched_once(read, hub, tmp_path):
    hub["data/train-00000-of-00001.parquet"] = parquet(table(4))
    hub["data/test-00000-of-00001.parquet"] = parquet(table(2, 4))
    records = read("hf_dataset", tmp_path / "new", repo_id="some/open", subject_column="patient")
    assert [record.split for record in records] == ["train"] * 4 + ["test"] * 2
    assert [(tmp_path / "new" / r.image.path).read_bytes() for r in records] == [picture(n) for n in range(6)]
    hub.clear()
    again = read("hf_dataset", tmp_path / "new", repo_id="some/open", subject_column="patient")
    assert [record.image for record in again] == [record.image for record in records]


@pytest.mark.hub
def test_an_image_folder_on_the_hub_is_copied_with_its_configuration(read, hub, tmp_path):
    image_folder(tmp_path / "raw")
    for path in (tmp_path / "raw").rglob("*.*"):
        hub[path.relative_to(tmp_path / "raw").as_posix()] = path.read_bytes()
    hub["README.md"] = (
        b"---\nconfigs:\n- config_name: grades\n  data_files:\n  - split: train\n    path: train/*\n---\n"
    )
    (tmp_path / "new").mkdir()
    records = read("hf_dataset", tmp_path / "new", repo_id="some/open", config_name="grades", label_column="grade")
    assert [(tmp_path / "new" / r.image.path).read_bytes() for r in records] == [picture(0), picture(1)]


@pytest.mark.hub
def test_what_the_hub_does_not_have_is_one_clear_error(read, hub, tmp_path):
    with pytest.raises(DataError, match="cannot be read") as caught:
        read("hf_dataset", tmp_path, repo_id="some/closed")
    assert caught.value.where == "dataset some/closed on the Hub"
    hub["train.txt"] = b"one"
    with pytest.raises(DataError, match="text files, which are not read"):
        read("hf_dataset", tmp_path, repo_id="some/open")
