from __future__ import annotations

import numpy as np
import pytest
import SimpleITK
from skimage.measure import regionprops

from medft_bm.core.ellipse import axes_mm, lesion_axes
from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.geometry import Box, Size
from medft_bm.sources.nifti_masks import NiftiMasks

HIPPOCAMPUS = {
    "images": "imagesTr/*.nii.gz",
    "masks": "labelsTr/{name}",
    "labels": {1: "anterior hippocampus", 2: "posterior hippocampus"},
}
SARCOMA = {
    "images": "*/CT_image.nii.gz",
    "masks": "{folder}/{prefix}_mask.nii.gz",
    "labels": {1: "tumour"},
    "subject": r"(STS_\d+)/",
    "window": "ct_soft_tissue",
}
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
    assert read.skipped[-1] == ("p1_image.nii.gz (axial)", "no slice shows 25 pixels of a label")


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
    with pytest.raises(DataError, match=r"1 mask value\(s\) are not whole numbers, like 0.5"):
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
    assert read.skipped == [("p1_image.nii.gz", "the mask shows none of: kidney")]


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


def test_two_images_of_one_name_need_a_pattern_for_the_subject(read, real_data):
    with pytest.raises(ConfigError, match="5 images are called 'CT_image'"):
        read("nifti_masks", real_data / "B_sts_tumour", **{**SARCOMA, "subject": ""})


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


def test_all_pixels_of_a_real_tumour_are_in_its_regions_and_its_box_has_the_size_of_the_readme(read, real_data):
    records = [r for r in read("nifti_masks", real_data / "B_sts_tumour", **SARCOMA) if r.subject == "STS_002"]
    areas = [region.mask for record in records for region in record.annotations]
    assert sum(int(area.sum()) for area in areas) == 17090
    box = Box.of_mask(np.any(areas, axis=0))
    spacing = records[0].spacing
    assert (box.x1 - box.x0) * spacing.x == pytest.approx(56, abs=1)
    assert (box.y1 - box.y0) * spacing.y == pytest.approx(38, abs=1)
    assert len(areas) * 3.27 == pytest.approx(52, abs=1)
    assert records[0].size == Size(143, 161)


def test_the_axes_of_a_real_tumour_on_anisotropic_slices_agree_with_scikit_image(read, real_data):
    records = read("nifti_masks", real_data / "B_sts_tumour", **SARCOMA, planes=["coronal"], min_pixels=200)
    assert len(records) > 20
    for record in records[::7]:
        area, spacing = record.annotations[0].mask, record.spacing
        assert spacing.y / spacing.x == pytest.approx(3.348, abs=0.01)
        fine = np.repeat(np.repeat(area, 67, 0), 20, 1)  # 0.0488 mm both ways, within 0.05 %
        props = regionprops(fine.astype(np.uint8))[0]
        major, minor = axes_mm(lesion_axes(area, spacing), spacing)
        assert major == pytest.approx(props.axis_major_length * spacing.x / 20, rel=2e-3)
        assert minor == pytest.approx(props.axis_minor_length * spacing.x / 20, rel=2e-3)


def test_a_real_hippocampus_box_is_mirrored_onto_the_screen_from_its_ras_voxels(read, real_data):
    root = real_data / "B_msd_hippocampus"
    records = read("nifti_masks", root, **{**HIPPOCAMPUS, "images": "imagesTr/*_003.nii.gz"})
    stored = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(root / "labelsTr/hippocampus_003.nii.gz")))
    for record in records:
        for region in record.annotations:
            value = 1 if region.label.startswith("anterior") else 2
            y, x = np.nonzero(stored[record.image.index] == value)  # x grows to the right, y to anterior
            depth, width = stored.shape[1:]
            expected = Box(depth - 1 - y.max(), width - 1 - x.max(), depth - y.min(), width - x.min())
            assert Box.of_mask(region.mask) == expected


def test_the_anterior_hippocampus_is_above_the_posterior_one_on_real_axial_slices(read, real_data):
    records = read("nifti_masks", real_data / "B_msd_hippocampus", **HIPPOCAMPUS)
    assert len({record.subject for record in records}) == 16
    pairs = [
        [np.argwhere(region.mask)[:, 0].mean() for region in record.annotations]
        for record in records
        if len(record.annotations) == 2
    ]
    assert len(pairs) > 50
    assert all(anterior < posterior for anterior, posterior in pairs)


def test_a_real_nrrd_pair_works_like_nifti(read, real_data):
    records = read(
        "nifti_masks",
        real_data / "D_nrrd_pyradiomics",
        images="*_image.nrrd",
        masks="{prefix}_label.nrrd",
        labels={1: "tumour"},
    )
    assert sum(int(region.mask.sum()) for record in records for region in record.annotations) == 143
    assert (records[0].spacing.y, records[0].spacing.x) == pytest.approx((0.6641, 0.6641), abs=1e-4)


def test_a_real_dicom_folder_works_as_an_image(read, real_data):
    records = read(
        "nifti_masks",
        real_data / "D_dicom_sts003",
        images="STS_003/CT/image",
        masks="STS_003/nifti_same_volume/CT_mask.nii.gz",
        labels={1: "tumour"},
        subject="(STS_003)/",
    )
    assert {record.image.path for record in records} == {"STS_003/CT/image"}
    assert {record.subject for record in records} == {"STS_003"}
