"""Preparing while processes are killed, disks fill up and others want the same: real processes, real files."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from .children import Children, Done
from .conftest import mix


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder that every user can get into."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="module")
def children(place: Path, repository: Path) -> Iterator[Children]:
    (place / "children").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(repository))
        yield Children(place / "children")


@pytest.fixture(scope="module")
def config(place: Path, repository: Path) -> Path:
    """A mix of phantoms whose raw files are there before anything is interrupted."""
    path = place / "mix.yaml"
    data = {"root": str(place / "raw"), "mix": mix(6), "split": {"validation": 0.2, "test": 0.3}}
    path.write_text(yaml.safe_dump({"data": data, "model": {"name": str(repository / "script/demo/base/gemma3")}}))
    return path


@pytest.fixture(scope="module")
def undisturbed(children: Children, config: Path, place: Path) -> tuple[Path, Done]:
    """A cache in which the mix was prepared by one process, and what that process did."""
    assert children(config, f"data.cache={place}/first/cache", "prepare.workers=1").code == 0  # it draws the phantoms
    cache = place / "undisturbed" / "cache"
    cache.parent.mkdir()
    return cache, children(config, f"data.cache={cache}", "prepare.workers=1")


def entries(cache: Path) -> dict[str, bytes]:
    """The content of every file of the entries, by relative path."""
    found = {
        str(path.relative_to(cache)): path.read_bytes()
        for kind in ("samples", "prepared")
        for path in (cache / kind).glob("[!.]*/**/*")
        if path.is_file()
    }
    # The package `datasets` writes the time of the files into these, as a hash.
    return {name: b"" if name.endswith("/state.json") else content for name, content in found.items()}


def same(cache: Path, undisturbed: Path) -> bool:
    """Whether a cache holds the same bytes as one that was made in peace, and nothing else but empty locks."""
    made = entries(cache)
    others = [path for path in cache.rglob("*") if path.is_file() and str(path.relative_to(cache)) not in made]
    assert [path for path in others if path.suffix != ".lock" or path.stat().st_size] == []
    assert list((cache / "shards").iterdir()) == []
    assert not list(cache.glob("*/.*.draft"))
    return made == entries(undisturbed)


def killed(children: Children, config: Path, cache: Path, undisturbed: Path, **how: object) -> None:
    """Kill a preparation; what it leaves must be nothing or whole, and the same command must finish it."""
    words = (config, f"data.cache={cache}", f"prepare.workers={how.pop('workers', 1)}")
    assert children(*words, **how).code == -signal.SIGKILL
    whole = entries(undisturbed)
    left = entries(cache)
    assert left.items() <= whole.items()
    for kind in {name.split("/")[0] for name in left}:
        assert {name for name in left if name.startswith(kind)} == {name for name in whole if name.startswith(kind)}

    again = children(*words)

    assert again.code == 0
    assert again.out.splitlines()[-1] == str(next((cache / "prepared").glob("[!.]*")))
    assert same(cache, undisturbed)


@pytest.mark.parametrize("quarters", range(5))
def test_a_preparation_that_is_killed_at_any_moment_is_finished_by_the_next(
    quarters, children, config, undisturbed, tmp_path
):
    calm, done = undisturbed
    moment = 1 + quarters * (len(done.touched) - 1) // 4

    killed(children, config, tmp_path / "cache", calm, die_at=moment)


@pytest.mark.parametrize("offset", [0, 1], ids=["before", "after"])
@pytest.mark.parametrize("renamed", ["/index/00000", "/images/00001", "/samples/", ".gone", "/prepared/"])
def test_a_preparation_that_is_killed_beside_a_rename_is_finished_by_the_next(
    renamed, offset, children, config, undisturbed, tmp_path
):
    calm, done = undisturbed
    moments = [n for n, (event, _, to) in enumerate(done.touched, 1) if event == "os.rename" and renamed in to]

    killed(children, config, tmp_path / "cache", calm, die_at=moments[0] + offset)


def test_a_preparation_that_is_killed_with_its_workers_is_finished_by_the_next(children, config, undisturbed, tmp_path):
    calm, done = undisturbed
    moments = [n for n, (event, _, to) in enumerate(done.touched, 1) if event == "os.rename" and "/index/00002" in to]

    killed(children, config, tmp_path / "cache", calm, die_at=moments[0], workers=2)


def alive(group: int) -> bool:
    """Whether anybody is left of a group of processes."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_workers_end_when_the_process_that_started_them_is_killed(children, config, undisturbed, tmp_path):
    moment = next(n for n, (event, *_) in enumerate(undisturbed[1].touched, 1) if event == "os.rename")

    done = children(config, f"data.cache={tmp_path}/cache", "prepare.workers=2", die_at=moment, spare_workers=True)

    assert done.code == -signal.SIGKILL
    deadline = time.monotonic() + 60
    while alive(done.group):
        assert time.monotonic() < deadline, "a worker lives on"
        time.sleep(0.05)


def test_eight_processes_that_want_the_same_build_it_once(children, config, undisturbed, tmp_path):
    cache = tmp_path / "cache"

    many = children.together(8, config, f"data.cache={cache}", "prepare.workers=1")

    assert [done.code for done in many] == [0] * 8
    assert len({done.out for done in many}) == 1
    assert same(cache, undisturbed[0])
    made = Counter(
        Path(path).name.split(".")[1] + "/" + Path(path).parent.name
        for done in many
        for event, path, _ in done.touched
        if event == "os.mkdir" and path.endswith(".draft") and "/shards/" in path
    )
    shards = [
        to for event, _, to in undisturbed[1].touched if event == "os.rename" and "/shards/" in to and "gone" not in to
    ]
    assert len(shards) > 8
    assert made == {f"{Path(to).name}/{Path(to).parent.name}": 1 for to in shards}


@pytest.mark.parametrize("stage", ["index", "images", "samples", "prepared"])
def test_a_full_disk_is_one_message_and_loses_nothing(stage, children, config, undisturbed, tmp_path):
    """A limit on the size of one file stands for the disk: what comes later needs larger files."""
    calm, _ = undisturbed
    cache = tmp_path / "cache"
    pictures = [path.stat().st_size for path in calm.glob("samples/*/images/*")]
    largest = {
        "index": 500,
        "images": max(pictures) - 1,
        "samples": max(path.stat().st_size for path in calm.glob("samples/*/samples.jsonl")) - 1,
        "prepared": max(path.stat().st_size for path in calm.glob("prepared/*/train/*.arrow")) - 1,
    }
    assert list(largest.values()) == sorted(largest.values())

    full = children(config, f"data.cache={cache}", "prepare.workers=1", largest=largest[stage])

    assert full.code == 4
    assert full.err.splitlines()[-3].startswith("medft: the cache cannot be written: ")
    assert full.err.splitlines()[-1].startswith("  fix: free some space")
    assert "Traceback" not in full.err
    assert {name.split("/")[0] for name in entries(cache)} == ({"samples"} if stage == "prepared" else set())
    reached = {path.name for path in cache.glob("shards/*/*") if path.is_dir()} | {
        path.name for path in cache.iterdir()
    }
    stages = ["shards", *largest]
    assert reached == set(stages[: stages.index(stage) + 1]) - ({"index", "images"} if stage == "prepared" else set())
    assert not list(cache.glob("**/.*.draft"))
    assert children(config, f"data.cache={cache}", "prepare.workers=1").code == 0
    assert same(cache, calm)


def test_a_finished_entry_opens_in_a_cache_that_nobody_may_write(children, config, undisturbed, tmp_path):
    calm, done = undisturbed
    first = (str(config), f"data.cache={tmp_path}/cache", "prepare.workers=1")

    again = children(config, f"data.cache={calm}", "prepare.workers=1", first=first)

    assert again.code == 0
    assert again.out.endswith(done.out)


def test_an_unfinished_entry_in_a_cache_that_nobody_may_write_is_one_message(children, config, undisturbed, tmp_path):
    calm, _ = undisturbed
    first = (str(config), f"data.cache={tmp_path}/cache", "prepare.workers=1")

    done = children(config, f"data.cache={calm}", "prepare.workers=1", "data.seed=1", first=first)

    assert done.code == 4
    assert "Traceback" not in done.err
    assert "medft: the cache cannot be written: Permission denied" in done.err
    assert "point data.cache at a folder that can be written" in done.err


@pytest.mark.parametrize("size", [0, 200], ids=["annotations", "pixels"])
def test_a_bad_file_is_what_every_process_complains_about(size, children, place, repository, tmp_path):
    root = tmp_path / "raw"
    for n in range(40):
        path = root / "ab"[n % 2] / f"{n:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(n).integers(0, 256, (40, 50), np.uint8)).save(path)
    bad = root / "b" / "31.png"
    whole = bad.read_bytes()
    bad.write_bytes(whole[:size])
    config = tmp_path / "mix.yaml"
    part = {"task": "classification", "source": "image_folder"}
    model = {"name": str(repository / "script/demo/base/gemma3")}
    config.write_text(yaml.safe_dump({"data": {"root": str(root), "mix": [part]}, "model": model}))
    words = (config, f"data.cache={tmp_path}/cache", "prepare.workers=1")

    many = children.together(5, *words)

    for done in many:
        assert done.code == 4
        assert "the picture" in done.err or "not a picture" in done.err
        assert str(bad) in done.err
        assert "cache" not in done.err
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []
    bad.write_bytes(whole)
    assert children(*words).code == 0
