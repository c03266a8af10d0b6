"""A folder appears whole or not at all, and nobody's work is replaced."""

from __future__ import annotations

import json
import resource

import pytest
from tests.export.conftest import config_of, export_of, part

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.export.formats import load_format
from medft_bm.export.make import MARK, make_export
from medft_bm.export.pictures import PER_FOLDER, name


def test_an_older_export_of_the_same_format_gives_way(export, tmp_path):
    out = tmp_path / "new" / "out"
    make_export(export, load_format("jsonl"), out)
    (out / "train.jsonl").write_text("old")
    (out / "__pycache__").mkdir()

    about = make_export(export, load_format("jsonl"), out)

    assert (out / "train.jsonl").read_text() != "old"
    assert json.loads((out / MARK).read_text()) == about
    assert sorted(path.name for path in out.iterdir()) == about["files"]
    assert [path.name for path in out.parent.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("found", "content", "why"),
    [
        ("notes.txt", "mine", "something else than an export"),
        (MARK, "{}", "something else than an export"),
        (MARK, '{"format": "qwen", "files": []}', "an export for qwen"),
    ],
)
def test_a_folder_that_holds_something_else_is_left_alone(export, tmp_path, found, content, why):
    (tmp_path / found).write_text(content)

    with pytest.raises(ConfigError, match=why):
        make_export(export, load_format("jsonl"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [found]
    assert (tmp_path / found).read_text() == content


def test_what_somebody_added_to_an_export_is_not_replaced_with_it(export, tmp_path):
    out = tmp_path / "out"
    make_export(export, load_format("qwen"), out)
    (out / "checkpoint-7").mkdir()

    with pytest.raises(ConfigError, match="'checkpoint-7' in the folder is not part of the export"):
        make_export(export, load_format("qwen"), out)


def test_a_file_in_the_place_of_the_folder_is_refused(export, tmp_path):
    (tmp_path / "out").write_text("mine")

    with pytest.raises(ConfigError, match="a file, not a folder"):
        make_export(export, load_format("jsonl"), tmp_path / "out")


@pytest.mark.parametrize("form", ["jsonl", "lmms-eval"])
def test_a_disk_that_takes_no_more_is_one_message_and_leaves_the_older_export(export, tmp_path, form):
    out = tmp_path / "out"
    make_export(export, load_format(form), out)
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, limits[1]))  # bytes that a file may have
    try:
        with pytest.raises(DataError, match="the export cannot be written: File too large") as error:
            make_export(export, load_format(form), out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert "free some space" in error.value.fix
    assert {path.name: path.stat().st_mtime_ns for path in out.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(("form", "split"), [("qwen", "train"), ("lmms-eval", "test")])
def test_a_split_that_a_reader_lives_on_must_have_samples(folder, tmp_path, form, split):
    config = config_of(folder, [part("g", "classification", {}, {"kind": "textures"})])
    limit = config.data.limit.model_copy(update={split: 0})
    data = config.data.model_copy(update={"limit": limit})

    with pytest.raises(DataError, match=f"no {split} sample"):
        make_export(export_of(config.model_copy(update={"data": data})), load_format(form), tmp_path / "out")


def test_no_folder_gets_more_pictures_than_a_file_system_likes():
    names = [name(row) for row in (0, PER_FOLDER - 1, PER_FOLDER, 123 * PER_FOLDER + 4, 12_345_678)]

    assert [path.split("/")[1] for path in names] == ["000", "000", "001", "123", "1234"]
    assert len(set(names)) == len(names)
