"""Raw files that are missing, damaged or contradict each other: one message, the right exit code, nothing written."""

from __future__ import annotations

import numpy as np
import pytest

from .broken import DATA, Cases
from .conftest import Bench, rewrite, truncate

case = Cases()


@case(DATA, "the folder of raw data does not exist", "nowhere")
def a_missing_data_root(bench: Bench) -> None:
    bench.ask_volumes()
    bench.sections["data"] = {"root": str(bench.folder / "nowhere")}


@case(DATA, "no file matches '*_image.nii.gz'")
def an_empty_data_root(bench: Bench) -> None:
    bench.raw.mkdir()
    bench.ask_volumes()


@case(DATA, "does not exist", "p1_mask.nii.gz")
def a_missing_mask(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    (bench.raw / "p1_mask.nii.gz").unlink()


@case(DATA, "cannot be read", "SOB_M_DC-14-3909-100-014.png")
def a_link_to_a_file_that_is_gone(bench: Bench) -> None:
    bench.raw.mkdir()
    (bench.raw / "SOB_M_DC-14-3909-100-014.png").symlink_to("nowhere.png")
    bench.parts.append({"task": "classification", "source": "breakhis"})


@case(DATA, "truncated or damaged", "p1_image.nii.gz", "copy the file again")
def a_truncated_volume(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    truncate(bench.raw / "p1_image.nii.gz")


@case(DATA, "truncated or damaged", "p1_mask.nii.gz")
def a_truncated_mask(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    truncate(bench.raw / "p1_mask.nii.gz")


@case(DATA, "the picture cannot be read", "dog/a.png")
def a_truncated_picture(bench: Bench) -> None:
    bench.pictures("cat", "dog")
    truncate(bench.raw / "dog" / "a.png")


@case(DATA, "differ in shape: (14, 11, 6) and (13, 11, 6)", "p1_image.nii.gz", "p1_mask.nii.gz", "resample")
def a_mask_of_another_shape(bench: Bench) -> None:
    bench.volume(image=np.ones((6, 11, 14), np.float32))
    bench.ask_volumes()


@case(DATA, "differ in affine", "2.9", "3.1", "p1_image.nii.gz", "p1_mask.nii.gz")
def a_mask_of_another_affine(bench: Bench) -> None:
    bench.volume(mask_spacing=(0.7, 1.3, 3.1))
    bench.ask_volumes()


@case(DATA, "no sample was found; empty mask (1 times)")
def nothing_but_an_empty_mask(bench: Bench) -> None:
    bench.volume(mask=np.zeros((6, 11, 13), np.uint8))
    bench.ask_volumes()


@case(DATA, "pixdim", "[0.0, ", "p1_image.nii.gz", "the voxel size was lost")
def a_voxel_size_of_zero(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    rewrite(bench.raw / "p1_image.nii.gz", 0.0)


@case(DATA, "pixdim", "[nan, ", "p1_mask.nii.gz", "the voxel size was lost")
def a_voxel_size_that_is_no_number(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    rewrite(bench.raw / "p1_mask.nii.gz", float("nan"))


@case(DATA, "1 of 143 values are NaN or infinite", "p1_image.nii.gz, slice 3")
def a_voxel_that_is_no_number(bench: Bench) -> None:
    values = np.ones((6, 11, 13), np.float32)
    values[3, 4, 5] = np.nan
    bench.volume(image=values)
    bench.ask_volumes()


@case(DATA, "mask values without a name: 7 (named: [1])", "p1_mask.nii.gz", "other_labels")
def a_mask_value_without_a_name(bench: Bench) -> None:
    mask = np.zeros((6, 11, 13), np.uint8)
    mask[2:5, 3:9, 2:8] = 1
    mask[4, 1, 1] = 7
    bench.volume(mask=mask)
    bench.ask_volumes()


@case(DATA, "belongs to 2 subjects", "p1_image.nii.gz", "`subject`")
def one_image_of_two_subjects(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes()
    bench.ask_volumes(subject=r"(p\d+)_")
    bench.parts[1]["name"] = "again"


@case(DATA, "no site in the path", "p1_image.nii.gz", "`tags`")
def a_path_without_the_tag(bench: Bench) -> None:
    bench.volume()
    bench.ask_volumes(tags={"site": r"(site\d+)/"})


@case(DATA, "the same", "p1", "p2")
def one_picture_of_two_patients_in_two_splits(bench: Bench) -> None:
    bench.table(split_column="set", subject_column="patient")
    (bench.raw / "b.png").write_bytes((bench.raw / "a.png").read_bytes())


@pytest.mark.parametrize("name", case)
def test_preparing_from(medft, bench, name):
    case[name].is_refused(medft, bench)
