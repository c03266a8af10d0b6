from __future__ import annotations

import pytest
from PIL import Image

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.geometry import Size, Spacing


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
    [{"subject": "p(1"}, {"subject": "p1"}, {"spacing_mm": 0}, {"classes": ["a", "a"]}, {"window": "ct_lungs"}],
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
