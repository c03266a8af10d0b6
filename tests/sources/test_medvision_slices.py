"""Lesion axes, distances and angles of MedVision: measured anew, taken as stated, or left out."""

from __future__ import annotations

import gzip
import os
import shutil

import numpy as np
import pytest
import SimpleITK
from tests.sources.medvision_plans import (
    PRESET,
    lesion,
    no_slices,
    none_left_out,
    task_of,
    toy,
    view_of,
    write_landmarks,
    write_plan,
)

from medft_bm.core.ellipse import axes_mm, lesion_axes
from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.records import AxesLabel, Region
from medft_bm.sources import load_source
from medft_bm.tasks import load_task

ENDS = {"P1": [13, 14, 1], "P2": [47, 14, 1], "P3": [30, 10, 1], "P4": [30, 19, 1]}  # 34 x 0.7 mm and 9 x 1.3 mm
POINTS = {"P1": [2, 3, 1], "P2": [12, 3, 1], "P3": [2, 3, 2], "P4": [2, 13, 1]}
MARKS = {
    "landmarks_map": {"P1": "sella", "P2": "nasion", "P3": "basion", "P4": "menton"},
    "lines_map": {
        "L-1-2": {"name": "anterior cranial base", "element_keys": ["P1", "P2"], "element_map_name": "landmarks_map"},
        "L-1-3": {"name": "", "element_keys": ["P1", "P3"], "element_map_name": "landmarks_map"},
        "L-1-4": {"name": "", "element_keys": ["P1", "P4"], "element_map_name": "landmarks_map"},
    },
    "angles_map": {"A": {"name": "", "element_keys": ["L-1-2", "L-1-4"], "element_map_name": "lines_map"}},
    "landmark_folder": "Landmarks",
}


@pytest.fixture
def tumour(phantom):
    """An ellipse of 24 x 12 mm on slice 1: many voxels along i, few along j; mask and its true axes."""
    i, j = np.mgrid[:60, :30]
    made = np.zeros((60, 30, 3), np.uint8)
    inside = ((i + 0.5) * 0.7 - 21) ** 2 / 12**2 + ((j + 0.5) * 1.3 - 19.5) ** 2 / 6**2 <= 1
    made[:, :, 1] = 2 * inside
    return made


def lesions(case, *found, **more):
    return case | no_slices() | {"slice_profiles_z": [{"slice_idx": 1, "slice_profile": list(found), **more}]}


def plan_lesion(tmp_path, case, version="1.0.0"):
    facts = {"labels_map": {"1": "brain", "2": "tumour"}, "target_label": 2, "landmark_folder": "Landmarks"}
    write_plan(tmp_path / "Toy", "biometry", version, [task_of([case], **facts)])


def test_lesions_before_1_1_1_are_measured_anew_on_their_masks(read, phantom, tumour, tmp_path):
    # What was published for this lesion has its in-plane spacings swapped: shorter major than minor axis.
    plan_lesion(tmp_path, lesions(phantom(tumour), lesion(12.9, 22.3)))
    [record] = read("medvision", tmp_path, **toy("TumorLesionSize"))
    [region] = record.annotations
    assert isinstance(region, Region)
    assert region.label == "tumour"
    assert int(region.mask.sum()) == int((tumour == 2).sum())
    assert axes_mm(lesion_axes(region.mask, record.spacing), record.spacing) == pytest.approx((24, 12), rel=0.03)


def test_the_preset_takes_lesions_as_published_even_when_they_are_wrong(read, phantom, tumour, tmp_path):
    plan_lesion(tmp_path, lesions(phantom(tumour), lesion(12.9, 22.3)))
    [record] = read("medvision", tmp_path, **toy("TumorLesionSize", preset=PRESET))
    assert record.annotations == (AxesLabel("tumour", 12.9, 22.3),)
    task = load_task("lesion_size", {"preset": PRESET})
    [sample] = task.samples(record, "p", none_left_out)
    assert task.answer(sample, view_of(record)) == "12.90, 22.30"
    said = task.score(sample, view_of(record), "about 12.90 and 22.30")  # read in single precision, as published
    assert said.values["absolute_error"] == pytest.approx(0, abs=1e-5)
    plan_lesion(tmp_path, lesions(phantom(tumour), lesion(20, 10), lesion(9, 8)))
    os.utime(tmp_path / "Toy" / "benchmark_plan_biometry_v1.0.0.json.gz", ns=(7, 7))
    assert read("medvision", tmp_path, **toy("TumorLesionSize", preset=PRESET)) == []
    assert "several ellipses" in read.skipped[-1][1]


def test_lesions_from_1_1_1_are_taken_as_stated_with_their_end_points_where_they_are_known(
    read, phantom, tumour, tmp_path
):
    case = phantom(tumour, landmark_file="Landmarks/p1.json.gz")
    plan_lesion(tmp_path, lesions(case, lesion(23.7, 11.8), n_total_clusters=1), "1.1.1")
    options = toy("TumorLesionSize", version="1.1.1")
    [record] = read("medvision", tmp_path, **options)
    assert record.annotations == (AxesLabel("tumour", 23.7, 11.8),)

    write_landmarks(tmp_path / "Toy" / "Landmarks" / "p1.json.gz", slices_z=[(1, [ENDS])])
    [record] = read("medvision", tmp_path, **options)
    [stated] = record.annotations
    assert stated.axes.major == ((14.5, 13.5), (14.5, 47.5))
    assert axes_mm(stated.axes, record.spacing) == pytest.approx((23.8, 11.7), abs=1e-5)
    assert tmp_path / "Toy" / "Landmarks" / "p1.json.gz" in load_source("medvision", options).files(tmp_path)

    write_landmarks(tmp_path / "Toy" / "Landmarks" / "p1.json.gz", slices_z=[(1, [{**ENDS, "P2": [30, 14, 1]}])])
    assert read("medvision", tmp_path, **options) == []
    assert read.skipped[0][1] == "the end points contradict the stated lengths"


def test_a_slice_with_pieces_that_nobody_measured_is_left_out(read, phantom, tumour, tmp_path):
    plan_lesion(tmp_path, lesions(phantom(tumour), lesion(23.7, 11.8), n_total_clusters=2), "1.1.1")
    assert read("medvision", tmp_path, **toy("TumorLesionSize", version="1.1.1")) == []
    assert read.skipped[0][1] == "pieces on the slice that were not measured"


def test_a_mask_on_another_grid_is_refused(read, phantom, tumour, tmp_path):
    plan_lesion(tmp_path, lesions(phantom(tumour), lesion(23.7, 11.8)))
    mask = SimpleITK.ReadImage(str(tmp_path / "Toy/Masks/p1.nii.gz"))
    mask.SetOrigin((5, 0, 0))
    SimpleITK.WriteImage(mask, str(tmp_path / "Toy/Masks/p1.nii.gz"))
    with pytest.raises(DataError, match="not on one grid"):
        read("medvision", tmp_path, **toy("TumorLesionSize"))


@pytest.fixture
def marked(phantom, tmp_path):
    """A volume with four landmarks, one of them off the slice; 7 mm, one slice and 13 mm apart."""

    def metric(key, value, kind="distance"):
        return {
            "metric_type": kind,
            "metric_map_name": f"{'lines' if kind == 'distance' else 'angles'}_map",
            "metric_key": key,
            "metric_value": value,
            "metric_unit": "mm" if kind == "distance" else "degree",
            "slice_dim": 2,
        }

    metrics = [metric("L-1-2", 7.1), metric("L-1-3", 2.9), metric("L-1-4", 13), metric("A", 89.9, "angle")]
    case = phantom(np.ones((20, 30, 4), np.uint8), landmark_file="Landmarks/p1.json.gz")
    write_plan(tmp_path / "Toy", "biometry", "1.0.0", [task_of([lesions(case, *metrics)], **MARKS)])
    # As in FeTA24, one entry per measurement; the points of a slice are in several.
    split = [(1, {k: POINTS[k] for k in keys}) for keys in (("P1", "P2"), ("P1", "P3"), ("P1", "P4"))]
    write_landmarks(tmp_path / "Toy" / "Landmarks" / "p1.json.gz", slices_z=split)
    return metrics


def test_landmarks_on_the_slice_are_measured_and_others_left_out_with_a_reason(read, marked, tmp_path):
    [record] = read("medvision", tmp_path, **toy("BiometricsFromLandmarks"))
    [marks] = record.annotations
    assert marks.points == {"sella": (3.5, 2.5), "nasion": (3.5, 12.5), "menton": (13.5, 2.5)}
    assert (marks.distances, marks.stated) == ((("sella", "nasion"), ("sella", "menton")), {})
    assert marks.angles == ((("sella", "nasion"), ("sella", "menton")),)
    assert read.skipped == [("Toy/Images/p1.nii.gz[axis 2, slice 1] L-1-3", "a landmark is not on the slice")]
    answers = [
        load_task("angle_distance", {"measure": measure}).answer(sample, view_of(record))
        for measure in ("distance", "angle")
        for sample in load_task("angle_distance", {"measure": measure}).samples(record, "p", none_left_out)
    ]
    assert answers == ["7.0", "13.0", "90.0"]


def test_the_name_of_a_configuration_says_what_is_measured(read, marked, tmp_path):
    [distances] = read("medvision", tmp_path, **toy("BiometricsFromLandmarks_Distance"))
    [angles] = read("medvision", tmp_path, **toy("BiometricsFromLandmarks_Angle"))
    assert len(distances.annotations[0].distances) == 2
    assert (distances.annotations[0].angles, angles.annotations[0].distances) == ((), ())


def test_the_preset_takes_measurements_as_published_wherever_the_points_are(read, marked, tmp_path):
    [record] = read("medvision", tmp_path, **toy("BiometricsFromLandmarks", preset=PRESET))
    assert len(record.annotations[0].distances) == 3
    task = load_task("angle_distance", {"preset": PRESET})
    samples = list(task.samples(record, "p", none_left_out))
    assert [task.answer(sample, view_of(record)) for sample in samples] == ["7.1", "2.9", "13.0"]
    assert [sample.truth["key"] for sample in samples] == ["L-1-2", "L-1-3", "L-1-4"]
    prompts = [task.prompt(sample, view_of(record)) for sample in samples]
    assert "(anterior cranial base) between two landmarks in mm: the sella and the nasion" in prompts[0]
    assert "distance between two landmarks" in prompts[1]
    assert "an MRI scan of the brain" in prompts[1]


def test_a_landmark_file_that_is_missing_or_damaged_is_named(read, marked, tmp_path):
    file = tmp_path / "Toy" / "Landmarks" / "p1.json.gz"
    for damage, said in (
        (lambda: file.write_bytes(gzip.compress(b'{"slice_landmarks_x": []}')), "lacks the key 'slice_landmarks_z'"),
        (lambda: file.write_bytes(b"x"), "cannot be read"),
        (file.unlink, "does not exist"),
    ):
        damage()
        with pytest.raises(DataError, match=said) as caught:
            read("medvision", tmp_path, **toy("BiometricsFromLandmarks"))
        assert str(file) in caught.value.where


def test_a_missing_image_is_an_error_and_the_annotation_must_fit_the_task(read, marked, boxes_plan, tmp_path):
    with pytest.raises(ConfigError, match="is not a TumorLesionSize task"):
        read("medvision", tmp_path, **toy("TumorLesionSize"))
    shutil.rmtree(tmp_path / "Toy" / "Images")
    with pytest.raises(DataError, match="does not exist"):
        read("medvision", tmp_path, **toy())
