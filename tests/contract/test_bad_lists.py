"""Tables, lists, plans and names that say what cannot be: one message, the right exit code, nothing written."""

from __future__ import annotations

import pytest

from .broken import CONFIG, DATA, Cases
from .conftest import Bench, truncate

case = Cases()


@case(DATA, "the folder 'dgo' is not one of the classes; did you mean 'dog'?")
def an_unknown_class(bench: Bench) -> None:
    bench.pictures("cat", "dgo", classes=["cat", "dog"])


@case(DATA, "no known class", "SOB_M_XY-14-3909-100-014.png")
def an_unknown_diagnosis(bench: Bench) -> None:
    bench.pictures(".")
    (bench.raw / "a.png").rename(bench.raw / "SOB_M_XY-14-3909-100-014.png")
    bench.parts[:] = [{"task": "classification", "source": "breakhis"}]


@case(DATA, "'../secret/a.png' is not a path under the root", "raw")
def a_landmark_list_that_climbs_out_of_the_root(bench: Bench) -> None:
    bench.landmarks({"image": "../secret/a.png", "points": {"tip": [3, 4], "base": [9, 30]}})
    (bench.folder / "secret").mkdir()
    (bench.raw / "a.png").rename(bench.folder / "secret" / "a.png")


@case(DATA, "the point 'tip' must be two finite numbers, got '34'", "marks.json, entry a.png")
def a_point_written_as_text(bench: Bench) -> None:
    bench.landmarks({"image": "a.png", "points": {"tip": "34", "base": [9, 30]}})


@case(DATA, "row 2 has more values than the header", "marks.csv")
def a_landmark_table_with_a_value_too_many(bench: Bench) -> None:
    bench.landmarks()
    text = "image,tip_x,tip_y,base_x,base_y\na.png,3,4,9,30\nb.png,3,4,9,30,5\n"
    (bench.raw / "marks.csv").write_text(text, encoding="utf-8")
    bench.parts[0]["source_options"]["file"] = "marks.csv"


@case(DATA, "the landmark file cannot be read", "marks.json")
def a_landmark_list_that_ends_early(bench: Bench) -> None:
    bench.landmarks({"image": "a.png", "points": {"tip": [3, 4], "base": [9, 30]}})
    truncate(bench.raw / "marks.json")


@case(DATA, "the point 'tip' has two numbers, and its slice is not known", "marks.json", "slice_field")
def a_flat_point_in_a_volume(bench: Bench) -> None:
    bench.volume()
    bench.landmarks({"image": "p1_image.nii.gz", "points": {"tip": [3, 4], "base": [9, 3]}})
    del bench.parts[0]["source_options"]["pixel_size_mm"]


@case(DATA, "there is no slice 11 along axis 2 of a volume of shape (13, 11, 6)", "marks.json")
def a_landmark_on_a_slice_that_is_not_there(bench: Bench) -> None:
    bench.volume()
    bench.landmarks({"image": "p1_image.nii.gz", "slice": 11, "points": {"tip": [3, 4], "base": [9, 3]}})
    del bench.parts[0]["source_options"]["pixel_size_mm"]
    bench.parts[0]["source_options"]["slice_field"] = "slice"


@case(CONFIG, "pixel_size_mm: volumes state their own", "p1_image.nii.gz", "drop pixel_size_mm")
def a_pixel_size_for_a_volume(bench: Bench) -> None:
    bench.volume()
    bench.landmarks({"image": "p1_image.nii.gz", "points": {"tip": [3, 4, 2], "base": [9, 3, 2]}})


@case(CONFIG, "label_column: the table has no column 'diagnoses'; did you mean 'diagnosis'?", "table.csv")
def a_table_without_a_column(bench: Bench) -> None:
    bench.table(label_column="diagnoses")


@case(CONFIG, "tags.site: the table has no column 'hospital'", "table.csv")
def a_tag_without_a_column(bench: Bench) -> None:
    bench.table(tags={"site": "hospital"})


@case(DATA, "the picture c.png does not exist", "table.csv, row 2")
def a_table_that_lists_a_picture_that_is_not_there(bench: Bench) -> None:
    bench.table("a.png,naevus,p1,train", "c.png,melanoma,p2,test")


@case(DATA, "a.png is listed in row 1 too", "table.csv, row 2")
def a_table_that_lists_a_picture_twice(bench: Bench) -> None:
    bench.table("a.png,naevus,p1,train", "a.png,melanoma,p2,test")


@case(DATA, "'../a.png' is not a path under the root", "table.csv, row 1")
def a_table_that_climbs_out_of_the_root(bench: Bench) -> None:
    bench.table("../a.png,naevus,p1,train", "b.png,melanoma,p2,test")


@case(DATA, "nothing in the column 'patient'", "table.csv, row 2")
def a_table_that_forgets_a_patient(bench: Bench) -> None:
    bench.table("a.png,naevus,p1,train", "b.png,melanoma,,test", subject_column="patient")


@case(DATA, "'holdout' is not a split", "table.csv, row 2", "test")
def a_table_with_a_split_of_another_name(bench: Bench) -> None:
    bench.table("a.png,naevus,p1,train", "b.png,melanoma,p2,holdout", split_column="set")


@case(DATA, "subject p1 is in train and in test", "must not straddle")
def a_table_with_a_patient_in_two_splits(bench: Bench) -> None:
    bench.table("a.png,naevus,p1,train", "b.png,melanoma,p1,test", split_column="set", subject_column="patient")


@case(CONFIG, "the labels are numbers: 0, 1", "`classes`")
def a_table_of_numbers_without_names(bench: Bench) -> None:
    bench.table("a.png,0,p1,train", "b.png,1,p2,test")


@case(DATA, "table.xlsx is not a table", ".csv or .parquet")
def a_table_in_another_format(bench: Bench) -> None:
    bench.table(table="table.xlsx")
    (bench.raw / "table.csv").rename(bench.raw / "table.xlsx")


@case(DATA, "no detection plan of version 1.1.0; found: 1.0.0", "Toy")
def a_plan_of_another_version(bench: Bench) -> None:
    bench.medvision(version="1.1.0")


@case(CONFIG, "unknown dataset 'Tyo'; did you mean 'Toy'?")
def a_plan_of_an_unknown_dataset(bench: Bench) -> None:
    bench.medvision(tasks="Tyo_BoxSize_Task01_Axial")


@case(DATA, "the file cannot be read", "benchmark_plan_detection_v1.0.0.json.gz", "fetch the file again")
def a_plan_that_ends_early(bench: Bench) -> None:
    bench.medvision()
    truncate(bench.raw / "Toy" / "benchmark_plan_detection_v1.0.0.json.gz")


@case(DATA, "the image is not the plan's: shape [13, 11, 6], the plan says [13, 11, 7]", "p1_image.nii.gz")
def a_plan_of_another_volume(bench: Bench) -> None:
    bench.medvision({"array_size": [13, 11, 7]})


@case(DATA, "a file cannot be read", "Folds.csv")
def published_folds_that_are_missing(bench: Bench) -> None:
    bench.pictures(".")
    (bench.raw / "a.png").rename(bench.raw / "SOB_M_DC-14-3909-100-014.png")
    options = {"folds_file": "Folds.csv", "fold": 1}
    bench.parts[:] = [{"task": "classification", "source": "breakhis", "source_options": options}]


@case(DATA, "the dataset does not exist", "nowhere")
def a_missing_dataset(bench: Bench) -> None:
    bench.raw.mkdir()
    options = {"path": "nowhere", "label_column": "dx"}
    bench.parts.append({"task": "classification", "source": "hf_dataset", "source_options": options})


@case(DATA, "dataset.pkl is not a file of a dataset", "parquet")
def a_dataset_in_another_format(bench: Bench) -> None:
    bench.raw.mkdir()
    (bench.raw / "dataset.pkl").write_bytes(b"\x80")
    options = {"path": "dataset.pkl", "label_column": "dx"}
    bench.parts.append({"task": "classification", "source": "hf_dataset", "source_options": options})


@pytest.mark.parametrize("name", case)
def test_preparing_from(medft, bench, name):
    case[name].is_refused(medft, bench)
