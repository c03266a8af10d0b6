from __future__ import annotations

import io
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from medft_bm.core.errors import DataError
from medft_bm.core.types import ImageRef
from medft_bm.imaging.read import read_picture, read_volume
from medft_bm.imaging.slices import slice_array
from medft_bm.imaging.windows import apply_window
from medft_bm.prepare.audit import ImageFacts, audit_entries, audit_images, raise_or_warn
from medft_bm.prepare.copies import NEAR_GREY_LEVELS, thumbnail, thumbnails
from medft_bm.prepare.entries import Entry
from medft_bm.prepare.findings import Finding


def entry(subject, label="x", *, source="a", group="", image=None):
    part = ord(source) - ord("a")
    image = image or ImageRef(f"{subject}.png")
    return Entry(f"{subject}-{label}", part, "t", source, subject, None, label, group, image, "")


def audit(entries, splits, tmp_path, chosen=None):
    return audit_entries(entries, splits, range(len(entries)) if chosen is None else chosen, [tmp_path, tmp_path])


def kinds(findings):
    return Counter(finding.kind for finding in findings)


def many(label="x", sizes=(20, 6, 8), source="a"):
    """So many subjects for training, validation and test, which is enough for the audit to be content."""
    splits = [split for split, size in zip(("train", "validation", "test"), sizes, strict=True) for _ in range(size)]
    return [entry(f"{source}{label}{i}", label, source=source) for i in range(len(splits))], splits


def test_data_with_enough_of_everything_has_no_finding(tmp_path):
    assert audit(*many(), tmp_path) == []


def test_a_subject_or_a_group_in_two_splits_is_an_error(tmp_path):
    entries, splits = many()
    twice = [entry("p1", group="site x"), entry("p1", group="site x", source="b"), entry("p2", group="site y")]
    found = audit([*entries, *twice], [*splits, "test", "train", "test"], tmp_path)
    errors = {finding.kind: finding for finding in found if finding.level == "error"}
    assert errors["subject-in-two-splits"].what == "subject p1 is in train and in test"
    assert errors["subject-in-two-splits"].part == "a, b"
    assert errors["group-in-two-splits"].what == "group site x is in train and in test"
    assert len(errors) == 2


def test_one_file_under_two_subjects_is_an_error_also_behind_links_and_between_slices(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "v.nii").write_bytes(b"")
    (tmp_path / "linked").symlink_to("raw")
    (tmp_path / "raw" / "w.nii").symlink_to("v.nii")
    paths = ["raw/v.nii", "linked/v.nii", "raw/w.nii"]
    entries = [entry(f"p{i}", image=ImageRef(path, 2, i)) for i, path in enumerate(paths)]
    (finding,) = [one for one in audit(entries, ["train"] * 3, tmp_path) if one.level == "error"]
    assert finding.kind == "file-of-two-subjects"
    assert finding.what == "one image belongs to 3 subjects: 'p0' in a, 'p1' in a, 'p2' in a"
    assert finding.file == str(tmp_path.resolve() / "raw" / "v.nii")


def test_rows_of_one_table_may_belong_to_different_subjects(tmp_path):
    rows = [entry(f"p{i}", image=ImageRef("table.parquet", None, i)) for i in range(3)]
    assert not [one for one in audit(rows, ["train"] * 3, tmp_path) if one.level == "error"]


def test_a_part_without_samples_in_a_split_says_whether_the_limits_took_them(tmp_path):
    entries, splits = many(sizes=(20, 0, 8))
    chosen = [i for i, split in enumerate(splits) if split == "train"]
    found = audit(entries, splits, tmp_path, chosen)
    assert kinds(found) == {"empty-split": 2}
    fixes = {finding.what: finding.fix for finding in found}
    assert "another data.split.seed" in fixes["there are no samples for validation"]
    assert "the limits left none" in fixes["there are no samples for test"]


def test_a_class_without_samples_is_named_with_its_part_and_split(tmp_path):
    entries, splits = many("common")
    rare, where = many("rare", sizes=(3, 0, 2))
    found = audit([*entries, *rare], [*splits, *where], tmp_path)
    assert [(one.kind, one.part, one.what) for one in found] == [
        ("empty-class", "a", "there are no validation samples of rare")
    ]


@pytest.mark.parametrize(("common", "told"), [(30, []), (31, ["training has 31 samples of common and 3 of rare"])])
def test_training_labels_that_are_very_uneven_are_counted(tmp_path, common, told):
    entries, splits = many("common", sizes=(common, 6, 6))
    rare, where = many("rare", sizes=(3, 6, 6))
    found = audit([*entries, *rare], [*splits, *where], tmp_path)
    assert [one.what for one in found] == told
    assert set(kinds(found)) <= {"uneven-classes"}


def test_few_held_out_subjects_are_counted_however_many_samples_they_have(tmp_path):
    entries, splits = many(sizes=(20, 1, 4))
    more = [entry(entries[-1].subject, str(i)) for i in range(9)]
    found = audit([*entries, *more], [*splits, *["test"] * 9], tmp_path)
    assert [one.what for one in found if one.kind == "few-subjects"] == [
        "validation has 1 subject",
        "test has 4 subjects",
    ]


def test_ten_warnings_of_a_kind_are_told_and_the_rest_counted(caplog):
    findings = [Finding("warning", "odd", "part", f"{i}.png", f"it is odd {i}", "look") for i in range(13)]
    raise_or_warn([*findings, Finding("warning", "other", "part", "", "it is empty", "fill it")])
    told = [record.message for record in caplog.records]
    assert told[0] == "part: 0.png: it is odd 0; look"
    assert len(told) == 12
    assert "3 more warnings of the kind odd" in told


def test_errors_are_raised_together_after_the_warnings(caplog):
    findings = [Finding("error", "bad", "part", f"{i}.png", f"bad {i}", "mend it") for i in range(12)]
    with pytest.raises(DataError) as raised:
        raise_or_warn([*findings, Finding("warning", "odd", "part", "", "it is odd", "look")])
    assert raised.value.what.startswith("bad 0; bad 1; ")
    assert raised.value.what.endswith("bad 9; and 2 more")
    assert raised.value.fix == "mend it"
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_thumbnail_is_the_mean_of_every_block_also_where_blocks_cut_pixels():
    image = np.arange(36 * 20, dtype=np.uint16).reshape(36, 20) % 256
    fine = np.repeat(np.repeat(image, 8, axis=0), 8, axis=1)
    expected = fine.reshape(8, 36, 8, 20).mean(axis=(1, 3))
    assert np.abs(thumbnail(image.astype(np.uint8)).reshape(8, 8) - expected).max() <= 0.5 + 1e-3
    assert thumbnail(np.full((3, 5, 3), 200, np.uint8)).tolist() == [200] * 64


@pytest.mark.parametrize("shape", [(2, 9, 7), (3, 90, 80), (2, 2048, 3), (2, 2049, 5), (2, 30, 20, 3)])
def test_thumbnails_of_several_images_are_those_of_each_and_white_stays_white(shape):
    images = np.random.default_rng(2).integers(0, 256, shape, dtype=np.uint8)
    assert (thumbnails(images) == [thumbnail(image) for image in images]).all()
    assert (thumbnails(np.full(shape, 255, np.uint8)) == 255).all()


def picture(seed, shape=(60, 90)):
    blobs = np.random.default_rng(seed).integers(0, 256, (6, 7), dtype=np.uint8)
    return resized(blobs, shape)


def resized(image, shape):
    return np.asarray(Image.fromarray(image).resize(shape[::-1], Image.Resampling.BICUBIC))


def jpeg(image, quality=75):
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def audit_pictures(*seen):
    """Findings on (image, subject, split)."""
    facts = [ImageFacts(subject, split, f"{subject}.png", image.tobytes()) for image, subject, split in seen]
    return audit_images(np.array([thumbnail(image) for image, _, _ in seen]), facts)


def test_pixels_that_are_in_two_splits_are_an_error_with_both_names():
    one = picture(0)
    (finding,) = audit_pictures((one, "p1", "train"), (picture(1), "p2", "train"), (one, "p3", "test"))
    assert (finding.level, finding.kind) == ("error", "same-image-in-two-splits")
    assert finding.what == "an image of 'p3' in test has the same pixels as p1.png of 'p1' in train"
    assert finding.file == "p3.png"


@pytest.mark.parametrize(("held_out", "known"), [("validation", "train"), ("test", "train"), ("test", "validation")])
def test_a_copy_of_a_held_out_image_is_a_warning_with_both_names(held_out, known):
    copy = jpeg(resized(picture(0), (66, 99)))
    others = [(picture(seed), f"q{seed}", "train") for seed in range(2, 9)]
    (finding,) = audit_pictures(*others, (picture(0), "p1", known), (copy, "p2", held_out))
    assert (finding.level, finding.kind) == ("warning", "look-alikes-in-two-splits")
    assert finding.what.startswith(f"an image of 'p2' in {held_out} looks like p1.png of 'p1' in {known}: ")


def test_images_that_are_alike_in_everybody_are_no_copies_and_what_is_saved_anew_still_is():
    rng = np.random.default_rng(0)
    one = resized(rng.integers(40, 200, (8, 8), dtype=np.uint8), (64, 96)).astype(np.int64)
    poses = [one + resized(rng.integers(0, 10, (8, 8), dtype=np.uint8), (64, 96)) for _ in range(30)]
    images = [(pose.astype(np.uint8), f"p{i}", ("train", "test")[i % 2]) for i, pose in enumerate(poses)]
    assert audit_pictures(*images) == []
    found = audit_pictures(*images, (jpeg(images[0][0]), "again", "validation"))
    assert ["'again' in validation" in finding.what for finding in found] == [True]


def test_images_that_show_nothing_are_no_leak():
    blank, dark = np.zeros((40, 50), np.uint8), np.zeros((40, 50), np.uint8)
    dark[3, 4] = 90
    assert (
        audit_pictures((blank, "p1", "train"), (blank, "p2", "test"), (dark, "p3", "test"), (dark, "p4", "test")) == []
    )


def test_two_splits_of_which_one_is_empty_are_audited():
    assert audit_pictures((picture(0), "p1", "train"), (picture(1), "p2", "train")) == []


@pytest.fixture(scope="module")
def hippocampus(real_data):
    images = []
    for path in sorted((real_data / "B_msd_hippocampus" / "imagesTr").glob("*.nii.gz")):
        volume = read_volume(path)
        for axis, count in enumerate(volume.geometry.shape_ijk):
            for index in range(0, count, 2):
                values = slice_array(volume, axis, index)
                images.append((np.ascontiguousarray(apply_window(values, "percentile", where=path.name)), path.name))
    return images


@pytest.fixture(scope="module")
def heads(real_data):
    paths = sorted((real_data / "C_hc18").rglob("*HC.png"))
    return [(read_picture(path, "as_is"), path.name.split("_")[0]) for path in paths]


@pytest.fixture(params=["hippocampus", "heads"])
def real_images(request):
    return request.getfixturevalue(request.param)


def in_halves(images):
    """(image, subject, split): every second subject is held out."""
    subjects = sorted({subject for _, subject in images})
    return [(image, subject, ("train", "test")[subjects.index(subject) % 2]) for image, subject in images]


def test_real_images_of_different_patients_are_not_called_copies(real_images):
    placed = in_halves(real_images)
    assert len({subject for _, subject, split in placed if split == "test"}) >= 8
    assert audit_pictures(*placed) == []


@pytest.mark.parametrize(
    "change",
    [
        jpeg,
        lambda image: resized(image, (round(image.shape[0] * 0.9), round(image.shape[1] * 0.9))),
        lambda image: resized(image, (round(image.shape[0] * 1.1), round(image.shape[1] * 1.1))),
    ],
    ids=["jpeg", "smaller", "larger"],
)
def test_real_images_that_are_saved_anew_are_called_copies(real_images, change):
    placed = in_halves(real_images)
    moved = [
        (change(image), f"copy of {subject}", "validation") for image, subject, split in placed if split == "train"
    ]
    found = audit_pictures(*placed, *moved)
    assert len(found) == len(moved) > 10
    assert {finding.kind for finding in found} == {"look-alikes-in-two-splits"}


def test_the_threshold_is_far_from_both_sides_on_real_images(real_images):
    subjects = np.array([subject for _, subject in real_images])
    thumbnails = np.array([thumbnail(image) for image, _ in real_images], np.float32)
    apart = np.sqrt(((thumbnails[:, None] - thumbnails[None]) ** 2).mean(axis=2))
    saved = np.array([thumbnail(jpeg(image)) for image, _ in real_images], np.float32)
    assert apart[subjects[:, None] != subjects[None]].min() > 2 * NEAR_GREY_LEVELS
    assert np.sqrt(((thumbnails - saved) ** 2).mean(axis=1)).max() < NEAR_GREY_LEVELS / 2
