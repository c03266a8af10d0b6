"""What does not fit the rest of a part is found, in the file that has it and in no other."""

from __future__ import annotations

import shutil

import numpy as np
from tests.prepare.cohort import LPS, SHAPE, short


def test_the_same_voxels_under_two_subjects_are_an_error(cohort):
    shutil.copytree(cohort.raw / "P1", cohort.raw / "P9")

    report = cohort.verify()

    assert short(report) == [("error", "duplicate", "P1/image.nii.gz")]
    assert "2 subjects, 'P1', 'P9': see P9/image.nii.gz" in report.findings[0].what


def test_the_same_voxels_twice_for_one_subject_are_a_warning(cohort):
    shutil.copytree(cohort.raw / "P1", cohort.raw / "P1 again")
    assert short(cohort.verify()) == [("warning", "duplicate", "P1 again/image.nii.gz")]


def test_one_file_in_two_parts_is_a_duplicate_only_when_they_call_its_subject_by_two_names(cohort):
    other = cohort.part(name="again", options={"min_pixels": 2})
    assert short(cohort.verify(cohort.part(), other)) == []
    renamed = cohort.part(name="again", options={"subject": r"^P(\d)"})
    found = short(cohort.verify(cohort.part(), renamed))
    assert found == [("error", "duplicate", f"P{number}/image.nii.gz") for number in range(4)]


def test_a_voxel_size_ten_times_that_of_the_others_is_found_on_any_axis(cohort):
    for axis in range(3):
        wrong = LPS.copy()
        wrong[axis, axis] *= 10
        cohort.write("P2", cohort.image(2), cohort.mask(), affine=wrong)
        report = cohort.verify()
        assert short(report) == [("warning", "spacing", "P2/image.nii.gz")]
    assert "0.7 x 1.1 x 30 mm" in report.findings[0].what
    assert "median of the part 0.7 x 1.1 x 3 mm" in report.findings[0].what


def test_a_volume_stored_in_another_order_of_axes_is_a_note_and_no_outlier(cohort):
    order = (2, 0, 1)  # superior first: array axes swapped, the patient stays where it is
    turned = LPS[:, [*order, 3]]
    cohort.write("P3", cohort.image(3).transpose(order), cohort.mask().transpose(order), affine=turned)

    report = cohort.verify()

    assert short(report) == [("note", "orientation", "")]
    assert "LPS (3), SLP (1)" in report.findings[0].what


def test_a_volume_of_another_size_is_found(cohort):
    image, mask = (np.concatenate([array] * 4, axis=2) for array in (cohort.image(2), cohort.mask()))
    cohort.write("P2", image, mask)

    report = cohort.verify()

    assert short(report) == [("warning", "shape", "P2/image.nii.gz")]
    assert "the size is 20 x 26 x 36" in report.findings[0].what


def test_images_and_slices_that_show_nothing_are_found(cohort):
    cohort.write("P0", np.full(SHAPE, -1000, np.int16), cohort.mask())
    image = cohort.image(1)
    image[:, :, 3] = 40
    cohort.write("P1", image, cohort.mask())

    report = cohort.verify()

    assert short(report) == [("warning", "constant", "P0/image.nii.gz"), ("warning", "constant", "P1/image.nii.gz")]
    assert report.findings[0].what == "every value is -1000"
    assert report.findings[1].what.startswith("1 of 4 slices in use hold one value only, like slice 3 along axis 2")


def test_a_ct_window_on_values_that_are_not_hounsfield_units_is_found_once(cohort):
    for number in range(4):
        cohort.write(f"P{number}", cohort.image(number) + 1000, cohort.mask())
    report = cohort.verify()
    assert short(report) == [("warning", "window", "")]
    assert cohort.verify(cohort.part(options={"window": "percentile"})).findings == ()


def test_a_window_that_shows_one_grey_or_cannot_show_it_is_found(cohort):
    cohort.write("P0", cohort.image(0) // 10 - 900, cohort.mask())
    report = cohort.verify()
    assert short(report) == [("warning", "window", "P0/image.nii.gz")]
    assert "is one flat grey in the window 'ct_soft_tissue'" in report.findings[0].what

    unfit = cohort.verify(cohort.part(options={"window": "as_is"}))
    assert short(unfit) == [("error", "window", f"P{number}/image.nii.gz") for number in range(4)]


def test_a_label_of_one_subject_is_found(cohort):
    for number in range(1, 4):
        mask = cohort.mask()
        mask[mask == 2] = 0
        cohort.write(f"P{number}", cohort.image(number), mask)
    report = cohort.verify()
    assert short(report) == [("warning", "single-subject", "")]
    assert "'kidney'" in report.findings[0].what
