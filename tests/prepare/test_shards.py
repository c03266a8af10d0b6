from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from medft_bm.prepare.shards import build_shards, discard, presence, shard_folder

SIZES = [2, 1, 3, 2, 1, 2]


def note(number: int, folder: Path) -> Iterator[None]:
    """Write who built the shard, slowly enough for others to come by."""
    for unit in range(SIZES[number]):
        time.sleep(0.02)
        (folder / f"{unit}").write_text(str(os.getpid()))
        yield


def build(work: Path) -> None:
    for _ in build_shards(work, SIZES, note):
        pass


def stick(work: Path) -> None:
    def forever(number: int, folder: Path) -> Iterator[None]:
        (folder / "half").write_text("")
        if number == 1:
            time.sleep(60)
        yield

    for _ in build_shards(work, SIZES, forever):
        pass


def spawn(target, *args) -> multiprocessing.Process:
    process = multiprocessing.get_context("spawn").Process(target=target, args=args)
    process.start()
    return process


def test_every_unit_is_told_of_once_whether_it_was_there_or_not(tmp_path):
    assert len(list(build_shards(tmp_path, SIZES, note))) == sum(SIZES)
    assert len(list(build_shards(tmp_path, SIZES, stop))) == sum(SIZES)


def stop(number: int, folder: Path) -> Iterator[None]:
    raise AssertionError(f"shard {number} is built again")
    yield


def test_processes_share_the_work_and_all_see_all_of_it(tmp_path):
    processes = [spawn(build, tmp_path) for _ in range(4)]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    for number, size in enumerate(SIZES):
        shard = shard_folder(tmp_path, number)
        assert sorted(path.name for path in shard.iterdir()) == [str(unit) for unit in range(size)]
        assert len({path.read_text() for path in shard.iterdir()}) == 1  # one process built all of it


def test_what_a_killed_process_finished_is_kept_and_the_rest_is_built(tmp_path):
    process = spawn(stick, tmp_path)
    deadline = time.monotonic() + 30
    while not list(tmp_path.glob(".00001.*.draft/half")):
        assert time.monotonic() < deadline, "the second shard never started"
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    list(build_shards(tmp_path, SIZES, note))
    assert [path.name for path in shard_folder(tmp_path, 0).iterdir()] == ["half"]  # not built again
    assert sorted(path.name for path in shard_folder(tmp_path, 1).iterdir()) == ["0"]  # nothing left of the draft


def test_a_shard_that_fails_leaves_nothing_and_can_be_tried_again(tmp_path):
    def fail(number: int, folder: Path) -> Iterator[None]:
        (folder / "half").write_text("")
        raise OSError("disk full")
        yield

    with pytest.raises(OSError, match="disk full"):
        list(build_shards(tmp_path, SIZES, fail))
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []
    assert len(list(build_shards(tmp_path, SIZES, note))) == sum(SIZES)


def test_work_that_somebody_is_in_is_not_taken_away(tmp_path):
    work = tmp_path / "work"

    with presence(work):
        build(work)
        discard(work)  # by a process that was faster
        assert shard_folder(work, 0).is_dir()
    discard(work)

    assert list(tmp_path.iterdir()) == []
