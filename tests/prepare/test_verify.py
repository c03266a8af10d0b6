"""Every kind of damage is found, in the file that has it and in no other."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
from PIL import Image
from tests.prepare.cohort import LPS, SHAPE, SPACING, short

from medft_bm.config.load import load_config
from medft_bm.config.schema import Data, Prepare
from medft_bm.prepare.verify import verify


def test_sound_files_have_no_findings_and_the_numbers_are_theirs(cohort):
    report = cohort.verify()

    assert report.findings == ()
    assert report.ok
    (facts,) = report.parts
    assert {name: facts[name] for name in ("units", "records", "samples", "subjects", "units_with_errors")} == {
        "units": 4, "records": 16, "samples": 32, "subjects": 4, "units_with_errors": 0,
    }  # fmt: skip
    assert facts["labels"]["liver"] == {"records": 16, "pixels": 4 * 6 * 12 * 4, "subjects": 4}
    assert facts["tags"] == {"modality": {"CT": 16}, "plane": {"axial": 16}}
    assert facts["pictures"] is None
    volumes = facts["volumes"]
    assert (volumes["files"], volumes["orientations"], volumes["types"]) == (4, {"LPS": 4}, {"int16": 4})
    assert volumes["shape"]["median"] == [20, 26, 9]
    assert volumes["spacing_mm"]["max"] == pytest.approx(SPACING)
    every = [cohort.image(number).astype(float) for number in range(4)]
    assert volumes["intensity"]["mean"]["max"] == pytest.approx([max(image.mean() for image in every)])
    assert volumes["intensity"]["std"]["min"] == pytest.approx([min(image.std() for image in every)])
    assert volumes["intensity"]["p99_5"]["median"] == pytest.approx(
        [np.median([np.percentile(image, 99.5) for image in every])]
    )


def test_nothing_is_written_to_the_cache(cohort):
    cohort.verify()
    assert not (cohort.folder / "cache").exists()


@pytest.mark.parametrize("name", ["image", "mask"])
def test_a_file_that_ends_early_is_found_and_the_others_are_still_read(cohort, name):
    path = cohort.raw / "P1" / f"{name}.nii.gz"
    path.write_bytes(path.read_bytes()[:-400])

    report = cohort.verify()

    assert short(report) == [("error", "unusable", f"P1/{name}.nii.gz")]
    assert "truncated or damaged" in report.findings[0].what
    assert not report.ok
    assert report.parts[0]["units_with_errors"] == 1
    assert report.parts[0]["subjects"] == (4 if name == "image" else 3)
    assert report.parts[0]["volumes"]["files"] == 3


def test_a_wrong_checksum_is_found_though_every_byte_can_be_inflated(cohort):
    path = cohort.raw / "P2" / "image.nii.gz"
    packed = bytearray(gzip.compress(gzip.decompress(path.read_bytes())))
    packed[-8] ^= 0xFF  # the first byte of the CRC
    path.write_bytes(packed)

    assert short(cohort.verify()) == [("error", "unusable", "P2/image.nii.gz")]


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_values_that_are_not_finite_are_counted(cohort, value):
    image = cohort.image(1).astype(np.float32)
    image[2:5, 7, 8] = value
    cohort.write("P1", image, cohort.mask())

    report = cohort.verify()

    assert short(report) == [("error", "not-finite", "P1/image.nii.gz")]
    assert report.findings[0].what == "3 of 4680 values are NaN or infinite"
    assert report.parts[0]["volumes"]["intensity"]["minimum"]["min"] == [-1000]


def test_image_and_mask_that_lie_apart_are_found(cohort):
    shifted = LPS.copy()
    shifted[1, 3] = 12.5
    cohort.write("P3", cohort.image(3), cohort.mask(), mask_affine=shifted)

    report = cohort.verify()

    assert [(finding.level, finding.kind) for finding in report.findings] == [("error", "unusable")]
    assert report.findings[0].file == "P3/image.nii.gz and P3/mask.nii.gz"
    assert report.findings[0].what.startswith("image and mask differ in affine")


def test_a_mask_value_without_a_name_is_found(cohort):
    mask = cohort.mask()
    mask[0, 0, 0] = 7
    cohort.write("P0", cohort.image(0), mask)

    report = cohort.verify()

    assert short(report) == [("error", "unusable", "P0/mask.nii.gz")]
    assert "without a name: 7" in report.findings[0].what


def test_an_empty_mask_is_a_warning_and_counted(cohort):
    cohort.write("P0", cohort.image(0), np.zeros(SHAPE, np.uint8))

    report = cohort.verify()

    assert short(report) == [("warning", "left-out", "P0/image.nii.gz")]
    assert report.ok
    assert report.parts[0]["left_out"] == [{"why": "empty mask", "times": 1}]


def test_parts_that_ask_about_the_same_files_read_them_once(cohort):
    (cohort.raw / "P1" / "image.nii.gz").write_bytes(b"nothing")
    sizes = cohort.part(name="sizes", task="lesion_size", task_options={"labels": ["liver"]})

    report = cohort.verify(cohort.part(), sizes)

    assert [(finding.part, finding.file) for finding in report.findings] == [("organs + sizes", "P1/image.nii.gz")]
    assert [(facts["part"], facts["samples"]) for facts in report.parts] == [("organs", 24), ("sizes", 12)]
    assert report.units == 4


def test_a_part_without_its_folder_does_not_stop_the_others(cohort):
    report = cohort.verify(cohort.part(name="elsewhere", root="gone"), cohort.part())
    assert [(finding.level, finding.part) for finding in report.findings] == [("error", "elsewhere")]
    assert [facts["part"] for facts in report.parts] == ["organs"]

    nothing = cohort.verify(cohort.part(name="empty", options={"images": "*/ct.nii.gz"}), cohort.part())
    assert [(finding.level, finding.part) for finding in nothing.findings] == [("error", "empty")]


def test_pictures_are_read_whole_too(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        for number in range(3):
            path = tmp_path / "raw" / name / f"{name}{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 255, (30, 40, 3), np.uint8)).save(path)
    cut = tmp_path / "raw" / "a" / "a1.png"
    cut.write_bytes(cut.read_bytes()[:-500])
    (tmp_path / "raw" / "b" / "notes.txt").write_text("hello")
    part = {"task": "classification", "source": "image_folder", "source_options": {"spacing_mm": [0.5, 0.25]}}
    data = Data.model_validate({"root": tmp_path / "raw", "cache": tmp_path / "cache", "mix": [part]})

    report = verify(data, Prepare(workers=1))

    assert short(report) == [("error", "unusable", "a/a1.png"), ("warning", "left-out", "b/notes.txt")]
    pictures = report.parts[0]["pictures"]
    assert (pictures["files"], pictures["shape"]["min"]) == (5, [30, 40])
    assert pictures["spacing_mm"]["min"] == [0.5, 0.25]
    assert {name: facts["records"] for name, facts in report.parts[0]["labels"].items()} == {"a": 3, "b": 3}


def test_two_processes_find_the_same(cohort):
    (cohort.raw / "P1" / "image.nii.gz").write_bytes(b"nothing")
    assert cohort.verify(workers=2) == cohort.verify(workers=1)


def test_the_fingerprint_names_no_subject_and_no_file(cohort):
    (cohort.raw / "P1" / "image.nii.gz").write_bytes(b"nothing")
    text = json.dumps(cohort.verify().parts)
    assert "liver" in text
    assert all(name not in text for name in ("P0", "P1", "image.nii", str(cohort.raw)))


def test_real_images_verify_without_errors(repository, real_data):
    words = [f"data.root={real_data}", "model.name=unused"]
    data = load_config(repository / "tasks" / "real_samples.yaml", words, {}).config.data

    report = verify(data, Prepare(workers=1))

    assert report.ok
    # Eight diagnoses of one biopsy each, and ten tiles whose names say no patient: nothing else is odd about them.
    assert {finding.kind for finding in report.findings} == {"single-subject", "left-out"}
    by_part = {facts["part"]: facts for facts in report.parts}
    assert by_part["sarcoma boxes, CT"]["volumes"]["intensity"]["minimum"]["max"] == [-1000]
    assert by_part["hippocampus boxes, MR"]["volumes"]["spacing_mm"]["max"] == [1, 1, 1]
