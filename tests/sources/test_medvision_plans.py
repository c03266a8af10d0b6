"""MedVision plans that changed, are damaged, lead elsewhere or belong to another volume."""

from __future__ import annotations

import gzip
import json
import os
import pickle

import numpy as np
import pytest
from tests.sources.medvision_plans import PRESET, STEP, box_slices, no_slices, task_of, toy, write_plan

from medft_bm.core.errors import DataError
from medft_bm.sources import load_source
from medft_bm.sources.base import Planned


def test_a_version_that_is_not_there_is_refused_with_those_that_are(read, boxes_plan, tmp_path):
    write_plan(tmp_path / "Toy", "detection", "1.2.0", [])
    with pytest.raises(DataError, match=r"no detection plan of version 1.1.0; found: 1.0.0, 1.2.0"):
        read("medvision", tmp_path, **toy(version="1.1.0"))


def test_a_plan_that_changes_is_read_again(read, boxes_plan, labels, tmp_path):
    assert len(read("medvision", tmp_path, **toy())) == 4
    plan = write_plan(tmp_path / "Toy", "detection", "1.0.0", [task_of([boxes_plan | no_slices()])])
    os.utime(plan, ns=(1, 1))
    assert read("medvision", tmp_path, **toy()) == []
    assert read.skipped == [("Toy/Images/p1.nii.gz (axial)", "no annotated slice in this plane")]


def test_what_a_plan_says_of_an_image_is_enough_to_read_it_in_another_process(boxes_plan, tmp_path):
    source = load_source("medvision", toy())
    units = source.units(tmp_path)
    shares = pickle.dumps(source.shares(tmp_path, units))
    expected = [list(source.records_of(tmp_path, unit, print)) for unit in units]
    for plan in tmp_path.glob("*/benchmark_plan_*"):
        plan.unlink()
    found = [
        list(source.records_from(share, tmp_path, unit, print))
        for unit, share in zip(units, pickle.loads(shares), strict=True)
    ]
    assert isinstance(source, Planned)
    assert found == expected
    assert sum(map(len, found)) == 4


@pytest.mark.parametrize(
    "where", ["../../secret.nii.gz", "/etc/passwd", "Images/../../../x.nii.gz", "Images\\x.nii.gz"]
)
@pytest.mark.parametrize("key", ["image_file", "image_folder"])
def test_a_path_that_leads_out_of_the_root_is_refused(read, boxes_plan, tmp_path, where, key):
    task = task_of([{**boxes_plan, **no_slices(), "image_file": "x.nii.gz"}])
    task = {**task, key: where} if key == "image_folder" else task_of([{**boxes_plan, **no_slices(), key: where}])
    plan = write_plan(tmp_path / "Toy", "detection", "1.0.0", [task])
    with pytest.raises(DataError, match="path") as caught:
        read("medvision", tmp_path, **toy())
    assert str(plan) in caught.value.where


def test_a_pixel_size_that_the_preset_needs_and_the_plan_lacks_is_named(read, boxes_plan, labels, tmp_path):
    info = {key: value for key, value in boxes_plan["image_file_info"].items() if key != "voxel_size"}
    case = boxes_plan | box_slices(labels, STEP) | {"image_file_info": info}
    write_plan(tmp_path / "Toy", "detection", "1.0.0", [task_of([case])])
    assert read("medvision", tmp_path, **toy())
    with pytest.raises(DataError, match="lacks the key 'voxel_size'"):
        read("medvision", tmp_path, **toy(preset=PRESET))


def damage_truncated(plan, contents):
    plan.write_bytes(gzip.compress(json.dumps(contents).encode())[:-40])


def damage_no_gzip(plan, contents):
    plan.write_text(json.dumps(contents))


def damage_no_json(plan, contents):
    plan.write_bytes(gzip.compress(b"{tasks"))


def damage_other(plan, contents):
    plan.write_bytes(gzip.compress(b"[1, 2]"))


def damage_no_cases(plan, contents):
    del contents["tasks"][0]["test_cases"]
    plan.write_bytes(gzip.compress(json.dumps(contents).encode()))


def damage_no_size(plan, contents):
    del contents["tasks"][0]["train_cases"][0]["image_file_info"]["array_size"]
    plan.write_bytes(gzip.compress(json.dumps(contents).encode()))


def damage_box(plan, contents):
    box = contents["tasks"][0]["train_cases"][0]["slice_profiles_z"][0]["slice_profile"][0]["bboxes"][0]
    box["max_coords"] = [40, 3]
    plan.write_bytes(gzip.compress(json.dumps(contents).encode()))


def damage_label(plan, contents):
    contents["tasks"][0]["train_cases"][0]["slice_profiles_z"][0]["slice_profile"][0]["label"] = 9
    plan.write_bytes(gzip.compress(json.dumps(contents).encode()))


def damage_slice(plan, contents):
    contents["tasks"][0]["train_cases"][0]["slice_profiles_z"][0]["slice_idx"] = 8
    plan.write_bytes(gzip.compress(json.dumps(contents).encode()))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (damage_truncated, "cannot be read"),
        (damage_no_gzip, "cannot be read"),
        (damage_no_json, "cannot be read"),
        (damage_other, "garbled"),
        (damage_no_cases, "lacks the key 'test_cases'"),
        (damage_no_size, "lacks the key 'array_size'"),
        (damage_box, "a box of anterior hippocampus on slice 2 is not on the image"),
        (damage_label, "the label 9 is not in its labels_map"),
        (damage_slice, "there is no slice 8"),
    ],
)
def test_a_damaged_plan_gives_one_message_with_the_file(read, boxes_plan, tmp_path, damage, said):
    plan = tmp_path / "Toy" / "benchmark_plan_detection_v1.0.0.json.gz"
    damage(plan, json.loads(gzip.decompress(plan.read_bytes())))
    with pytest.raises(DataError, match=said) as caught:
        read("medvision", tmp_path, **toy())
    assert str(plan) in caught.value.where


def test_a_plan_of_another_or_a_turned_volume_is_refused(read, phantom, labels, tmp_path):
    case = phantom(labels) | box_slices(labels, STEP)
    info = case["image_file_info"]
    for wrong, said in (
        ({"array_size": [30, 40, 9]}, r"shape \[30, 40, 8\], the plan says \[30, 40, 9\]"),
        ({"affine": np.diag([0.7, 1.3, 2.9, 1]).tolist()}, "affine"),  # RAS: what the plan calls left is right
    ):
        write_plan(tmp_path / "Toy", "detection", "1.0.0", [task_of([{**case, "image_file_info": info | wrong}])])
        with pytest.raises(DataError, match=said):
            read("medvision", tmp_path, **toy())
