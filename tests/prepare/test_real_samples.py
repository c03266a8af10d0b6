"""Real files through the whole of preparation, with truths that can be checked by hand or by another program."""

from __future__ import annotations

import json
import re
from collections import defaultdict

import numpy as np
import pytest
import SimpleITK as sitk

from medft_bm.config.load import load_config
from medft_bm.core.ellipse import LesionAxes, axes_mm
from medft_bm.core.geometry import PixelMap, Size
from medft_bm.core.types import SPLITS
from medft_bm.models.cells import Cells
from medft_bm.models.gemma3 import Gemma3
from medft_bm.models.qwen2_5_vl import Qwen25VL
from medft_bm.prepare.dataset import prepare_dataset
from medft_bm.prepare.index import ask
from medft_bm.prepare.split import hide
from medft_bm.tasks.angle_distance import measure


@pytest.fixture(scope="module")
def data(repository, real_data, tmp_path_factory):
    words = [f"data.root={real_data}", f"data.cache={tmp_path_factory.mktemp('real')}", "model.name=unused"]
    return load_config(repository / "tasks" / "real_samples.yaml", words, {}).config.data


@pytest.fixture(scope="module")
def samples(data):
    """Every sample before split and limits, by part."""
    found = defaultdict(list)
    for one in ask(data):
        for unit in one.source.units(one.root):
            for record in one.source.records_of(one.root, unit, lambda what, why: None):
                found[one.part.name] += one.task.samples(record, one.part.name, lambda what, why: None)
    return found


@pytest.fixture(scope="module", params=["gemma3", "qwen2_5_vl"])
def prepared(request, data):
    family = Gemma3(Size(896, 896), 256) if request.param == "gemma3" else Qwen25VL(Cells(28, 56 * 56, 28 * 28 * 1280))
    return prepare_dataset(data, family)


def test_every_part_is_asked_and_nobody_is_in_two_splits(prepared, data):
    rows = prepared.summary()
    assert {row["part"] for row in rows} == {part.name for part in data.mix}
    splits = defaultdict(set)
    for split in SPLITS:
        for subject in prepared.rows(split)["subject"]:
            splits[subject].add(split)
    assert all(len(seen) == 1 for seen in splits.values())


def test_ct_mr_and_pet_of_one_patient_are_in_one_split(prepared, data):
    listed = json.loads((prepared.folder / "split.json").read_text())
    patients = [hide(name, data.salt) for name in ("STS_002", "STS_008", "STS_019", "STS_025", "STS_042")]
    by_part = defaultdict(set)
    for split in SPLITS:
        for item in prepared.items(split):
            if item.sample.subject in patients:
                by_part[item.sample.subject].add((prepared.parts[item.part].name, split))
    assert len(by_part) == 5
    for subject, seen in by_part.items():
        assert {split for _, split in seen} == {listed[subject]}


def test_sarcoma_axes_equal_the_moments_that_another_program_finds(samples, real_data):
    checked = 0
    for sample in samples["sarcoma size, CT"]:
        if sample.tags["plane"] != "axial":
            continue
        mask = sitk.ReadImage(str(real_data / "B_sts_tumour" / sample.image.path.replace("_image", "_mask")))
        cut = sitk.Cast(mask, sitk.sitkUInt8)[:, :, sample.image.index]
        shape = sitk.LabelShapeStatisticsImageFilter()
        shape.Execute(cut)
        moments = np.array(shape.GetPrincipalMoments(1))[::-1]
        # SimpleITK's moments are of pixel centres; ours include the pixel's own area.
        expected = 4 * np.sqrt(moments + np.square(cut.GetSpacing()).mean() / 12)
        found = axes_mm(LesionAxes(sample.truth["major"], sample.truth["minor"]), sample.spacing)
        assert found == pytest.approx(expected, rel=2e-3)
        checked += 1
    assert checked >= 10


def test_the_largest_slice_of_sts_002_is_as_large_as_its_box(samples):
    """The data's README gives the tumour's box as 56 x 38 x 52 mm."""
    sizes = [
        axes_mm(LesionAxes(sample.truth["major"], sample.truth["minor"]), sample.spacing)
        for sample in samples["sarcoma size, CT"]
        if "STS_002" in sample.image.path and sample.tags["plane"] == "axial"
    ]
    major, minor = max(sizes)
    assert 45 < major < 62
    assert 25 < minor < 45


def test_boxes_lie_where_the_mask_lies_in_the_patient(samples, real_data):
    """LPS files: the box's centre goes back to millimetres and must meet the mask's own centre on that slice."""
    for sample in samples["sarcoma boxes, CT"]:
        path = real_data / "B_sts_tumour" / sample.image.path.replace("_image", "_mask")
        mask = sitk.ReadImage(str(path))
        voxels = sitk.GetArrayFromImage(mask).T
        here = np.argwhere(np.take(voxels, sample.image.index, axis=sample.image.axis))
        low, high = here.min(axis=0), here.max(axis=0)
        centre = np.insert((low + high) / 2, sample.image.axis, sample.image.index)
        lps = np.array(mask.TransformContinuousIndexToPhysicalPoint(centre.tolist()))
        _, x0, _, x1 = sample.truth["box"]
        towards_left = ((x0 + x1) / 2 - sample.size.w / 2) * sample.spacing.x
        edge = [mask.TransformContinuousIndexToPhysicalPoint(corner) for corner in _ends(mask)]
        middle_of_image = (edge[0][0] + edge[1][0]) / 2
        # Patient left is image right in axial and coronal slices, and +x in LPS.
        assert towards_left == pytest.approx(lps[0] - middle_of_image, abs=1e-3)


def _ends(mask):
    """Continuous indices of the outer corners of the first and the last voxel."""
    return [-0.5] * 3, [n - 0.5 for n in mask.GetSize()]


def test_hippocampus_anterior_is_in_front_on_axial_and_on_the_left_of_sagittal_slices(samples):
    centres = defaultdict(dict)
    for sample in samples["hippocampus boxes, MR"]:
        y0, x0, y1, x1 = sample.truth["box"]
        key = (sample.image.path, sample.image.axis, sample.image.index, sample.tags["plane"])
        centres[key][sample.truth["label"].split()[0]] = ((y0 + y1) / 2, (x0 + x1) / 2)
    both = [(key[3], found) for key, found in centres.items() if len(found) == 2]
    axial = [found["anterior"][0] < found["posterior"][0] for plane, found in both if plane == "axial"]
    sagittal = [found["anterior"][1] < found["posterior"][1] for plane, found in both if plane == "sagittal"]
    assert len(axial) > 10
    assert np.mean(axial) > 0.95
    assert len(sagittal) > 5
    assert np.mean(sagittal) > 0.95


def test_fetal_head_axes_meet_the_published_values(samples, real_data):
    listed = {
        entry["filename"]: entry
        for entry in json.loads((real_data / "C_hc18" / "landmarks_derived.json").read_text(encoding="utf-8"))
    }
    found = samples["fetal head axes, ultrasound"]
    assert len(found) == 60
    for sample in found:
        entry = listed[sample.image.path.split("/")[-1]]
        kind = "major_axis_mm" if "long" in sample.tags["label"] else "minor_axis_mm"
        length = measure(sample, PixelMap.identity(sample.size), sample.spacing)
        assert length == pytest.approx(entry[kind], abs=0.02)


def test_breast_tissue_has_its_class_and_patient_from_the_file_name(samples):
    codes = {
        "A": "adenosis",
        "F": "fibroadenoma",
        "PT": "phyllodes tumor",
        "TA": "tubular adenoma",
        "DC": "ductal carcinoma",
        "LC": "lobular carcinoma",
        "MC": "mucinous carcinoma",
        "PC": "papillary carcinoma",
    }
    subtypes, binary = samples["breast tissue, 8 classes"], samples["breast tissue, benign or malignant"]
    assert len(subtypes) == len(binary) == 10
    for one, two in zip(subtypes, binary, strict=True):
        side, code, year, patient = re.search(r"SOB_([BM])_([A-Z]+)-(\d+)-(\d+)", one.image.path).groups()
        assert one.tags["label"] == codes[code]
        assert two.tags["label"] == {"B": "benign", "M": "malignant"}[side]
        assert one.subject == two.subject == f"{year}-{patient}"


def test_answers_are_the_same_in_mm_for_both_families_and_prompts_are_not(data):
    gemma = prepare_dataset(data, Gemma3(Size(896, 896), 256))
    qwen = prepare_dataset(data, Qwen25VL(Cells(28, 56 * 56, 28 * 28 * 1280)))
    for one, two in zip(gemma.items("train"), qwen.items("train"), strict=True):
        assert one.uid == two.uid
        if one.task.unit == "mm":
            said = [[float(word) for word in item.answer_text.split(", ")] for item in (one, two)]
            assert said[0] == pytest.approx(said[1], abs=0.051)
            assert one.prompt_text != two.prompt_text
