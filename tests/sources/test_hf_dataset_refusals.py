"""What a dataset that cannot be read, or options that do not fit it, are answered with."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import pytest
from tests.sources.small_datasets import FEATURES, GRADES, picture, rows

from medft_bm.core.errors import ConfigError, DataError


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"path": "saved", "label_column": "labels"}, ConfigError, "label_column: .*did you mean 'label'"),
        ({"path": "saved", "image_column": "img"}, ConfigError, "image_column: "),
        ({"path": "saved", "subject_column": "patient.id"}, ConfigError, "no field 'id'"),
        ({"path": "saved", "image_column": "label"}, DataError, "no picture in the column 'label'"),
        ({"path": "saved", "image_column": "patient"}, DataError, "does not exist"),
        ({"path": "saved", "classes": ["a", "b", "c"]}, ConfigError, "3 are named, the dataset has 2: low grade"),
        ({"path": "saved", "spacing_column": "patient"}, DataError, "the spacing must be in numbers"),
        ({"path": "nowhere"}, DataError, "the dataset does not exist"),
        ({"path": "../saved"}, DataError, "not a path under the root"),
        ({"path": "."}, DataError, "not a path under the root"),
        ({}, ConfigError, "path or repo_id"),
        ({"path": "saved", "repo_id": "a/b"}, ConfigError, "path or repo_id"),
        ({"path": "saved", "repo_revision": "v1"}, ConfigError, "repo_revision"),
        ({"path": "saved", "label_column": ""}, ConfigError, "label_column"),
        ({"path": "saved", "spacing_mm": 0}, ConfigError, "spacing_mm"),
        ({"path": "saved", "spacing_mm": 1, "spacing_column": "patient"}, ConfigError, "spacing_column"),
        ({"path": "saved", "tags": {"site": ""}}, ConfigError, "tags"),
    ],
)
def test_options_that_do_not_fit_are_said_clearly(read, saved, options, error, said):
    with pytest.raises(error, match=said):
        read("hf_dataset", saved, **options)


def listed(tmp_path: Path, *paths: str) -> None:
    (tmp_path / "list.json").write_text(json.dumps([{"image": path, "label": GRADES[0]} for path in paths]))
    (tmp_path / "a.png").write_bytes(picture(0))


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        (("a.png", "../secret.png"), "not a path under the root"),
        (("a.png", "/etc/hostname"), "not a path under the root"),
        (("a.png", "zip://x.png::/etc/x.zip"), "not among the files of the dataset"),
        (("a.png", "https://example.org/x.png"), "does not exist"),
        (("a.png", "a.png"), "a.png is in list.json, train, row 1 too"),
        (("a.png", "b.png"), "the picture b.png does not exist"),
        (("a.png", None), "no picture in the column 'image', but a NoneType"),
    ],
)
def test_a_row_may_not_point_elsewhere_or_at_nothing(read, tmp_path, paths, said):
    listed(tmp_path, *paths)
    with pytest.raises(DataError, match=said) as caught:
        read("hf_dataset", tmp_path, path="list.json", classes=GRADES)
    assert caught.value.where == "list.json, train, row 2"
    assert not list(tmp_path.glob("hf_dataset-*"))


def test_bytes_that_are_no_picture_name_their_row(read, tmp_path):
    cells = [*rows(1), {**rows(1)[0], "image": {"bytes": b"not a picture", "path": None}}]
    datasets.Dataset.from_list(cells, features=FEATURES).save_to_disk(tmp_path / "set")
    with pytest.raises(DataError, match="not a picture that can be read") as caught:
        read("hf_dataset", tmp_path, path="set")
    assert caught.value.where == "set, train, row 2"


def test_a_root_that_cannot_be_written_to_says_how_to_go_on(read, saved, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="root"):
        read("hf_dataset", tmp_path / "file", path="saved")
    with pytest.raises(DataError, match="pictures cannot be written below the root") as caught:
        read("hf_dataset", tmp_path / "file" / "below", repo_id="a/b")
    assert "writable" in caught.value.fix
