"""Names of patients, planted wherever files keep them, and looked for in every byte of the cache."""

from __future__ import annotations

import gzip
import io
import json
import locale
import struct
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset
from PIL import Image

from medft_bm.config.schema import Data, Prepare
from medft_bm.core.errors import MedftError
from medft_bm.core.types import SPLITS
from medft_bm.prepare.dataset import Prepared, prepare_dataset
from medft_bm.prepare.engine import Local
from medft_bm.prepare.images import render_pngs
from medft_bm.prepare.samples import prepare_samples
from medft_bm.prepare.split import hide

from .conftest import data as phantoms
from .private_data import MIX, SUBJECTS, WRITERS, Planted


@pytest.fixture(scope="module")
def planted() -> Planted:
    return Planted()


@pytest.fixture(scope="module")
def raw(tmp_path_factory, planted: Planted) -> Path:
    """Raw data in which every identifier can be found."""
    root = tmp_path_factory.mktemp("private") / planted("Root")
    root.mkdir()
    kept = locale.setlocale(locale.LC_ALL)
    for seed, (name, write) in enumerate(WRITERS.items()):
        write(root / name, planted, np.random.default_rng(seed))
    locale.setlocale(locale.LC_ALL, kept)  # writing DICOM leaves the process in the locale C
    assert {name for name, _ in leaks(root.parent, planted.all)} == set(planted.all)
    return root


def texts(path: Path) -> Iterator[bytes]:
    """What a file holds: its name, its bytes, and what is packed inside."""
    yield str(path).encode()
    if not path.is_file():
        return
    content = path.read_bytes()
    yield content
    if path.suffix == ".gz":
        yield gzip.decompress(content)
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            yield from (arrays[name].tobytes() for name in arrays.files)
    if path.suffix == ".arrow":
        table = Dataset.from_file(str(path))
        if "image" in table.features and "uid" not in table.features:
            for row in table.data.column("image").to_pylist():
                with Image.open(io.BytesIO(row["bytes"])) as image:
                    yield image.tobytes() + repr((row["path"], image.info)).encode()
        else:
            yield json.dumps([table[n] for n in range(len(table))], ensure_ascii=False).encode()


def leaks(folder: Path, names: Sequence[str]) -> list[tuple[str, Path]]:
    """Every identifier in every file and name below a folder, in the usual encodings and any case."""
    found = []
    for path in sorted(folder.rglob("*")):
        for text in texts(path.relative_to(folder) if not path.is_file() else path):
            text = text.replace(str(folder).encode(), b"").lower()
            found += [
                (name, path)
                for name in names
                if any(name.lower().encode(encoding) in text for encoding in ("utf-8", "utf-16-le", "utf-16-be"))
            ]
    return found


def mixed(raw: Path, cache: Path, **changes: object) -> Data:
    split = {"validation": 0.2, "test": 0.2}
    return Data.model_validate({"root": raw, "cache": cache, "mix": MIX, "split": split, "salt": "pepper", **changes})


@pytest.mark.parametrize(
    "how", [{"workers": 1}, {"workers": 2}, {"engine": "ray", "workers": 2}], ids=["here", "processes", "ray"]
)
def test_no_identifier_reaches_the_cache(how, raw, planted, family, tmp_path, monkeypatch):
    if how.get("engine") == "ray":
        pytest.importorskip("ray", reason="the extra `ray` is not installed")
        monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    for stage in ("samples", "rows"):  # as if there were much to do
        monkeypatch.setattr(f"medft_bm.prepare.{stage}.WORTH_PROCESSES", 0)

    made = prepare_dataset(mixed(raw, tmp_path), family, Prepare(**how))

    assert {row["part"] for row in made.summary()} == set(WRITERS)
    assert sum(row["samples"] for row in made.summary() if row["part"] == "dicom") >= SUBJECTS
    assert leaks(tmp_path, planted.all) == []


def test_pictures_keep_nothing_but_pixels(raw, family, tmp_path):
    made = prepare_dataset(mixed(raw, tmp_path), family)
    for row in made.images.data.column("image").to_pylist():
        png, kinds, at = row["bytes"], set(), 8
        while at < len(png):
            size, kind = struct.unpack_from(">I4s", png, at)
            kinds.add(kind)
            at += 12 + size
        assert kinds <= {b"IHDR", b"IDAT", b"IEND", b"PLTE"}
        assert row["path"] is None


class Dying(Local):
    """An engine whose processes are killed while they render the third file."""

    def map(self, function, jobs, *, large):
        done = count()
        for result in super().map(function, jobs, large=large):
            if function is render_pngs and next(done) == 2:
                raise MedftError("a process that prepares data was killed")
            yield result


def test_after_an_interruption_only_the_work_holds_names_and_the_next_run_takes_it_away(raw, planted, family, tmp_path):
    data = mixed(raw, tmp_path)
    with pytest.raises(MedftError, match="was killed"):
        prepare_samples(data, Dying(1))
    left = leaks(tmp_path, planted.all)
    assert left
    assert {path.relative_to(tmp_path).parts[0] for _, path in left} == {"shards"}

    prepare_dataset(data, family)

    assert leaks(tmp_path, planted.all) == []
    assert list((tmp_path / "shards").iterdir()) == []


def test_a_file_that_is_left_out_is_counted_and_not_named(raw, planted, family, tmp_path):
    bad = raw / "pictures" / f"{planted('PictureFile', 0)}.png"
    whole = bad.read_bytes()
    bad.write_bytes(whole[: len(whole) // 2])
    try:
        made = prepare_dataset(mixed(raw, tmp_path, on_error="skip"), family)
    finally:
        bad.write_bytes(whole)
    assert [one["times"] for one in made.manifest["skipped"] if one["part"] == "pictures"] == [1]
    assert leaks(tmp_path, planted.all) == []


def names(made: Prepared) -> tuple[set[str], set[str]]:
    """Subjects and uids of all rows."""
    return tuple({name for split in SPLITS for name in made.rows(split)[column]} for column in ("subject", "uid"))


def test_a_salt_changes_every_name_and_is_the_same_everywhere(folder, family, prepared, tmp_path):
    def salted_with(salt: str, root: Path, cache: str) -> tuple[set[str], set[str]]:
        return names(prepare_dataset(phantoms(folder, salt=salt, root=root, cache=tmp_path / cache), family))

    plain, salted = names(prepared), salted_with("pepper", folder / "raw", "here")
    again = salted_with("pepper", tmp_path / "raw", "there")  # another machine draws its own copy of the same files
    other = salted_with("paprika", folder / "raw", "here")

    assert salted == again
    for one, two in ((plain, salted), (salted, other), (plain, other)):
        assert [len(a & b) for a, b in zip(one, two, strict=True)] == [0, 0]
    assert [len(found) for found in plain] == [len(found) for found in salted]


def test_with_a_salt_nobody_is_found_by_hashing_names(raw, family, tmp_path):
    """Without one, whoever has a list of patients can hash it and look."""
    known = [f"ZqCsvPatientDoe{n}" for n in range(SUBJECTS)]
    open_, closed = (prepare_dataset(mixed(raw, tmp_path / salt, salt=salt), family) for salt in ("", "pepper"))
    hashed = {hide(name, "") for name in known}
    assert hashed <= names(open_)[0]
    assert not hashed & names(closed)[0]
    content = b"".join(path.read_bytes() for path in closed.folder.rglob("*") if path.is_file())
    assert not any(name.encode() in content for name in hashed)
