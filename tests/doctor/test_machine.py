"""Cores, memory, folders: what a container or a job is given, and what may be written."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from medft_bm.config.load import load_config
from medft_bm.doctor.cgroups import Limits, read_limits
from medft_bm.doctor.machine import GIB, machine_findings, shared_memory
from medft_bm.doctor.places import hub_cache, place_findings, writable


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def test_the_tightest_group_of_the_new_kind_decides(tmp_path):
    write(tmp_path, {
        "own": "0::/slurm/job_7/step_0\n", "fs/cpu.max": "max 100000", "fs/slurm/job_7/cpu.max": "350000 100000",
        "fs/slurm/job_7/memory.max": str(12 * GIB), "fs/slurm/memory.max": str(500 * GIB),
        "fs/slurm/job_7/step_0/memory.max": "max",
    })  # fmt: skip

    assert read_limits(tmp_path / "fs", tmp_path / "own") == Limits(3.5, 12 * GIB)


def test_groups_of_the_old_kind_are_read_and_their_way_to_say_no_limit(tmp_path):
    write(tmp_path, {
        "own": "4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n1:name=systemd:/\n",
        # Inside a container the path of outside does not exist.
        "fs/memory/memory.limit_in_bytes": str(8 * GIB),
        "fs/cpu,cpuacct/cpu.cfs_quota_us": "150000", "fs/cpu,cpuacct/cpu.cfs_period_us": "100000",
    })  # fmt: skip
    assert read_limits(tmp_path / "fs", tmp_path / "own") == Limits(1.5, 8 * GIB)

    write(tmp_path, {"fs/memory/memory.limit_in_bytes": "9223372036854771712", "fs/cpu,cpuacct/cpu.cfs_quota_us": "-1"})
    assert read_limits(tmp_path / "fs", tmp_path / "own") == Limits(None, None)


def test_without_groups_there_are_no_limits(tmp_path):
    assert read_limits(tmp_path, tmp_path / "none") == Limits(None, None)


def test_a_quota_below_the_visible_cores_asks_for_fewer_threads(tmp_path):
    tight = Limits(0.5, 2 * GIB)

    found = {one.check: one for one in machine_findings(tight, None, loaders=2)}
    set_already = {one.check: one for one in machine_findings(tight, "1", loaders=2)}

    assert (found["cores"].state, found["cores"].fix) == ("warning", "export OMP_NUM_THREADS=1")
    assert set_already["cores"].state == "ok"
    assert found["memory"].state == "warning"
    assert found["memory"].found.startswith("2.0 GiB of ")


def test_the_shared_memory_of_a_plain_container_is_too_little_for_loaders():
    assert shared_memory(64 * 2**20, loaders=2).state == "warning"
    assert "--shm-size" in shared_memory(64 * 2**20, loaders=2).fix
    assert shared_memory(64 * 2**20, loaders=0).state == "ok"
    assert shared_memory(8 * GIB, loaders=2).state == "ok"


def test_a_folder_that_does_not_exist_yet_is_judged_by_where_it_would_be(tmp_path):
    found = writable("temporary files", tmp_path / "a" / "b")

    assert found.state in ("ok", "warning")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["file/below", "/proc/cache"])
def test_a_folder_that_cannot_be_written_is_a_problem_and_names_its_key(tmp_path, where):
    (tmp_path / "file").write_text("x")

    found = writable("cache", tmp_path / where)

    assert found.state == "problem"
    assert "cannot be written" in found.found
    assert "set data.cache" in found.fix


@pytest.mark.parametrize(("free", "state"), [(50, "ok"), (3, "warning"), (0.1, "problem")])
def test_little_room_is_a_warning_and_none_a_problem(tmp_path, monkeypatch, free, state):
    usage = namedtuple("usage", "total used free")(100 * GIB, 0, int(free * GIB))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)

    found = writable("cache", tmp_path)

    assert found.state == state
    assert f"{free:.1f} GiB free" in found.found


def test_the_cache_of_the_hub_is_where_its_client_puts_it(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert hub_cache({}) == tmp_path / ".cache/huggingface/hub"
    assert hub_cache({"XDG_CACHE_HOME": "/x"}) == Path("/x/huggingface/hub")
    assert hub_cache({"HF_HOME": "/h", "XDG_CACHE_HOME": "/x"}) == Path("/h/hub")
    assert hub_cache({"HF_HUB_CACHE": "/c", "HF_HOME": "/h"}) == Path("/c")


def test_raw_data_that_is_not_there_is_a_problem_and_phantoms_are_made(tmp_path, repository):
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    text = "data:\n  root: {root}\n  mix:\n"
    for name in ("gone", "empty", "full"):
        text += f"    - {{name: {name}, task: detection, source: nifti_masks, root: {name}}}\n"
    text += "    - {name: made, task: detection, source: phantom, source_options: {kind: volumes}}\n"
    (tmp_path / "mix.yaml").write_text(text.replace("{root}", str(tmp_path)) + "model: {name: x/y}\n")
    words = [f"data.cache={tmp_path / 'cache'}", f"run.folder={tmp_path / 'run'}"]

    found = list(place_findings(load_config(tmp_path / "mix.yaml", words, environ={}).config, {}))

    data = {one.check: one.state for one in found if one.check.startswith("data of")}
    assert data == {"data of gone": "problem", "data of empty": "problem", "data of full": "ok"}
    assert {"cache", "run folder"} < {one.check for one in found}
