"""MedVision plans as records: boxes, tags, splits and what shares an image."""

from __future__ import annotations

import numpy as np
import pytest
from tests.sources.medvision_plans import (
    STEP,
    box_slices,
    task_of,
    toy,
    write_hippocampus,
    write_plan,
)

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.geometry import Box, Size
from medft_bm.core.records import BoxLabel
from medft_bm.sources import load_source
from medft_bm.tasks import load_task


def test_boxes_of_real_ras_volumes_are_where_their_masks_are_on_the_screen(read, real_data, tmp_path):
    write_hippocampus(real_data, tmp_path)
    names = [f"Hippo_BoxSize_Task01_{plane}" for plane in ("Axial", "Coronal", "Sagittal")]
    said = read("medvision", tmp_path, version="1.0.0", tasks=names)
    masked = read(
        "nifti_masks",
        tmp_path / "Hippo",
        images="Images/*.nii.gz",
        masks="Masks/{name}",
        labels={1: "anterior hippocampus", 2: "posterior hippocampus"},
        planes=["axial", "coronal", "sagittal"],
    )
    by_slice = {(r.image.path, r.image.axis, r.image.index): r for r in masked}
    assert len(said) == len(by_slice) > 150
    single = 0
    for record in said:
        twin = by_slice[record.image.path.removeprefix("Hippo/"), record.image.axis, record.image.index]
        assert (record.size, record.spacing, record.tags["plane"]) == (twin.size, twin.spacing, twin.tags["plane"])
        for region in twin.annotations:
            pieces = [box for box in record.annotations if box.label == region.label]
            assert Box.around(np.concatenate([piece.box.corners for piece in pieces])) == Box.of_mask(region.mask)
            single += len(pieces) == 1
    assert single > 150


def test_a_box_in_an_lps_volume_is_shown_as_stored_in_axial_and_from_above_in_coronal(read, boxes_plan, tmp_path):
    axial = read("medvision", tmp_path, **toy())
    assert [record.image.index for record in axial] == [2, 3, 4, 5]
    assert axial[0].size == Size(40, 30)
    assert axial[0].annotations == (BoxLabel("anterior hippocampus", Box(20, 5, 34, 17)),)
    assert (axial[0].spacing.y, axial[0].spacing.x) == pytest.approx((1.3, 0.7), abs=1e-7)
    coronal = read("medvision", tmp_path, **toy(plane="Coronal"))
    at_25 = next(record for record in coronal if record.image.index == 25)
    assert at_25.size == Size(8, 30)
    assert [box.box for box in at_25.annotations] == [Box(3, 5, 6, 17), Box(2, 18, 3, 29)]  # k 2..4 of 8, top is k 7


def test_what_the_plan_says_becomes_tags_and_the_official_split(read, boxes_plan, tmp_path):
    record = read("medvision", tmp_path, **toy())[0]
    assert record.tags == {
        "modality": "MRI",
        "plane": "axial",
        "dataset": "Toy",
        "description": "an MRI scan of the brain",
    }
    assert (record.split, record.subject) == ("train", "Toy/p1")
    assert (record.image.path, record.image.frame, record.image.window) == (
        "Toy/Images/p1.nii.gz", "display", "percentile",
    )  # fmt: skip


def _note(what, why):
    assert why == "several separate pieces on one slice"


def test_several_pieces_follow_the_rule_of_the_task(read, boxes_plan, tmp_path):
    two = read("medvision", tmp_path, **toy())[-1]
    boxes = {
        rule: [sample.truth["box"] for sample in load_task("detection", {"components": rule}).samples(two, "p", _note)]
        for rule in ("single", "largest", "union")
    }
    assert boxes == {"single": [], "largest": [[22, 18, 39, 29]], "union": [[2, 3, 39, 29]]}


def test_the_official_split_is_kept_or_ignored_on_request(read, real_data, tmp_path):
    write_hippocampus(real_data, tmp_path)
    options = {"version": "1.0.0", "tasks": "Hippo_BoxSize_Task01_Axial"}
    kept = read("medvision", tmp_path, **options)
    assert {record.subject: record.split for record in kept} == {
        "Hippo/hippocampus_001": "train",
        "Hippo/hippocampus_003": "train",
        "Hippo/hippocampus_004": "test",
    }
    assert {r.split for r in read("medvision", tmp_path, **options, official_split="ignore")} == {None}
    assert {r.subject for r in read("medvision", tmp_path, **options, subject=r"(\d)\d\.nii")} == {"0"}
    test = read("medvision", tmp_path, version="1.0.0", tasks="Hippo_BoxSize_Task01_Axial_Test")
    assert test == [record for record in kept if record.split == "test"]


def test_an_image_that_is_for_training_here_and_for_testing_there_needs_a_split_of_its_own(
    read, phantom, labels, tmp_path
):
    case = phantom(labels) | box_slices(labels, STEP)
    write_plan(tmp_path / "Toy", "detection", "1.0.0", [task_of([case]), task_of([], [case])])
    options = {"version": "1.0.0", "tasks": ["Toy_BoxSize_Task01_Axial", "Toy_BoxSize_Task02_Coronal"]}
    with pytest.raises(DataError, match="training case of one task and a test case"):
        read("medvision", tmp_path, **options)
    assert read("medvision", tmp_path, **options, official_split="ignore")


def test_tasks_on_one_image_share_a_unit_and_its_slices_unless_they_ask_the_same(read, phantom, labels, tmp_path):
    case = phantom(labels)
    liver, spleen = (case | box_slices(labels * (labels == value), STEP) for value in (1, 2))
    tasks = [task_of([liver]), task_of([spleen], labels_map={"2": "spleen"})]
    write_plan(tmp_path / "Toy", "detection", "1.0.0", tasks)
    names = [f"Toy_BoxSize_Task0{number}_Coronal" for number in (1, 2)]
    source = load_source("medvision", {"version": "1.0.0", "tasks": names})
    assert source.units(tmp_path) == ["Toy/Images/p1.nii.gz"]
    records = read("medvision", tmp_path, version="1.0.0", tasks=names)
    assert len({record.image for record in records}) == len(records)
    assert {box.label for record in records for box in record.annotations} == {"anterior hippocampus", "spleen"}
    assert max(len(record.annotations) for record in records) == 2
    with pytest.raises(ConfigError, match="both ask about 'anterior hippocampus'"):
        read("medvision", tmp_path, version="1.0.0", tasks=[names[0], f"{names[0]}_Train"])
