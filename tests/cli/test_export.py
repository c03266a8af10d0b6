"""``medft export`` writes one folder and says what is in it."""

from __future__ import annotations

import json

import pytest


@pytest.fixture(scope="module")
def mix(phantom_mix):
    return phantom_mix("classification", "textures")


def test_the_folder_is_in_the_run_unless_another_is_given_and_is_said(medft, mix):
    done = medft("export", mix, "--format", "llamafactory")

    folder = mix.parent / "run" / "export" / "llamafactory"
    assert done.code == 0
    assert done.out.splitlines()[-1] == str(folder)
    assert "train.jsonl" in done.out
    assert (folder / "dataset_info.json").is_file()


def test_json_says_what_was_written(medft, mix, tmp_path):
    done = medft("export", mix, "--format", "jsonl", "--json", "--out", tmp_path / "out", "data.limit.train=2")

    about = json.loads(done.out)
    assert done.code == 0
    assert (about["folder"], about["format"]) == (str(tmp_path / "out"), "jsonl")
    assert about["rows"]["train.jsonl"] == 2
    assert len((tmp_path / "out" / "train.jsonl").read_text().splitlines()) == 2


def test_a_folder_in_use_is_refused_before_anything_is_prepared(medft, mix, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")

    done = medft("export", mix, "--format", "qwen", "--out", tmp_path, f"data.cache={tmp_path / 'new'}")

    assert done.code == 2
    assert "would be lost" in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_every_format_can_be_asked_for_and_no_other(medft, mix):
    from medft_bm.export.formats import FORMATS, load_format

    assert [load_format(name).name for name in FORMATS] == list(FORMATS)
    done = medft("export", mix, "--format", "llava")
    assert done.code == 2
    assert all(name in done.err for name in FORMATS)
