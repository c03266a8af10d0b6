from __future__ import annotations

import numpy as np
import pytest
import SimpleITK

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.geometry import Box, Size
from medft_bm.sources.nifti_masks import NiftiMasks
from medft_bm.tasks import load_task

PAIR = {"images": "*_image.nii.gz", "masks": "{prefix}_mask.nii.gz", "labels": {1: "liver", 2: "spleen"}}


@pytest.fixture
def pair(tmp_path):
    """Write image and mask, both given as arrays indexed z, y, x in LPS."""

    def write(mask: np.ndarray, name="p1", spacing=(0.7, 1.3, 2.9), shape=None, mask_spacing=None) -> None:
        image = np.zeros(shape or mask.shape, np.int16)
        for array, kind, step in ((image, "image", spacing), (mask, "mask", mask_spacing or spacing)):
            volume = SimpleITK.GetImageFromArray(array)
            volume.SetSpacing(step)
            SimpleITK.WriteImage(volume, str(tmp_path / f"{name}_{kind}.nii.gz"))

    return write


@pytest.fixture
def mask() -> np.ndarray:
    """A liver on slices 2 to 6, a spleen on slices 6 and 7; y x boxes known."""
    made = np.zeros((9, 11, 13), np.uint8)
    made[2:7, 3:6, 1:9] = 1
    made[6:8, 7:9, 10:12] = 2
    return made


def test_every_slice_that_shows_a_label_is_a_record_with_its_regions(read, pair, mask, tmp_path):
    pair(mask)
    records = read("nifti_masks", tmp_path, **PAIR, modality="CT")
    assert [record.image.index for record in records] == [2, 3, 4, 5, 6, 7]
    assert [[region.label for region in record.annotations] for record in records[3:]] == [
        ["liver"], ["liver", "spleen"], ["spleen"],
    ]  # fmt: skip
    both = records[4]
    assert both.size == Size(11, 13)
    assert (both.spacing.y, both.spacing.x) == pytest.approx((1.3, 0.7))
    assert both.tags == {"modality": "CT", "plane": "axial"}
    assert both.subject == "p1_image"
    # Stored in LPS and shown as stored: rows run to posterior, columns to the left.
    assert [Box.of_mask(region.mask) for region in both.annotations] == [Box(3, 1, 6, 9), Box(7, 10, 9, 12)]
    assert all(region.mask.dtype == bool for region in both.annotations)


def test_the_other_planes_are_laid_out_as_shown(read, pair, mask, tmp_path):
    pair(mask)
    records = read("nifti_masks", tmp_path, **PAIR, planes=["coronal", "sagittal"])
    coronal = next(r for r in records if r.tags["plane"] == "coronal" and r.image.index == 4)
    assert (coronal.size, coronal.image.axis) == (Size(9, 13), 1)
    assert (coronal.spacing.y, coronal.spacing.x) == pytest.approx((2.9, 0.7))
    assert Box.of_mask(coronal.annotations[0].mask) == Box(2, 1, 7, 9)  # z 2..6 of 9, top row is z 8
    sagittal = next(r for r in records if r.tags["plane"] == "sagittal" and r.image.index == 10)
    assert (sagittal.size, sagittal.image.axis) == (Size(9, 11), 0)
    assert Box.of_mask(sagittal.annotations[0].mask) == Box(1, 7, 3, 9)


def test_small_areas_and_in_between_slices_can_be_left_out(read, pair, mask, tmp_path):
    pair(mask)
    large = read("nifti_masks", tmp_path, **PAIR, min_pixels=5)
    assert [[region.label for region in record.annotations] for record in large] == [["liver"]] * 5
    assert [r.image.index for r in read("nifti_masks", tmp_path, **PAIR, keep_every=3)] == [3, 6]
    assert [r.image.index for r in read("nifti_masks", tmp_path, **PAIR, keep_every=50)] == [4]
    assert read("nifti_masks", tmp_path, **PAIR, min_pixels=25) == []


def test_everything_that_is_left_out_has_its_reason(read, pair, mask, tmp_path):
    pair(mask)
    read("nifti_masks", tmp_path, **PAIR, min_pixels=5, keep_every=3)
    small = [(f"p1_image.nii.gz (axial) spleen, slice {index}", "fewer than 5 pixels") for index in (6, 7)]
    between = [(f"p1_image.nii.gz (axial), slice {index}", "not one of every 3 slices") for index in (2, 4, 5)]
    assert read.skipped == small + between


def test_the_smallest_size_in_mm_is_the_diameter_of_the_circle_of_the_same_area(read, pair, mask, tmp_path):
    pair(mask)
    # On axial slices the spleen is 4 pixels of 0.7 x 1.3 mm: the circle of 3.64 mm2 is 2.153 mm wide.

    def labels(diameter: float) -> set[str]:
        records = read("nifti_masks", tmp_path, **PAIR, min_diameter_mm=diameter)
        return {region.label for record in records for region in record.annotations}

    assert labels(2.15) == {"liver", "spleen"}
    assert labels(2.16) == {"liver"}
    assert {why for _, why in read.skipped} == {"equivalent diameter under 2.16 mm"}
    # On sagittal ones 2 x 2 pixels of 1.3 x 2.9 mm: 15.08 mm2, 4.382 mm.
    across = {**PAIR, "planes": ["sagittal"], "labels": {2: "spleen"}, "other_labels": "ignore"}
    assert len(read("nifti_masks", tmp_path, **across, min_diameter_mm=4.38)) == 2
    assert read("nifti_masks", tmp_path, **across, min_diameter_mm=4.39) == []


def test_mask_values_of_one_name_are_one_structure(read, pair, mask, tmp_path):
    pair(mask)
    records = read("nifti_masks", tmp_path, **{**PAIR, "labels": {1: "organ", 2: "organ"}})
    assert [len(record.annotations) for record in records] == [1] * 6
    assert [int(record.annotations[0].mask.sum()) for record in records] == [24, 24, 24, 24, 28, 4]


def test_a_label_in_several_pieces_is_left_to_the_rule_of_the_task(read, pair, mask, tmp_path):
    mask[4, 9, 2] = 1
    pair(mask)
    (record,) = [record for record in read("nifti_masks", tmp_path, **PAIR) if record.image.index == 4]
    boxes = {
        rule: [tuple(sample.truth["box"]) for sample in task.samples(record, "x", read._skip)]
        for rule in ("single", "largest", "union")
        if (task := load_task("detection", {"components": rule}))
    }
    assert boxes == {"single": [], "largest": [(3, 1, 6, 9)], "union": [(3, 1, 10, 9)]}
    assert read.skipped[-1][1] == "several separate pieces on one slice"


def test_tags_are_read_off_the_path(read, pair, mask, tmp_path):
    (tmp_path / "site07").mkdir()
    pair(mask, "site07/p1")
    options = {**PAIR, "images": "*/*_image.nii.gz", "masks": "{folder}/{prefix}_mask.nii.gz"}
    tags = {"site": r"(site\d+)/", "modality": r"_(image)\."}
    assert read("nifti_masks", tmp_path, **options, tags=tags)[0].tags == {
        "site": "site07", "modality": "image", "plane": "axial",
    }  # fmt: skip
    with pytest.raises(DataError, match="no site in the path") as caught:
        read("nifti_masks", tmp_path, **options, tags={"site": r"(hospital\d+)/"})
    assert caught.value.where == "site07/p1_image.nii.gz"


def test_an_empty_mask_is_left_out_with_a_reason(read, pair, mask, tmp_path):
    pair(np.zeros_like(mask), "p0")
    pair(mask, "p1")
    assert {record.subject for record in read("nifti_masks", tmp_path, **PAIR)} == {"p1_image"}
    assert read.skipped == [("p0_image.nii.gz", "empty mask")]


def test_float_masks_with_whole_numbers_are_fine_and_others_are_not(read, pair, mask, tmp_path):
    pair(mask.astype(np.float32))
    assert len(read("nifti_masks", tmp_path, **PAIR)) == 6
    blurred = mask.astype(np.float32)
    blurred[4, 4, 4] = 0.5
    pair(blurred)
    with pytest.raises(DataError, match=r"not whole numbers, like 0\.5"):
        read("nifti_masks", tmp_path, **PAIR)
    blurred[4, 4, 4] = np.nan
    pair(blurred)
    with pytest.raises(DataError, match="not whole numbers"):
        read("nifti_masks", tmp_path, **PAIR)


def test_a_value_without_a_name_is_refused_or_ignored_on_request(read, pair, mask, tmp_path):
    pair(mask)
    only = {**PAIR, "labels": {2: "spleen"}}
    with pytest.raises(DataError, match=r"without a name: 1 \(named: \[2\]\)"):
        read("nifti_masks", tmp_path, **only)
    records = read("nifti_masks", tmp_path, **only, other_labels="ignore")
    assert [record.image.index for record in records] == [6, 7]
    assert read("nifti_masks", tmp_path, **{**PAIR, "labels": {9: "kidney"}}, other_labels="ignore") == []
    assert read.skipped == [
        ("p1_image.nii.gz (mask value 1)", "a mask value without a name"),
        ("p1_image.nii.gz (mask value 1)", "a mask value without a name"),
        ("p1_image.nii.gz (mask value 2)", "a mask value without a name"),
        ("p1_image.nii.gz", "the mask shows none of: kidney"),
    ]


def test_image_and_mask_of_other_shape_or_place_are_refused_with_both_values(read, pair, mask, tmp_path):
    pair(mask, shape=(9, 11, 14))
    with pytest.raises(DataError, match=r"shape: \(14, 11, 9\) and \(13, 11, 9\)") as caught:
        read("nifti_masks", tmp_path, **PAIR)
    assert "p1_image.nii.gz" in caught.value.where
    assert "p1_mask.nii.gz" in caught.value.where
    pair(mask, mask_spacing=(0.7, 1.3, 3.0))
    with pytest.raises(DataError, match=r"affine: .*2\.9.* and .*3\.0"):
        read("nifti_masks", tmp_path, **PAIR)


def test_missing_masks_and_patterns_without_files_are_refused(read, pair, mask, tmp_path):
    pair(mask)
    with pytest.raises(DataError, match="does not exist") as caught:
        read("nifti_masks", tmp_path, **{**PAIR, "masks": "{stem}_seg.nii.gz"})
    assert caught.value.where.endswith("p1_image_seg.nii.gz")
    with pytest.raises(DataError, match="no file matches"):
        read("nifti_masks", tmp_path, **{**PAIR, "images": "*.nrrd"})
    with pytest.raises(DataError, match="path"):
        read("nifti_masks", tmp_path, **{**PAIR, "masks": "../{name}"})


@pytest.mark.parametrize(
    "options",
    [
        {"masks": "{patient}.nii.gz"},
        {"labels": {}},
        {"labels": {0: "background"}},
        {"labels": {"one": "liver"}},
        {"min_pixels": 0},
        {"planes": ["up"]},
        {"subject": "(a)(b)"},
        {"min_diameter_mm": -1.0},
        {"tags": {"site": "site"}},
        {"tags": {"site": "(site"}},
        {"tags": {"plane": "(ax)"}},
    ],
)
def test_impossible_options_are_config_errors(read, tmp_path, options):
    with pytest.raises(ConfigError, match=next(iter(options))):
        read("nifti_masks", tmp_path, **{**PAIR, **options})


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("labelsTr/{name}", "labelsTr/case_7_0000.nii.gz"),
        ("labelsTr/{prefix}.nii.gz", "labelsTr/case_7.nii.gz"),
        ("{folder}/{stem}_seg.nii.gz", "a/imagesTr/case_7_0000_seg.nii.gz"),
        ("{parent}/labelsTr/{name}", "a/labelsTr/case_7_0000.nii.gz"),
    ],
)
def test_the_mask_template_covers_the_usual_layouts(template, expected):
    source = NiftiMasks(images="*", masks=template, labels={1: "x"})
    assert source._mask_of("a/imagesTr/case_7_0000.nii.gz") == expected


def test_a_mask_on_turned_axes_but_elsewhere_is_still_refused(read, pair, mask, tmp_path):
    pair(mask)
    path = tmp_path / "p1_mask.nii.gz"
    flipped = SimpleITK.DICOMOrient(SimpleITK.ReadImage(str(path)), "RAI")
    flipped.SetOrigin([value + 0.5 for value in flipped.GetOrigin()])
    SimpleITK.WriteImage(flipped, str(path))
    with pytest.raises(DataError, match="differ in affine"):
        read("nifti_masks", tmp_path, **PAIR)


@pytest.mark.parametrize("suffix", ["nii", "nrrd", "mha", "mhd"])
def test_image_and_mask_may_be_of_different_formats(read, pair, mask, tmp_path, suffix):
    pair(mask)
    expected = read("nifti_masks", tmp_path, **PAIR)
    image = tmp_path / "p1_image.nii.gz"
    SimpleITK.WriteImage(SimpleITK.ReadImage(str(image)), str(tmp_path / f"p1_image.{suffix}"))
    image.unlink()
    records = read("nifti_masks", tmp_path, **{**PAIR, "images": f"*_image.{suffix}"})
    assert [(r.image.index, r.size) for r in records] == [(r.image.index, r.size) for r in expected]
    for one, other in zip(records, expected, strict=True):
        assert [region.label for region in one.annotations] == [region.label for region in other.annotations]
        assert all((a.mask == b.mask).all() for a, b in zip(one.annotations, other.annotations, strict=True))
