"""Tables in the form of MedVision's, every number worked out by hand."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from tests.evaluate.medvision_replies import PARTS, asked, axes, box, marks

from medft_bm.core.geometry import Box
from medft_bm.evaluate.medvision.gaps import Gaps, mean_gaps, published_mean
from medft_bm.evaluate.medvision.scores import gap, overlap
from medft_bm.evaluate.medvision.tables import medvision_tables
from medft_bm.prepare.dataset import PartInfo
from medft_bm.tasks import load_task

# Rows 8 to 24 of 64 and columns 32 to 96 of 128: x from 0.25 to 0.75, y from 40/64 to 56/64 counted upwards.
BOX = Box(8.0, 32.0, 24.0, 96.0)
TRUTH = (0.25, 0.625, 0.75, 0.875)
RIGHT, HALF, FLIPPED = "0.25, 0.625, 0.75, 0.875", "0.25, 0.625, 0.5, 0.875", "0.75, 0.875, 0.25, 0.625"
NOTHING = "I cannot tell"


def rows(table, who="after"):
    """Rows of one model by their first cell, cells by column."""
    at = table.columns.index("model")
    cells = [dict(zip(table.columns, row, strict=True)) for row in table.rows if row[at] == who]
    return {row[table.columns[0]]: row for row in cells}


def tables(*groups, who="tuned"):
    return medvision_tables({who: [one for group in groups for one in group]}, PARTS)


@pytest.mark.parametrize(
    ("reply", "recall", "precision", "f1", "iou"),
    [
        (RIGHT, 1, 1, 1, 1),
        (HALF, 0.5, 1, 2 / 3, 0.5),
        ("0, 0.5, 1, 1", 1, 0.25, 0.4, 0.25),  # 0.125 of 0.5
        ("0.5, 0.75, 1.5, 1.25", 0.25, 0.0625, 0.1, 0.03125 / 0.59375),  # not clipped to the image
        (FLIPPED, 0, 0, 0, 0),
        ("0.25, 0.875, 0.75, 0.625", 0, 0, 0, 0),  # y counted downwards
        ("0.75, 0.625, 1, 0.875", 0, 0, 0, 0),  # edges touch
        ("The box has 4 corners: [0.25, 0.625, 0.75, 0.875]", 1, 1, 1, 1),
    ],
)
def test_boxes_overlap_by_areas_of_corners_as_they_are_written(reply, recall, precision, f1, iou):
    found = overlap(reply, TRUTH)
    assert (found.recall, found.precision, found.f1, found.iou) == pytest.approx((recall, precision, f1, iou))
    assert found.flipped == (reply in (FLIPPED, "0.25, 0.875, 0.75, 0.625"))


def test_a_box_that_ends_where_it_starts_scores_nothing_even_when_it_is_right():
    assert overlap("0.25, 0.5, 0.25, 0.875", (0.25, 0.5, 0.25, 0.875)).iou == 0


@pytest.mark.parametrize(
    ("reply", "truth", "absolute", "relative"),
    [
        ("22, 10", (20, 10), 1, 0.05),
        ("10, 20", (20, 10), 10, 0.75),  # the order counts
        ("-80", (80,), 160, 2),  # below 0 and still an answer
        ("1.05", (0.05,), 1, 20),
        ("1", (0,), 1, 1e15),
    ],
)
def test_errors_are_means_over_axes_and_relative_to_the_true_value(reply, truth, absolute, relative):
    found = gap(reply, truth)
    assert found.absolute == pytest.approx(absolute)
    assert found.relative == pytest.approx(relative)


def test_a_relative_error_of_exactly_a_tenth_is_not_under_it():
    under = mean_gaps([gap("22", (20,)), gap("21.5", (20,))]).under
    assert under == (0.5, 1, 1)


def test_a_number_beyond_32_bits_is_not_read_and_spoils_no_mean():
    mean = mean_gaps([gap("9" * 60, (20,)), gap("24", (20,))])
    assert (mean.success, mean.absolute, mean.under) == (0.5, 4, (0, 0, 0.5))


def test_regions_weigh_by_their_samples_and_what_cannot_be_read_counts_0():
    liver = asked("boxes", box("liver", BOX), [RIGHT] * 25 + [HALF] * 13 + [FLIPPED] * 6 + [NOTHING] * 6)
    kidney = asked("boxes", box("left kidney", BOX), [RIGHT] * 150, modality="MRI", plane="coronal")
    means, single = tables(liver, kidney)

    region = rows(single)["Liver @ CT (A)"]
    assert (region["n"], region["patients"], region["counted as"]) == (50, 10, "anatomy")
    assert region["recall %"] == pytest.approx(100 * (25 + 6.5) / 50)
    assert region["precision %"] == pytest.approx(100 * (25 + 13) / 50)
    assert region["F1 %"] == pytest.approx(100 * (25 + 13 * 2 / 3) / 50)
    assert region["IoU %"] == pytest.approx(100 * (25 + 6.5) / 50)
    assert region["SR %"] == pytest.approx(100 * 44 / 50)
    assert region["IoU>0.5 %"] == pytest.approx(100 * 38 / 50)
    assert region["IoU>0.6 %"] == region["IoU>0.9 %"] == pytest.approx(100 * 25 / 50)
    assert rows(single)["Kidney @ MR (C)"]["IoU %"] == 100

    mean = rows(means)
    assert list(mean) == ["Anatomy: 2", "Anatomy: 2, of what was read"]
    assert mean["Anatomy: 2"]["IoU %"] == pytest.approx((50 * 63 + 150 * 100) / 200)
    assert mean["Anatomy: 2, of what was read"]["n"] == 194
    assert mean["Anatomy: 2, of what was read"]["IoU %"] == pytest.approx((31.5 + 150) / 1.94)
    assert "after: 6 of 200 boxes have swapped corners and score 0, as published." in means.notes


def test_small_miscellaneous_and_unknown_regions_are_shown_and_not_counted():
    few = asked("boxes", box("spleen", BOX), [RIGHT] * 49)
    tumor = asked("boxes", box("liver cancer", BOX), [RIGHT] * 30)
    other = asked("boxes", box("liver tumour", BOX), [NOTHING] * 30)
    vague = asked("boxes", box("tumor", BOX), [RIGHT] * 60)
    new = asked("boxes", box("gizmo", BOX), [RIGHT] * 60, modality="ultrasound", plane="sagittal")
    means, single = tables(few, tumor, other, vague, new)

    assert {name: row["counted as"] for name, row in rows(single).items()} == {
        "Spleen @ CT (A)": "not counted: under 50",
        "Liver Tumor/Lesion @ CT (A)": "tumor/lesion",
        "Miscellaneous Tumor/Lesion @ CT (A)": "not counted",
        "Others @ US (S)": "not counted",
    }
    mean = rows(means)
    assert list(mean) == ["Tumor/Lesion: 1", "Tumor/Lesion: 1, of what was read"]
    assert (mean["Tumor/Lesion: 1"]["n"], mean["Tumor/Lesion: 1"]["IoU %"]) == (60, 50)
    assert "Not among the published labels: gizmo." in means.notes
    assert not any("swapped" in note for note in means.notes)


LIVER = ["22, 10", "30, 10", NOTHING, "about 12"]  # errors 1 and 5 mm, 5 % and 25 %
BRAIN = ["20, 10", "10, 20"]  # 0 and 10 mm, 0 and 75 %


def test_a_lesion_size_label_of_which_nothing_was_read_vanishes_as_published_and_stays_where_replies_weigh_alike():
    liver = asked("sizes", axes("liver cancer", 20, 10), LIVER)
    brain = asked("sizes", axes("enhancing brain tumor tissue", 20, 10), BRAIN, modality="MRI", plane="coronal")
    kidney = asked("sizes", axes("kidney tumor", 20, 10), [NOTHING] * 3)
    means, single = tables(liver, brain, kidney)

    label = rows(single)["liver tumor @ CT (A)"]
    assert [label[key] for key in ("n", "MAE", "MRE %", "SR %")] == pytest.approx([4, 3, 15, 50])
    assert [label[f"MRE<0.{k} %"] for k in (1, 2, 3)] == pytest.approx([25, 25, 50])
    assert rows(single)["enhancing brain tumor @ MR (C)"]["MAE"] == 5
    failed = rows(single)["kidney tumor @ CT (A)"]
    assert (failed["n"], failed["MAE"], failed["MRE %"], failed["SR %"]) == (3, None, None, 0)

    published = rows(means)["all labels"]
    assert [published[key] for key in ("n", "MAE", "MRE %", "SR %", "MRE<0.1 %")] == pytest.approx(
        [6, (4 * 3 + 2 * 5) / 6, 100 * (4 * 0.15 + 2 * 0.375) / 6, 100 * 4 / 6, 100 * 2 / 6]
    )
    alike = rows(means)["all labels, weighed as read"]
    assert [alike[key] for key in ("n", "MAE", "MRE %", "SR %", "MRE<0.1 %", "MRE<0.3 %")] == pytest.approx(
        [9, (1 + 5 + 0 + 10) / 4, 100 * (0.05 + 0.25 + 0 + 0.75) / 4, 100 * 4 / 9, 100 * 2 / 9, 100 * 3 / 9]
    )
    assert published["unit"] == "mm"


def test_a_table_of_which_nothing_was_read_has_no_published_mean():
    means, single = tables(asked("sizes", axes("kidney tumor", 20, 10), [NOTHING] * 2))
    assert list(rows(means)) == ["all labels, weighed as read"]
    assert means.text() == [
        ["all labels, weighed as read", "after", "mm", "2", "2", "–", "–", "0.0", "0.0", "0.0", "0.0"]
    ]
    assert len(single.rows) == 1


def test_miscellaneous_lesions_count_in_sizes_although_they_do_not_in_boxes():
    means, _ = tables(asked("sizes", axes("tumor", 20, 10), ["20, 10"]))
    assert rows(means)["all labels"]["n"] == 1


def test_distances_and_angles_are_taken_together_by_data_set_and_never_with_each_other():
    feta = asked("distances", marks(40, "L-1-2"), ["44", "40"], dataset="FeTA24")
    ceph = asked("distances", marks(50, "L-1-2"), ["60", NOTHING], dataset="Ceph-Biometrics-400")
    failed = asked("distances", marks(50, "L-3-4"), [NOTHING] * 2, dataset="Ceph-Biometrics-400")
    angles = asked("angles", marks(80, "A-L_1_2-L_2_5"), ["60"], dataset="Ceph-Biometrics-400")
    means, single = tables(feta, ceph, failed, angles)

    mean = rows(means)
    assert list(mean) == ["Ceph-Angle", "Ceph-Distance", "Ceph-Distance, weighed as read", "FeTA-Distance"]
    assert (mean["Ceph-Angle"]["unit"], mean["Ceph-Angle"]["MAE"], mean["Ceph-Angle"]["MRE %"]) == ("degree", 20, 25)
    assert [mean["FeTA-Distance"][key] for key in ("unit", "MAE", "MRE %", "MRE<0.1 %")] == ["mm", 2, 5, 50]
    # Unlike a lesion's label, the one of which nothing was read stays in SR.
    assert [mean["Ceph-Distance"][key] for key in ("n", "MAE", "MRE %", "SR %")] == pytest.approx([4, 10, 20, 25])
    assert list(rows(single)) == [
        "Ceph-Biometrics-400_angle_A-L_1_2-L_2_5",
        "Ceph-Biometrics-400_distance_L-1-2",
        "Ceph-Biometrics-400_distance_L-3-4",
        "FeTA24_distance_L-1-2",
    ]


def test_angles_near_0_decide_the_relative_error_and_are_left_out_of_a_row_of_their_own():
    small = asked("angles", marks(0.05, "A-1"), ["1.05"], dataset="Ceph-Biometrics-400")
    large = asked("angles", marks(50, "A-2"), ["52"] * 3, dataset="Ceph-Biometrics-400")
    means, _ = tables(small, large)

    mean = rows(means)
    assert mean["Ceph-Angle"]["MRE %"] == pytest.approx(100 * (20 + 3 * 0.04) / 4)
    assert mean["Ceph-Angle"]["MAE"] == pytest.approx((1 + 3 * 2) / 4)
    later = mean["Ceph-Angle, true values from 0.1"]
    assert (later["n"], later["MAE"], later["MRE %"]) == (3, pytest.approx(2), pytest.approx(4))


def test_the_published_mean_over_labels_gives_what_was_published():
    """Labels and mean of MedVision-V0 on lesion sizes, from the results in the benchmark's repository."""
    labels = [
        Gaps(1025, 11.3420, 0.2775, 1.0, (0.1620, 0.4078, 0.6449)),
        Gaps(256, 16.3753, 0.3313, 1.0, (0.1953, 0.4141, 0.5859)),
        Gaps(198, 6.1891, 0.2232, 1.0, (0.3838, 0.6616, 0.8384)),
        Gaps(166, 7.8159, 0.2049, 1.0, (0.3253, 0.6024, 0.7831)),
        Gaps(151, 6.0207, 0.1955, 1.0, (0.3841, 0.7020, 0.7881)),
        Gaps(97, 5.2125, 0.1313, 1.0, (0.5361, 0.8041, 0.8866)),
        Gaps(63, 6.2492, 0.2827, 1.0, (0.1746, 0.3968, 0.6349)),
        Gaps(52, 16.2534, 0.2597, 1.0, (0.0962, 0.4423, 0.6346)),
    ]
    mean = published_mean(labels)
    assert mean.n == 2008
    assert (mean.absolute, mean.relative) == pytest.approx((10.4553, 0.2595), abs=1e-4)
    assert mean.under == pytest.approx((0.2351, 0.4915, 0.6897), abs=1e-4)


# True and predicted lengths in mm of MedVision-V0, from the results in the benchmark's repository.
FETA = [
    (27.5, "26.500"), (22.0, "26.500"), (28.5, "29.000"), (33.375, "27.188"), (34.5, "30.500"), (20.5, "27.500"),
    (45.0, "45.500"), (25.3125, "30.472"), (23.0, "28.000"), (28.0, "33.000"), (19.5, "25.400"), (26.0, "32.500"),
    (42.65625, "31.461"), (29.96875, "27.194"), (45.5, "32.000"), (44.6875, "30.594"), (29.453125, "27.500"),
    (28.0, "29.000"), (16.5, "28.500"), (25.5, "28.502"),
]  # fmt: skip


def test_published_replies_give_the_published_numbers():
    groups = [asked("distances", marks(true, "L-9-10"), [said], dataset="FeTA24") for true, said in FETA]
    _, single = tables(*groups)
    row = rows(single)["FeTA24_distance_L-9-10"]
    assert row["n"] == 20
    assert (row["MAE"], row["MRE %"]) == pytest.approx((5.53825626373291, 19.894277022654544), rel=1e-6)
    assert [row[key] for key in ("SR %", "MRE<0.1 %", "MRE<0.2 %", "MRE<0.3 %")] == pytest.approx([100, 30, 50, 80])


def test_everyone_has_a_row_and_only_what_was_asked_with_the_preset_counts():
    boxes = asked("boxes", box("liver", BOX), [RIGHT] * 50)
    wrong = asked("boxes", box("liver", BOX), [HALF] * 50)
    means, _ = medvision_tables({"baseline": wrong, "base": wrong, "tuned": boxes}, PARTS)
    assert [(row[0], row[1], row[7]) for row in means.rows] == [
        ("Anatomy: 1", "trivial baseline", 50),
        ("Anatomy: 1", "before", 50),
        ("Anatomy: 1", "after", 100),
    ]
    own = [PartInfo(part.name, load_task(part.task.name, {}), "nifti_masks") for part in PARTS]
    assert medvision_tables({"tuned": boxes}, own) == []
    assert medvision_tables({"tuned": []}, PARTS) == []


def test_tables_are_plain_data_with_one_decimal_where_they_are_read():
    small = asked("angles", marks(0, "A-1"), ["1"], dataset="Ceph-Biometrics-400")
    means, _ = tables(small)
    assert json.loads(json.dumps(asdict(means), allow_nan=False))["columns"] == list(means.columns)
    assert means.text()[0][:7] == ["Ceph-Angle", "after", "degree", "1", "1", "1.0", "1.0e+17"]
