"""What is counted is what is in the rows."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest

from medft_bm.core.geometry import Size, Spacing
from medft_bm.core.types import SPLITS, ImageRef, Sample
from medft_bm.inspect import truths
from medft_bm.inspect.histogram import BINS, histogram
from medft_bm.inspect.tables import overlap, shares
from medft_bm.inspect.truths import measures, part_facts


def sample(truth, spacing=None):
    return Sample("u", "t", "s", "p", ImageRef("x"), Size(50, 200), spacing, truth)


def test_a_box_is_measured_in_per_cent_and_along_its_longer_side_in_mm():
    box = {"box": [10, 20, 30, 120]}  # 20 x 100 px

    assert measures(sample(box), "", "[0, 0, 1, 1]") == {"area (% of the image)": pytest.approx(20)}
    # 20 px of 7 mm are longer than 100 px of 0.5 mm
    assert measures(sample(box, Spacing(7.0, 0.5)), "", "")["longer side (mm)"] == pytest.approx(140)


def test_an_answer_with_a_unit_is_measured_by_the_numbers_it_says():
    assert measures(sample({"major": 1, "minor": 1}), "mm", "31.1, 26.2") == {
        "major axis (mm)": 31.1,
        "minor axis (mm)": 26.2,
    }
    assert measures(sample({"kind": "angle"}), "degree", "42.5") == {"angle (degree)": 42.5}
    assert measures(sample({"class_id": 2}), "", "grade 3") == {}


def test_labels_are_counted_split_by_split(prepared):
    found, looked = part_facts(prepared)

    wanted = defaultdict(Counter)
    for split in SPLITS:
        items = list(prepared.items(split))
        assert looked[split] == len(items)
        for item in items:
            wanted[item.part][item.sample.tags["label"], split] += 1
    for part, facts in enumerate(found):
        counted = {(label.name, split): n for label in facts.labels for split, n in label.counts.items() if n}
        assert counted == dict(wanted[part])
        assert facts.unknown_spacing == (facts.images if facts.name == "grades" else 0)
    assert [part.measures for part in found] == [
        [],
        ["area (% of the image)", "longer side (mm)"],
        ["major axis (mm)", "minor axis (mm)"],
        ["distance (mm)"],
    ]


def test_many_rows_are_looked_at_in_part_and_that_is_told(prepared, monkeypatch):
    monkeypatch.setattr(truths, "LOOKED_AT", 10)

    found, looked = part_facts(prepared)

    assert looked["train"] == 10
    assert sum(label.counts["train"] for part in found for label in part.labels) == 10
    assert all(any(label.counts["train"] for label in part.labels) for part in found)  # spread over all parts


def test_rare_labels_share_a_line(prepared, monkeypatch):
    monkeypatch.setattr(truths, "MOST_LABELS", 1)

    grades = part_facts(prepared)[0][0]

    assert [label.name for label in grades.labels][1:] == ["3 others"]
    assert sum(grades.labels[1].counts.values()) < sum(len(prepared.rows(split)) for split in SPLITS)


def test_every_part_says_what_the_manifest_says(prepared):
    found = {(one.part, one.split): one for one in shares(prepared)}

    for line in prepared.summary():
        one = found.pop((line["part"], line["split"]))
        assert (one.rows, one.images, one.subjects) == (line["samples"], line["images"], line["subjects"])
        assert one.images_per_subject[0] <= one.images_per_subject[1] <= one.images_per_subject[2]
    assert found == {}


def test_repetitions_are_rows_but_no_questions(prepared):
    rows = prepared.rows("train")
    tables = {**prepared.tables, "train": rows.select([*range(len(rows)), 0, 0]).flatten_indices()}
    repeated = _with(prepared, tables)

    plain, more = shares(prepared)[0], shares(repeated)[0]

    assert (more.rows, more.questions, more.images) == (plain.rows + 2, plain.questions, plain.images)


def test_subjects_and_pictures_in_two_splits_are_found(prepared):
    import datasets

    assert overlap(prepared).none
    stray = prepared.rows("train").select([3])
    leaky = _with(prepared, {**prepared.tables, "test": datasets.concatenate_datasets([prepared.rows("test"), stray])})

    found = overlap(leaky)

    assert found.subjects == stray["subject"][:]
    assert found.images == 1
    assert not found.none


def _with(prepared, tables):
    copy = replace(prepared)
    copy.__dict__["tables"] = tables
    return copy


def test_shapes_on_one_axis_keep_their_place_and_sum_to_one():
    low, high = [1.0] * 5, [9.0] * 10
    shape = histogram(low, high, [*low, *high])

    assert (shape.low, shape.high) == (1, 9)
    assert (shape.train[0], shape.held[-1]) == (1, 1)
    assert len(shape.train) == len(shape.held) == BINS
    assert (shape.smallest, shape.median, shape.largest) == (1, 9, 9)


def test_one_giant_does_not_flatten_a_shape_and_is_still_told():
    values = [*np.linspace(10, 20, 999), 5000.0]

    shape = histogram(values, [], values)

    assert shape.high < 21
    assert shape.largest == 5000
    assert sum(shape.train) == pytest.approx(1)


def test_values_that_are_all_alike_have_a_shape():
    assert sum(histogram([16] * 4, [], [16] * 4).train) == 1
