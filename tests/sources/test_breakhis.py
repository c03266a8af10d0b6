from __future__ import annotations

import csv

import pytest
from PIL import Image

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.geometry import Size
from medft_bm.sources import load_source
from medft_bm.sources.breakhis import SUBTYPES


@pytest.fixture
def tile(tmp_path):
    def write(path: str) -> None:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (7, 5)).save(tmp_path / path)

    return write


def test_real_tiles_have_the_class_patient_and_magnification_of_the_manifest(read, real_data):
    root = real_data / "A_breakhis"
    records = {record.image.path: record for record in read("breakhis", root)}
    with (root / "manifest.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["patient"]]
    assert len(rows) == len(records) == 10
    for row in rows:
        record = records[row["file"]]
        (label,) = record.annotations
        assert label.classes[label.class_id] == row["label"].replace("_", " ")
        assert record.subject == row["patient"].rstrip("ABCDEFG")
        assert record.tags["magnification"] == f"{row['magnification']}X"
        assert record.size == Size(460, 700)
        assert record.spacing is None


def test_real_tiles_of_unknown_patients_are_left_out_with_the_reason(read, real_data):
    read("breakhis", real_data / "A_breakhis")
    assert len(read.skipped) == 10
    assert {why for _, why in read.skipped} == {"the file name does not say the patient"}


def test_the_binary_reading_and_one_magnification(read, real_data):
    records = read("breakhis", real_data / "A_breakhis", reading="binary", magnification=[200])
    said = {record.subject: record.annotations[0] for record in records}
    assert sorted(said) == ["14-13412", "14-16184", "14-18842"]
    assert all(label.classes == ("benign", "malignant") for label in said.values())
    assert [said[subject].class_id for subject in sorted(said)] == [1, 0, 1]


def test_class_ids_do_not_depend_on_which_classes_are_there(read, tile, tmp_path):
    tile("SOB_M_PC-14-9146-40-001.png")
    (record,) = read("breakhis", tmp_path)
    assert record.annotations[0].class_id == 7 == SUBTYPES.index("papillary carcinoma")


def test_a_patient_in_two_classes_and_in_several_blocks_is_one_subject(read, tile, tmp_path):
    tile("SOB_M_DC-14-13412-40-001.png")
    tile("SOB_M_LC-14-13412-40-001.png")
    tile("SOB_B_A-14-29960CD-40-001.png")
    tile("SOB_B_F-14-29960AB-40-001.png")
    assert {record.subject for record in read("breakhis", tmp_path)} == {"14-13412", "14-29960"}
    slides = {record.subject for record in read("breakhis", tmp_path, subject="slide")}
    assert slides == {"14-13412", "14-29960CD", "14-29960AB"}


def test_a_tile_in_the_folder_of_another_class_is_refused(read, tile, tmp_path):
    tile("malignant/SOB/lobular_carcinoma/SOB_M_DC-14-3909-100-014.png")
    with pytest.raises(DataError, match=r"ductal carcinoma.*lobular carcinoma"):
        read("breakhis", tmp_path)


@pytest.mark.parametrize("name", ["SOB_B_DC-14-3909-100-014.png", "SOB_M_XX-14-3909-100-014.png"])
def test_an_impossible_class_is_refused(read, tile, tmp_path, name):
    tile(name)
    with pytest.raises(DataError, match="the file name says"):
        read("breakhis", tmp_path)


def test_a_folder_without_any_such_name_is_refused(read, tile, tmp_path):
    tile("adenosis/one.png")
    with pytest.raises(DataError, match="none of 1 PNG files"):
        read("breakhis", tmp_path)
    with pytest.raises(DataError, match="not a folder"):
        read("breakhis", tmp_path / "no")


def test_an_unknown_magnification_is_a_config_error(read, tmp_path):
    with pytest.raises(ConfigError, match="41"):
        read("breakhis", tmp_path, magnification=[40, 41])


TILES = {
    "SOB_B_A-14-22549AB-100-001.png": "benign/SOB/adenosis",
    "SOB_B_A-14-22549G-100-001.png": "benign/SOB/adenosis",
    "SOB_M_DC-14-3909-200-014.png": "malignant/SOB/ductal_carcinoma",
    "SOB_M_LC-14-12204-40-003.png": "malignant/SOB/lobular_carcinoma",
}


@pytest.fixture
def folds(tile, tmp_path):
    """Write tiles below one folder and the list of folds as published, with paths below another."""
    for name, folder in TILES.items():
        tile(f"slides/{folder}/{name}")

    def write(*rows: str, header: str = "fold,mag,grp,filename") -> None:
        lines = "".join(f"{row}\n" for row in (header, *rows))
        (tmp_path / "Folds.csv").write_text(lines.replace("~", "BreaKHis_v1/histology_slides/breast/benign/SOB"))

    return write


def test_a_fold_gives_the_official_split_of_its_tiles(read, folds, tmp_path):
    folds(
        "1,100,train,~/SOB_B_A-14-22549AB-100-001.png",
        "1,200,test,~/SOB_M_DC-14-3909-200-014.png",
        "1,40,train,~/SOB_M_LC-14-12204-40-003.png",
        "2,100,test,~/SOB_B_A-14-22549AB-100-001.png",
        "2,100,train,~/SOB_B_A-14-22549G-100-001.png",
    )

    def splits(**options: object) -> dict[str, str | None]:
        return {
            r.image.path.split("-")[1] + r.image.path.split("-")[2]: r.split
            for r in read("breakhis", tmp_path, **options)
        }

    assert splits(folds_file="Folds.csv", fold=1) == {"1422549AB": "train", "143909": "test", "1412204": "train"}
    assert splits(folds_file="Folds.csv", fold=2) == {"1422549AB": "test", "1422549G": "train"}
    assert splits(folds_file="Folds.csv", fold=1, magnification=[200]) == {"143909": "test"}
    assert set(splits().values()) == {None}


def test_tiles_that_the_fold_does_not_list_are_left_out_with_the_reason(read, folds, tmp_path):
    folds("3,100,train,~/SOB_B_A-14-22549AB-100-001.png")
    assert len(read("breakhis", tmp_path, folds_file="Folds.csv", fold=3)) == 1
    assert {why for _, why in read.skipped} == {"fold 3 does not list it"}
    assert len(read.skipped) == 3


def test_the_file_of_the_folds_is_watched(folds, tmp_path):
    folds("1,100,train,~/SOB_B_A-14-22549AB-100-001.png")
    source = load_source("breakhis", {"folds_file": "Folds.csv", "fold": 1})
    assert tmp_path / "Folds.csv" in set(source.files(tmp_path))


GOOD = "1,100,train,~/SOB_B_A-14-22549AB-100-001.png"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([GOOD, GOOD.replace("train", "test")], "fold 1 lists SOB_B_A-14-22549AB-100-001.png twice"),
        ([GOOD, "1,100,held,~/SOB_B_A-14-22549G-100-001.png"], "'held' is not a split"),
        ([GOOD, "1,400,train,~/SOB_B_A-14-22549G-100-001.png"], "is not a tile at magnification 400"),
        ([GOOD, "1,100,train,~/other.png"], "'other.png' is not a tile"),
        ([GOOD, "1,100,,~/SOB_B_A-14-22549G-100-001.png"], "nothing in the column 'grp'"),
        (["2,100,train,~/SOB_B_A-14-22549AB-100-001.png"], "no row for fold 1"),
        ([], "the table has no rows"),
    ],
)
def test_a_damaged_list_of_folds_is_refused(read, folds, tmp_path, rows, said):
    folds(*rows)
    with pytest.raises(DataError, match=said) as caught:
        read("breakhis", tmp_path, folds_file="Folds.csv", fold=1)
    assert "Folds.csv" in caught.value.where
    assert caught.value.where.endswith("row 2") == (len(rows) == 2)


def test_a_list_of_folds_needs_its_columns_a_fold_and_a_place_under_the_root(read, folds, tmp_path):
    folds("1,100,train,x", header="fold,magnification,group,filename")
    with pytest.raises(ConfigError, match=r"folds_file\.mag: the table has no column 'mag'"):
        read("breakhis", tmp_path, folds_file="Folds.csv", fold=1)
    with pytest.raises(DataError, match="the table does not exist"):
        read("breakhis", tmp_path, folds_file="folds.csv", fold=1)
    with pytest.raises(DataError, match="not a path under the root"):
        read("breakhis", tmp_path, folds_file="../Folds.csv", fold=1)
    for options in ({"folds_file": "Folds.csv"}, {"fold": 1}, {"folds_file": "Folds.csv", "fold": 6}):
        with pytest.raises(ConfigError, match="fold"):
            read("breakhis", tmp_path, **options)
