"""Boxes exactly as published with the annotations 1.0.0."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK
from tests.sources.medvision_plans import PRESET, STEP, box_slices, none_left_out, task_of, toy, view_of, write_plan

from medft_bm.core.geometry import Box, Size
from medft_bm.imaging.slices import render
from medft_bm.tasks import load_task


def test_the_preset_reproduces_frame_inclusive_boxes_and_filters(read, boxes_plan, tmp_path):
    records = read("medvision", tmp_path, **toy(preset=PRESET))
    assert [record.image.index for record in records] == [2, 3, 4]
    assert read.skipped == [
        (
            "Toy/Images/p1.nii.gz[axis 2, slice 5] posterior hippocampus",
            "several boxes of one label on one slice, as the preset drops",
        )
    ]
    record = records[0]
    assert record.size == Size(30, 40)  # rows are the first array axis, unflipped
    assert record.annotations[0].box == Box(5, 20, 16, 33)  # 11 x 13 instead of 12 x 14: the published edges
    assert (record.image.frame, record.image.window, record.tags["preset"]) == ("stored", "min_max", PRESET)
    sample = next(load_task("detection", {"preset": PRESET}).samples(record, "p", none_left_out))
    # x1 = min1 / W, y1 = (H - max0) / H, x2 = max1 / W, y2 = (H - min0) / H
    expected = [20 / 40, (30 - 16) / 30, 33 / 40, (30 - 5) / 30]
    answer = load_task("detection", {"preset": PRESET}).answer(sample, view_of(record))
    assert answer == ", ".join(f"{value:.4f}" for value in expected) == "0.5000, 0.4667, 0.8250, 0.8333"


def test_the_preset_drops_boxes_under_ten_pixels_counted_inclusively(read, phantom, tmp_path):
    made = np.zeros((30, 40, 4), np.uint8)
    made[0:10, 0:10, 1] = 1
    made[0:9, 0:20, 2] = 1
    write_plan(tmp_path / "Toy", "detection", "1.0.0", [task_of([phantom(made) | box_slices(made, STEP)])])
    assert [record.image.index for record in read("medvision", tmp_path, **toy(preset=PRESET))] == [1]
    assert read.skipped[0][1] == "box side under 10 pixels, as the preset drops"
    assert len(read("medvision", tmp_path, **toy())) == 2


def test_the_preset_takes_the_rounded_pixel_size_and_the_default_the_header_s(read, phantom, labels, tmp_path):
    case = phantom(labels) | box_slices(labels, STEP)
    case["image_file_info"] = {**case["image_file_info"], "voxel_size": [0.701, 1.299, 2.9]}
    write_plan(tmp_path / "Toy", "detection", "1.0.0", [task_of([case])])
    published, corrected = (read("medvision", tmp_path, **toy(**more))[0] for more in ({"preset": PRESET}, {}))
    assert (published.spacing.y, published.spacing.x) == (0.701, 1.299)
    assert (corrected.spacing.y, corrected.spacing.x) == pytest.approx((1.3, 0.7), abs=1e-7)


def test_what_the_preset_shows_is_the_raw_array(read, boxes_plan, tmp_path):
    record = read("medvision", tmp_path, **toy(preset=PRESET))[0]
    raw = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / record.image.path)))[2].T
    [image] = render(tmp_path, [record.image])
    scaled = (raw - raw.min()) * (255 / (raw.max() - raw.min()))
    assert np.abs(image - scaled).max() <= 0.5
