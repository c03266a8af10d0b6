from __future__ import annotations

import csv
import shutil
import sys

import pytest
from PIL import Image

from medft_bm.core.errors import ConfigError, DataError, DependencyError
from medft_bm.core.geometry import Size, Spacing
from medft_bm.core.records import ClassLabel
from medft_bm.sources import load_source


@pytest.fixture
def folder(tmp_path):
    for number, path in enumerate(("b/p1_1.png", "b/p1_2.png", "a/deep/p2_1.jpg", "c x/p3_1.png")):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (9 + number, 5)).save(tmp_path / path)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "readme.txt").write_text("not a class")
    return tmp_path


def test_the_first_folder_is_the_class_and_classes_are_sorted(read, folder):
    records = read("image_folder", folder)
    labels = {record.image.path: record.annotations[0] for record in records}
    assert {path: label.classes[label.class_id] for path, label in labels.items()} == {
        "a/deep/p2_1.jpg": "a",
        "b/p1_1.png": "b",
        "b/p1_2.png": "b",
        "c x/p3_1.png": "c x",
    }
    assert list(labels) == sorted(labels)
    assert all(label.classes == ("a", "b", "c x") for label in labels.values())
    assert len({record.subject for record in records}) == 4
    assert {record.spacing for record in records} == {None}
    assert records[1].size == Size(5, 9)


def test_order_subject_and_spacing_can_be_given(read, folder):
    records = read("image_folder", folder, classes=["c x", "b", "a"], subject=r"(p\d)_", spacing_mm=[0.7, 2.5])
    assert [record.annotations[0].class_id for record in records] == [2, 1, 1, 0]
    assert [record.subject for record in records] == ["p2", "p1", "p1", "p3"]
    assert {record.spacing for record in records} == {Spacing(y=0.7, x=2.5)}
    assert read("image_folder", folder, spacing_mm=0.5)[0].spacing == Spacing(0.5, 0.5)


def test_what_is_no_picture_is_left_out_with_a_reason(read, folder):
    (folder / "b" / "notes.txt").write_text("x")
    assert len(read("image_folder", folder)) == 4
    assert read.skipped == [("b/notes.txt", "not a picture")]


def test_folders_and_classes_must_fit_each_other(read, folder):
    with pytest.raises(DataError, match="the folder 'c x' is not one of the classes"):
        read("image_folder", folder, classes=["a", "b"])
    with pytest.raises(DataError, match="the class 'd' has no folder"):
        read("image_folder", folder, classes=["a", "b", "c x", "d"])
    with pytest.raises(DataError, match="0 class folder"):
        read("image_folder", folder / "b")


def test_a_path_without_a_subject_is_refused(read, folder):
    with pytest.raises(DataError, match="does not match") as caught:
        read("image_folder", folder, subject=r"(case\d)_")
    assert caught.value.where == "a/deep/p2_1.jpg"


@pytest.mark.parametrize(
    "options",
    [
        {"subject": "p(1"},
        {"subject": "p1"},
        {"spacing_mm": 0},
        {"classes": ["a", "a"]},
        {"window": "ct_lungs"},
        {"tags": {"site": "p1"}},
        {"tags": {"site": "p(1"}},
        {"split_column": "split"},
        {"images": "pictures"},
        {"subject_column": "who", "subject": "(p)", "table": "labels.csv"},
        {"spacing_column": "mm", "spacing_mm": 1, "table": "labels.csv"},
        {"image_column": "", "table": "labels.csv"},
    ],
)
def test_impossible_options_are_config_errors(read, folder, options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        read("image_folder", folder, **options)


def test_real_tiles_in_class_folders(read, real_data):
    records = read("image_folder", real_data / "A_breakhis/patient_unknown/malignant")
    assert len(records) == 5
    assert records[0].annotations[0].classes == (
        "ductal_carcinoma", "lobular_carcinoma", "mucinous_carcinoma", "papillary_carcinoma",
    )  # fmt: skip


def test_tags_are_read_off_the_path(read, folder):
    records = read("image_folder", folder, tags={"site": r"p(\d)_", "part": r"_(\d)\."}, modality="x")
    assert records[2].tags == {"modality": "x", "site": "1", "part": "2"}
    with pytest.raises(DataError, match="no site in the path") as caught:
        read("image_folder", folder, tags={"site": r"(b)/p1"})
    assert caught.value.where == "a/deep/p2_1.jpg"


ROWS = [
    {"file": "b/p1_1.png", "grade": "low", "who": "007", "set": "Training", "mm": "0.7", "hospital": "north", "y": "2"},
    {"file": "b/p1_2.png", "grade": "high", "who": "007", "set": "train", "mm": "0.5", "hospital": "", "y": "3"},
    {"file": "a/deep/p2_1.jpg", "grade": "low", "who": "7", "set": "dev", "mm": "0.7", "hospital": "south", "y": "2"},
    {"file": "c x/p3_1.png", "grade": "high", "who": "9", "set": "TEST", "mm": "1e-1", "hospital": "south", "y": "4"},
]
COLUMNS = {"image_column": "file", "label_column": "grade"}


@pytest.fixture
def table(folder):
    """Write the rows as ``labels.csv``, some cells changed."""

    def write(number: int = 0, rows: list[dict[str, str]] = ROWS, **cells: str) -> None:
        changed = [dict(row) for row in rows]
        changed[number] |= cells
        with (folder / "labels.csv").open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(changed[0]))
            writer.writeheader()
            writer.writerows(changed)

    return write


def test_a_table_says_class_subject_split_spacing_and_tags(read, folder, table):
    table()
    records = read(
        "image_folder", folder, table="labels.csv", **COLUMNS, subject_column="who", split_column="set",
        spacing_column=["y", "mm"], tags={"site": "hospital"}, modality="x",
    )  # fmt: skip
    assert [record.image.path for record in records] == [row["file"] for row in ROWS]
    assert [record.annotations[0].class_id for record in records] == [1, 0, 1, 0]
    assert {record.annotations[0].classes for record in records} == {("high", "low")}
    assert [record.subject for record in records] == ["007", "007", "7", "9"]
    assert [record.split for record in records] == ["train", "train", "validation", "test"]
    assert records[3].spacing == Spacing(y=4, x=0.1)
    assert [record.tags for record in records[:2]] == [{"modality": "x", "site": "north"}, {"modality": "x"}]
    assert records[1].size == Size(5, 10)


def test_without_more_columns_a_table_says_only_the_class(read, folder, table):
    table()
    records = read("image_folder", folder, table="labels.csv", **COLUMNS, classes=["low", "high"])
    assert [record.annotations[0].class_id for record in records] == [0, 1, 0, 1]
    assert len({record.subject for record in records}) == 4
    assert {(record.spacing, record.split) for record in records} == {(None, None)}
    named = read("image_folder", folder, table="labels.csv", **COLUMNS, subject=r"(p\d)_", spacing_column="mm")
    assert [record.subject for record in named] == ["p1", "p1", "p2", "p3"]
    assert [record.spacing for record in named] == [Spacing(mm, mm) for mm in (0.7, 0.5, 0.7, 0.1)]


def test_a_parquet_table_reads_like_its_csv(read, folder, table):
    import pyarrow
    from pyarrow import parquet

    typed = [row | {"who": int(row["who"]), "y": [float(row["y"]), 0.5], "hospital": None} for row in ROWS]
    parquet.write_table(pyarrow.Table.from_pylist(typed), folder / "labels.parquet")
    options = {**COLUMNS, "split_column": "set", "subject_column": "who", "tags": {"site": "hospital"}}
    records = read("image_folder", folder, table="labels.parquet", spacing_column="y", **options)
    assert [record.subject for record in records] == ["7", "7", "7", "9"]
    assert [record.spacing for record in records] == [Spacing(y=y, x=0.5) for y in (2, 3, 2, 4)]
    assert {frozenset(record.tags) for record in records} == {frozenset()}
    table()
    listed = read("image_folder", folder, table="labels.csv", **options)
    assert [(r.image, r.annotations, r.split) for r in listed] == [(r.image, r.annotations, r.split) for r in records]


def test_numbers_are_classes_once_they_have_names(read, folder, table):
    table(rows=[row | {"grade": str(number % 2)} for number, row in enumerate(ROWS)])
    with pytest.raises(ConfigError, match="classes: the labels are numbers: 0, 1"):
        read("image_folder", folder, table="labels.csv", **COLUMNS)
    records = read("image_folder", folder, table="labels.csv", **COLUMNS, classes=["none", "some"])
    assert [record.annotations[0] for record in records] == [ClassLabel(n % 2, ("none", "some")) for n in range(4)]


def test_file_names_may_be_relative_to_a_folder_of_pictures(read, folder, table):
    table(rows=[row | {"file": row["file"].removeprefix("b/")} for row in ROWS[:2]])
    records = read("image_folder", folder, table="labels.csv", images="b", **COLUMNS)
    assert [record.image.path for record in records] == ["b/p1_1.png", "b/p1_2.png"]


def test_the_table_and_its_pictures_are_watched(folder, table):
    table(rows=ROWS[:2])
    source = load_source("image_folder", {"table": "labels.csv", **COLUMNS})
    assert [path.relative_to(folder).as_posix() for path in source.files(folder)] == [
        "labels.csv", "b/p1_1.png", "b/p1_2.png",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"file": ""}, "nothing in the column 'file'"),
        ({"grade": " "}, "the label is empty"),
        ({"grade": "hgh"}, "'hgh' is not one of the classes; did you mean 'high'"),
        ({"grade": "2"}, "'2' is not one of the classes"),
        ({"who": ""}, "nothing in the column 'who'"),
        ({"set": ""}, "nothing in the column 'set'"),
        ({"set": "fold 1"}, "'fold 1' is not a split"),
        ({"mm": ""}, "the spacing must be in numbers"),
        ({"mm": "0"}, "spacing must be positive"),
        ({"mm": "nan"}, "spacing must be positive"),
        ({"file": "b/p1_1.png"}, "b/p1_1.png is listed in row 1 too"),
        ({"file": "b/p9_9.png"}, "the picture b/p9_9.png does not exist"),
        ({"file": "../p1_1.png"}, "not a path under the root"),
        ({"file": "/etc/hostname"}, "not a path under the root"),
        ({"file": "b\\p1_2.png"}, "not a POSIX path"),
    ],
)
def test_a_cell_that_cannot_be_used_names_its_row(read, folder, table, cells, said):
    table(2, **cells)
    options = {"subject_column": "who", "split_column": "set", "spacing_column": "mm", "classes": ["low", "high"]}
    with pytest.raises(DataError, match=said) as caught:
        read("image_folder", folder, table="labels.csv", **COLUMNS, **options)
    assert caught.value.where == f"{folder / 'labels.csv'}, row 3"


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        (
            "file,label\nb/p1_1.png,x\n",
            ConfigError,
            "label_column: the table has no column 'grade'; known: file, label",
        ),
        ("files,grade\nb/p1_1.png,x\n", ConfigError, "image_column: .*did you mean 'files'"),
        ("file,grade,grade\nb/p1_1.png,x,y\n", ConfigError, "2 columns called 'grade'"),
        ("file,grade\nb/p1_1.png,x,y\n", DataError, "more values than the header"),
        ("file,grade\nb/p1_1.png,x\n", DataError, "1 label"),
        ("file,grade\n", DataError, "no rows"),
        ("file,grade\nb/p1_1.png\nb/p1_2.png,x\na/deep/p2_1.jpg,y", DataError, "the label is empty"),
        (b"file,grade\n\xff\xfe,x\n", DataError, "the table cannot be read"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_clear_error(read, folder, content, error, said):
    path = folder / "labels.csv"
    path.write_bytes(content) if isinstance(content, bytes) else path.write_text(content)
    with pytest.raises(error, match=said):
        read("image_folder", folder, table="labels.csv", **COLUMNS)


def test_a_file_that_is_no_table_is_refused(read, folder):
    (folder / "labels.parquet").write_text("not parquet")
    (folder / "labels.xlsx").write_text("")
    for name, said in {"labels.parquet": "cannot be read", "labels.xlsx": "not a table", "no.csv": "not exist"}.items():
        with pytest.raises(DataError, match=said):
            read("image_folder", folder, table=name)
    with pytest.raises(DataError, match="not a path under the root"):
        read("image_folder", folder, table="../labels.csv")


def test_parquet_without_its_package_says_what_to_install(read, folder, monkeypatch):
    (folder / "labels.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(DependencyError, match="a Parquet table needs the package 'pyarrow'"):
        read("image_folder", folder, table="labels.parquet")


def test_real_tiles_listed_in_a_table(read, real_data):
    options = {"image_column": "file", "label_column": "binary", "tags": {"magnification": "magnification"}}
    records = read("image_folder", real_data / "A_breakhis", table="manifest.csv", **options)
    assert len(records) == 20
    for record in records:
        label = record.annotations[0]
        assert f"/{label.classes[label.class_id]}/" in record.image.path
    known = [record for record in records if "magnification" in record.tags]
    assert 10 <= len(known) < 20  # some rows leave the cell empty
    assert all(record.tags["magnification"] in record.image.path for record in known)


def test_real_dicom_pictures_state_their_own_spacing(read, real_data, tmp_path):
    for name, number in (("knee", 22), ("thigh", 26)):
        (tmp_path / name).mkdir()
        shutil.copy(real_data / f"D_dicom_sts003/STS_003/CT/image/{number:06}.dcm", tmp_path / name / "slice.dcm")
    records = read("image_folder", tmp_path, window="ct_soft_tissue")
    assert [record.image.path for record in records] == ["knee/slice.dcm", "thigh/slice.dcm"]
    assert {(record.size, record.spacing) for record in records} == {(Size(158, 154), Spacing(0.976562, 0.976562))}
    assert read("image_folder", tmp_path, window="ct_soft_tissue", spacing_mm=2)[0].spacing == Spacing(2, 2)
