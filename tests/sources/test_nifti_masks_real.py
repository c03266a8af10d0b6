"""Real volumes with masks: what is known of them comes out of the records."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK
from skimage.measure import regionprops

from medft_bm.core.ellipse import axes_mm, lesion_axes
from medft_bm.core.errors import ConfigError
from medft_bm.core.geometry import Box, Size
from medft_bm.imaging.read import read_geometry
from medft_bm.imaging.slices import render
from medft_bm.imaging.write import write_volume

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
DICOM = {"labels": {1: "tumour"}, "subject": "(STS_003)/", "masks": "STS_003/nifti_same_volume/CT_mask.nii.gz"}


def test_two_images_of_one_name_need_a_pattern_for_the_subject(read, real_data):
    with pytest.raises(ConfigError, match="5 images are called 'CT_image'"):
        read("nifti_masks", real_data / "B_sts_tumour", **{**SARCOMA, "subject": ""})


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


def test_a_real_dicom_series_and_its_nifti_twin_give_equal_records_and_equal_images(read, real_data):
    root = real_data / "D_dicom_sts003"
    options = {**DICOM, "planes": ["axial", "coronal"], "window": "ct_soft_tissue"}
    series = read("nifti_masks", root, **options, images="STS_003/CT/image")
    twin = read("nifti_masks", root, **options, images="STS_003/nifti_same_volume/CT_image.nii.gz")
    assert len(series) == len(twin) > 50
    for one, other in zip(series, twin, strict=True):
        assert replace(one.image, path="") == replace(other.image, path="")
        assert (one.subject, one.size, one.tags) == (other.subject, other.size, other.tags)
        assert (one.spacing.y, one.spacing.x) == pytest.approx((other.spacing.y, other.spacing.x), abs=1e-6)
        assert (one.annotations[0].mask == other.annotations[0].mask).all()
    images = [list(render(root, [record.image for record in records])) for records in (series, twin)]
    assert all((one == other).all() for one, other in zip(*images, strict=True))


@pytest.mark.parametrize("codes", ["LPI", "RAS", "SPL", "ASR"])
def test_a_mask_stored_along_other_axes_is_laid_out_like_its_real_dicom_image(read, real_data, tmp_path, codes):
    root = real_data / "D_dicom_sts003"
    expected = read("nifti_masks", root, **DICOM, images="STS_003/CT/image")
    (tmp_path / "STS_003").symlink_to(root / "STS_003")
    mask = SimpleITK.ReadImage(str(root / DICOM["masks"]))
    SimpleITK.WriteImage(SimpleITK.DICOMOrient(mask, codes), str(tmp_path / "turned.nii.gz"))
    turned = read("nifti_masks", tmp_path, **{**DICOM, "masks": "turned.nii.gz"}, images="STS_003/CT/image")
    assert [record.image for record in turned] == [record.image for record in expected]
    for one, other in zip(turned, expected, strict=True):
        assert (one.annotations[0].mask == other.annotations[0].mask).all()


def test_real_slices_seven_millimetres_apart_are_seven_high_on_coronal_records(read, real_data, tmp_path):
    (tmp_path / "image").symlink_to(real_data / "D_dicom_cmb_crc_adc/image")
    geometry = read_geometry(tmp_path / "image")
    made = np.zeros(geometry.shape_ijk, np.uint8)
    made[100:120, 140:150, 10:15] = 1
    write_volume(tmp_path / "mask.nii.gz", made, geometry)
    (record, *others) = read(
        "nifti_masks", tmp_path, images="image", masks="mask.nii.gz", labels={1: "patch"}, planes=["coronal"]
    )
    assert len(others) == 9
    assert (record.spacing.y, record.spacing.x) == pytest.approx((7.0, 1.5625), abs=1e-4)
    box = Box.of_mask(record.annotations[0].mask)
    assert (box.y1 - box.y0, box.x1 - box.x0) == (5, 20)
