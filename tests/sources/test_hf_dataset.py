from __future__ import annotations

import io
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import datasets
import numpy as np
import pytest
from PIL import Image
from tests.sources.small_datasets import GRADES, image_folder, picture, rows, table

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.geometry import Box, Size, Spacing
from medft_bm.core.records import BoxLabel, ClassLabel
from medft_bm.imaging.slices import render
from medft_bm.sources import load_source


def boxes(cells: list[dict[str, object]], objects: object) -> datasets.Dataset:
    return datasets.Dataset.from_list(
        cells, features=datasets.Features(image=datasets.Image(), objects=objects, label=datasets.Value("string"))
    )


def facts(records):
    return [(r.annotations[0].class_id, r.annotations[0].classes, r.size, r.split) for r in records]


def test_pictures_classes_subjects_and_splits_come_out_of_a_saved_dataset(read, saved):
    records = read("hf_dataset", saved, path="saved", subject_column="patient")
    splits = ["train"] * 4 + ["validation"] * 2 + ["test"] * 3
    assert facts(records) == [
        (n, GRADES, Size(7, 11), s) for n, s in zip([0, 1, 0, 1, 0, 1, 0, 1, 0], splits, strict=True)
    ]
    assert [record.subject for record in records][:5] == ["jane doe 0"] * 2 + ["jane doe 1"] * 2 + ["jane doe 4"]
    assert {record.spacing for record in records} == {None}


def test_the_bytes_are_copied_as_they_are_and_no_file_is_named_after_a_patient(read, saved):
    records = read("hf_dataset", saved, path="saved", subject_column="patient")
    for number, record in enumerate(records):
        assert (saved / record.image.path).read_bytes() == picture(number)
    made = [path for path in saved.rglob("*") if not path.is_relative_to(saved / "saved")]
    assert len({path.parent for path in made if path.suffix == ".png"}) == 1
    assert not [path for path in made if "doe" in path.name]


def test_the_copy_is_made_once_and_again_when_the_dataset_changes(read, saved):
    first = read("hf_dataset", saved, path="saved")
    stamp = (saved / first[0].image.path).stat().st_mtime_ns
    again = read(
        "hf_dataset", saved, path="saved", classes=["I", "II"], subject_column="patient", tags={"x": "patient"}
    )
    assert [record.image.path for record in again] == [record.image.path for record in first]
    assert (saved / first[0].image.path).stat().st_mtime_ns == stamp
    assert again[1].annotations == (ClassLabel(1, ("I", "II")),)
    shutil.rmtree(saved / "saved")
    changed_parts = {"train": table(5, 29), "test": table(3, 6)}
    datasets.DatasetDict(changed_parts).save_to_disk(saved / "saved")
    changed = read("hf_dataset", saved, path="saved")
    assert (saved / changed[0].image.path).read_bytes() == picture(29)
    # What was there keeps its name, on this machine and any other: samples are known by it.
    assert [record.image.path for record in changed[5:]] == [record.image.path for record in first[6:]]
    assert not (saved / first[0].image.path).exists()
    assert [path.name for path in saved.iterdir() if "outdated" in path.name or "draft" in path.name] == []


def test_two_rows_may_hold_the_same_picture(read, tmp_path):
    datasets.concatenate_datasets([table(2), table(2)]).save_to_disk(tmp_path / "set")
    records = read("hf_dataset", tmp_path, path="set")
    assert len({record.image.path for record in records}) == 4
    assert [(tmp_path / r.image.path).read_bytes() for r in records] == [picture(n) for n in (0, 1, 0, 1)]


def test_the_root_may_be_relative(read, saved, monkeypatch):
    image_folder(saved / "set")
    monkeypatch.chdir(saved.parent)
    for path, column in (("saved", "label"), ("set", "grade")):
        source = load_source("hf_dataset", {"path": path, "label_column": column})
        files = {file.relative_to(saved.name).as_posix() for file in source.files(Path(saved.name))}
        records = read("hf_dataset", Path(saved.name), path=path, label_column=column)
        assert {record.image.path for record in records} < files


def test_many_readers_at_once_make_one_copy(saved):
    def read_all(_: int) -> list[str]:
        return list(load_source("hf_dataset", {"path": "saved"}).units(saved))

    with ThreadPoolExecutor(4) as pool:
        assert len({tuple(units) for units in pool.map(read_all, range(8))}) == 1
    assert len(list(saved.glob("hf_dataset-*"))) == 1
    assert not list(saved.glob(".hf_dataset-*.draft"))


def test_what_an_interrupted_copy_left_is_replaced(read, saved):
    first = saved / read("hf_dataset", saved, path="saved")[0].image.path
    draft = first.parent.with_name(f".{first.parent.name}.draft")
    first.parent.rename(draft)
    (draft / first.name).write_bytes(b"half")
    assert len(read("hf_dataset", saved, path="saved")) == 9
    assert first.read_bytes() == picture(0)
    assert not draft.exists()


def test_a_folder_of_parquet_files_and_a_single_file_read_alike(read, tmp_path):
    (tmp_path / "set").mkdir()
    table(4).to_parquet(tmp_path / "set" / "train-00000-of-00001.parquet")
    table(3, 4).to_parquet(tmp_path / "set" / "test-00000-of-00001.parquet")
    records = read("hf_dataset", tmp_path, path="set")
    assert [record.split for record in records] == ["train"] * 4 + ["test"] * 3
    assert {record.annotations[0].classes for record in records} == {GRADES}
    alone = read("hf_dataset", tmp_path, path="set/test-00000-of-00001.parquet")
    assert [(r.annotations, r.split) for r in alone] == [(r.annotations, None) for r in records[4:]]


@pytest.mark.parametrize("name", ["list.json", "list.jsonl", "list.csv"])
def test_pictures_below_the_root_are_used_where_they_lie(read, tmp_path, name):
    (tmp_path / "pictures").mkdir()
    listed = [{"image": f"pictures/{n}.jpg", "label": GRADES[n % 2], "mm": 0.5 + n} for n in range(3)]
    for n in range(3):
        (tmp_path / "pictures" / f"{n}.jpg").write_bytes(picture(n, "JPEG"))
    frame = datasets.Dataset.from_list(listed)
    frame.to_csv(tmp_path / name) if name.endswith("csv") else frame.to_json(tmp_path / name, lines=name.endswith("l"))
    records = read("hf_dataset", tmp_path, path=name, spacing_column="mm")
    assert [record.image.path for record in records] == [f"pictures/{n}.jpg" for n in range(3)]
    assert [record.annotations[0].class_id for record in records] == [1, 0, 1]
    assert [record.spacing for record in records] == [Spacing(0.5 + n, 0.5 + n) for n in range(3)]
    assert not list(tmp_path.glob("hf_dataset-*/*.jpg"))


def test_an_image_folder_with_metadata_is_not_copied(read, tmp_path):
    image_folder(tmp_path / "set")
    records = read("hf_dataset", tmp_path, path="set", label_column="grade", tags={"site": "site"}, spacing_mm=[2, 3])
    assert [record.image.path for record in records] == ["set/train/0.png", "set/train/1.png", "set/test/2.png"]
    assert [record.tags for record in records] == [{"site": f"hospital {n}"} for n in range(3)]
    assert [record.split for record in records] == ["train", "train", "test"]
    assert {record.spacing for record in records} == {Spacing(y=2, x=3)}


def test_a_zipped_image_folder_is_unpacked(read, tmp_path):
    image_folder(tmp_path / "raw")
    (tmp_path / "set").mkdir()
    shutil.make_archive(str(tmp_path / "set" / "train"), "zip", tmp_path / "raw" / "train")
    records = read("hf_dataset", tmp_path, path="set", label_column="grade")
    assert [(tmp_path / record.image.path).read_bytes() for record in records] == [picture(0), picture(1)]


NESTED = {
    "lists in an object": {
        "bbox": datasets.List(datasets.List(datasets.Value("float32"), length=4)),
        "category": datasets.List(datasets.ClassLabel(names=["polyp", "tool"])),
    },
    "a list of objects": datasets.List(
        {
            "bbox": datasets.List(datasets.Value("float32"), length=4),
            "category": datasets.ClassLabel(names=["polyp", "tool"]),
        }
    ),
}


@pytest.mark.parametrize("nesting", NESTED)
def test_boxes_of_several_classes_are_read_from_objects(read, tmp_path, nesting):
    cells = [[[1, 2, 4, 3], [0, 0, 11, 7]], []]
    listed = []
    for number, found in enumerate(cells):
        objects: object = {"bbox": found, "category": [1, 0][: len(found)]}
        if nesting == "a list of objects":
            objects = [{"bbox": box, "category": 1 - n} for n, box in enumerate(found)]
        listed.append({"image": {"bytes": picture(number), "path": None}, "objects": objects, "label": "x"})
    boxes(listed, NESTED[nesting]).save_to_disk(tmp_path / "set")
    columns = {"box_column": "objects.bbox", "label_column": "objects.category"}
    (record,) = read("hf_dataset", tmp_path, path="set", box_format="xywh", **columns)
    assert record.annotations == (
        BoxLabel("tool", Box(y0=2, x0=1, y1=5, x1=5)),
        BoxLabel("polyp", Box(y0=0, x0=0, y1=7, x1=11)),
    )
    assert read.skipped == [("set, train, row 2", "no boxes")]


def test_a_box_marks_the_pixels_it_was_drawn_around(read, tmp_path):
    pixels = np.full((9, 20), 40, np.uint8)
    pixels[3:8, 12:14] = 200
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    cell = {"image": {"bytes": file.getvalue(), "path": None}, "objects": [[12, 3, 14, 8]], "label": "x"}
    boxes([cell], datasets.List(datasets.List(datasets.Value("int64")))).save_to_disk(tmp_path / "set")
    (record,) = read("hf_dataset", tmp_path, path="set", box_column="objects", label_column="", classes=["node"])
    ((label,), (image,)) = record.annotations, render(tmp_path, [record.image])
    box = label.box
    assert label.label == "node"
    inside = image[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)]
    assert (inside == 200).all()
    assert inside.size == (image == 200).sum()


@pytest.mark.parametrize(
    ("box", "said"),
    [
        ([4, 2, 3, 5], "not a box of four numbers in the form xyxy"),
        ([0, 0, 12, 5], "does not lie in the picture of 7 x 11"),
        ([-1, 0, 3, 5], "does not lie in the picture"),
        ([0, 0, 3], "not a box of four numbers"),
    ],
)
def test_an_impossible_box_names_its_row(read, tmp_path, box, said):
    good = {"image": {"bytes": picture(0), "path": None}, "objects": [[0, 0, 11, 7]], "label": "x"}
    bad = {"image": {"bytes": picture(1), "path": None}, "objects": [box], "label": "x"}
    boxes([good, bad], datasets.List(datasets.List(datasets.Value("float32")))).save_to_disk(tmp_path / "set")
    with pytest.raises(DataError, match=said) as caught:
        read("hf_dataset", tmp_path, path="set", box_column="objects", classes=["x"])
    assert caught.value.where == "set, train, row 2"


def test_splits_can_be_chosen_and_ignored(read, saved):
    assert [r.split for r in read("hf_dataset", saved, path="saved", splits=["test", "train"])] == ["train"] * 4 + [
        "test"
    ] * 3
    assert {r.split for r in read("hf_dataset", saved, path="saved", official_split="ignore")} == {None}
    assert {r.split for r in read("hf_dataset", saved, path="saved", splits=["test"])} == {None}
    with pytest.raises(DataError, match="no split 'tset'; did you mean 'test'"):
        read("hf_dataset", saved, path="saved", splits=["tset"])


def test_a_split_of_another_name_says_what_to_do(read, tmp_path):
    datasets.DatasetDict(train=table(2), fold2=table(2, 2)).save_to_disk(tmp_path / "set")
    with pytest.raises(DataError, match="'fold2' is not a split") as caught:
        read("hf_dataset", tmp_path, path="set")
    assert "official_split: ignore" in caught.value.fix
    assert len(read("hf_dataset", tmp_path, path="set", official_split="ignore")) == 4


def test_numbers_without_names_ask_for_them(read, tmp_path):
    datasets.Dataset.from_list(rows(4)).cast_column("image", datasets.Image()).save_to_disk(tmp_path / "set")
    with pytest.raises(ConfigError, match="classes: the labels are numbers: 0, 1"):
        read("hf_dataset", tmp_path, path="set")
    records = read("hf_dataset", tmp_path, path="set", classes=["none", "some"])
    assert [record.annotations[0].class_id for record in records] == [0, 1, 0, 1]
