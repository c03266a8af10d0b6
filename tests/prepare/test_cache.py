from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from medft_bm.core.errors import DataError
from medft_bm.prepare.cache import cached, read_manifest
from medft_bm.prepare.shards import build_shards


def _slow(folder: Path) -> dict:
    (folder / "part").write_text("half")
    time.sleep(0.3)
    (folder / "rest").write_text(f"{os.getpid()}")
    return {"built": True}


def _build(cache: Path) -> None:
    cached(cache, "kind", {"a": 1}, _slow)


def _forever(folder: Path) -> dict:
    (folder / "part").write_text("half")
    time.sleep(60)
    return {}


def _stuck(cache: Path) -> None:
    cached(cache, "kind", {"a": 1}, _forever)


def entries(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "kind").iterdir() if not path.name.endswith(".lock"))


def test_it_builds_once_and_then_reuses(tmp_path):
    folder = cached(tmp_path, "kind", {"a": 1}, _slow)
    written = (folder / "rest").stat().st_mtime_ns
    assert cached(tmp_path, "kind", {"a": 1}, _slow) == folder
    assert (folder / "rest").stat().st_mtime_ns == written
    assert read_manifest(folder)["built"] is True


def nested(folder: Path) -> dict:
    (folder / "part").write_text("half")
    (folder / "inner").mkdir()
    (folder / "inner" / "rest").write_text("rest")
    return {}


def shard(number: int, folder: Path) -> Iterator[None]:
    yield nested(folder)


@pytest.mark.parametrize(
    "make",
    [
        lambda cache: cached(cache, "kind", {"a": 1}, nested),
        lambda cache: list(build_shards(cache, [1], shard)) and cache / "00000",
    ],
)
def test_everything_is_on_disk_before_it_gets_its_name(tmp_path, monkeypatch, make):
    """A power failure keeps what was flushed; what is renamed before may be there without its content."""
    flushed, named = [], []
    fsync, rename = os.fsync, Path.rename
    monkeypatch.setattr(os, "fsync", lambda file: flushed.append(os.fstat(file).st_ino) or fsync(file))
    monkeypatch.setattr(Path, "rename", lambda *to: named.append(list(flushed)) or rename(*to))

    folder = make(tmp_path)

    (before,) = named
    assert {path.stat().st_ino for path in (folder, *folder.rglob("*"))} <= set(before)
    assert len(list(folder.rglob("*"))) >= 3


def test_another_fact_is_another_folder(tmp_path):
    assert cached(tmp_path, "kind", {"a": 1}, _slow) != cached(tmp_path, "kind", {"a": 2}, _slow)


def test_a_failing_build_leaves_nothing(tmp_path):
    def fail(folder: Path) -> dict:
        (folder / "part").write_text("half")
        raise DataError("broken")

    with pytest.raises(DataError, match="broken"):
        cached(tmp_path, "kind", {"a": 1}, fail)
    assert entries(tmp_path) == []


def test_a_killed_build_is_taken_over(tmp_path):
    process = multiprocessing.get_context("spawn").Process(target=_stuck, args=(tmp_path,))
    process.start()
    deadline = time.monotonic() + 30
    while not list(tmp_path.glob("kind/.*.draft/part")):
        assert time.monotonic() < deadline, "the build never started"
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    folder = cached(tmp_path, "kind", {"a": 1}, _slow)
    assert entries(tmp_path) == [folder.name]
    assert (folder / "rest").is_file()


def test_processes_that_want_the_same_entry_build_it_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_build, args=(tmp_path,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert len(entries(tmp_path)) == 1


def test_a_cache_that_cannot_be_written_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="the cache cannot be written") as caught:
        cached(tmp_path / "file", "kind", {"a": 1}, _slow)
    assert "data.cache" in caught.value.fix
