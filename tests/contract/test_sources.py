"""Laws of every registered source that reads files, on real data; a new source adds its line here."""

from __future__ import annotations

import csv
import json
import pickle
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.sources.medvision_plans import write_hippocampus

from medft_bm.core.geometry import Size, Spacing
from medft_bm.core.records import BoxLabel, ClassLabel, Landmarks, Region
from medft_bm.imaging.slices import render, safe_path
from medft_bm.sources import SOURCES, load_source


@dataclass(frozen=True)
class Case:
    """One source with options and the real folder it reads."""

    source: str
    folder: str
    options: dict[str, Any] = field(default_factory=dict)


CASES = [
    Case("breakhis", "A_breakhis"),
    Case("breakhis", "A_breakhis", {"reading": "binary", "magnification": [100, 200]}),
    Case("image_folder", "A_breakhis/patient_unknown/benign", {"spacing_mm": [0.7, 2.5]}),
    Case(
        "image_folder",
        "A_breakhis",
        {"table": "manifest.csv", "image_column": "file", "label_column": "binary", "tags": {"stain": "code"}},
    ),
    Case("hf_dataset", "A_breakhis", {"path": "saved", "label_column": "binary"}),
    Case(
        "landmarks",
        "C_hc18",
        {
            "file": "landmarks_derived.json",
            "images": "images",
            "image_field": "filename",
            "points_field": "landmarks_px",
            "pixel_size_field": "pixel_size_mm",
            "subject_field": "group",
            "distances": [["major_1", "major_2"]],
        },
    ),
    Case(
        "landmarks",
        "B_verse_spine",
        {
            "file": "points.json",
            "planes": ["sagittal"],
            "distances": [["L1", "L2"], ["L4", "L5"]],
            "tag_fields": {"site": "scanner"},
            "window": "min_max",
        },
    ),
    Case(
        "medvision",
        "B_msd_hippocampus",
        {"version": "1.0.0", "tasks": ["Hippo_BoxSize_Task01_Axial", "Hippo_BoxCoordinate_Task01_Sagittal"]},
    ),
    Case(
        "nifti_masks",
        "B_msd_hippocampus",
        {
            "images": "imagesTr/*.nii.gz",
            "masks": "labelsTr/{name}",
            "labels": {1: "anterior hippocampus", 2: "posterior hippocampus"},
            "planes": ["axial", "coronal", "sagittal"],
            "keep_every": 6,
        },
    ),
    Case(
        "nifti_masks",
        "B_sts_tumour",
        {
            "images": "*/*_image.nii.gz",
            "masks": "{folder}/{prefix}_mask.nii.gz",
            "labels": {1: "tumour"},
            "subject": r"(STS_\d+)/",
            "tags": {"patient": r"STS_0*(\d+)/", "series": r"/(\w+)_image"},
            "planes": ["axial", "coronal"],
            "keep_every": 8,
        },
    ),
]


@pytest.fixture(params=CASES, ids=lambda case: f"{case.source}-{case.folder}")
def case(request) -> Case:
    return request.param


@pytest.fixture
def root(case, real_data, tmp_path):
    """The real folder itself, or what was made of it for a source that writes below its root."""
    if case.source == "medvision":
        write_hippocampus(real_data, tmp_path)
        return tmp_path
    if case.folder == "B_verse_spine":
        write_spine(real_data / case.folder, tmp_path)
        return tmp_path
    if case.source != "hf_dataset":
        return real_data / case.folder
    hf = pytest.importorskip("datasets")
    with (real_data / case.folder / "manifest.csv").open(newline="") as stream:
        rows = [
            {"image": {"bytes": (real_data / case.folder / row["file"]).read_bytes(), "path": None}, **row}
            for row in csv.DictReader(stream)
        ]
    hf.disable_progress_bars()
    hf.Dataset.from_list(rows).cast_column("image", hf.Image()).save_to_disk(tmp_path / "saved")
    return tmp_path


def write_spine(real: Path, folder: Path) -> None:
    """A real mask in place of its CT, and the centres of its lumbar vertebrae as a list of landmarks."""
    name = "sub-verse004_seg-vert_msk.nii.gz"
    shutil.copy(real / name, folder)
    centres = json.loads((real / "sub-verse004_seg-subreg_ctd.json").read_text())[1:]
    points = {f"L{c['label'] - 19}": [c[axis] for axis in "XYZ"] for c in centres if c["label"] >= 20}
    (folder / "points.json").write_text(json.dumps([{"image": name, "points": points, "scanner": "A"}]))


@pytest.fixture
def source(case):
    return load_source(case.source, case.options)


def all_records(source, root):
    return [record for unit in source.units(root) for record in source.records_of(root, unit, lambda what, why: None)]


@pytest.fixture
def records(source, root):
    return all_records(source, root)


def test_every_registered_source_that_reads_files_is_tried_here():
    reading = {name for name in SOURCES.names() if not SOURCES.get(name).makes_its_data}
    assert reading <= {case.source for case in CASES}


def test_every_source_says_what_it_is():
    for name in SOURCES.names():
        kind = SOURCES.get(name)
        assert kind.name == name
        assert kind.summary
        assert "\n" not in kind.summary
        assert kind.revision >= 1


def test_every_path_exists_and_stays_under_the_root(records, root):
    assert records
    for record in records:
        path = safe_path(root, record.image.path)
        assert path.exists()
        assert path.resolve().is_relative_to(root.resolve())
        assert record.image.path == path.relative_to(root).as_posix()


def test_spacing_is_finite_or_declared_unknown(records):
    for record in records:
        assert record.spacing is None or isinstance(record.spacing, Spacing)


def test_the_order_and_content_do_not_change_from_one_reading_to_the_next(source, root, records):
    again = all_records(source, root)
    facts = [(r.image, r.subject, r.size, r.spacing, dict(r.tags), r.split) for r in records]
    assert facts == [(r.image, r.subject, r.size, r.spacing, dict(r.tags), r.split) for r in again]
    assert len({record.image for record in records}) == len(records)


def test_a_unit_reads_the_same_alone_by_a_fresh_source_as_among_the_others(case, source, root, records):
    units = list(source.units(root))
    assert len(set(units)) == len(units)
    fresh = load_source(case.source, case.options)
    backwards = [[r.image for r in fresh.records_of(root, unit, lambda what, why: None)] for unit in units[::-1]]
    assert [image for images in backwards[::-1] for image in images] == [record.image for record in records]


def test_a_source_survives_the_way_to_a_worker_process(source):
    assert pickle.loads(pickle.dumps(source)) == source


def test_every_file_that_matters_is_watched(source, root, records):
    files = list(source.files(root))
    assert files == list(source.files(root))
    assert all(path.is_file() for path in files)
    assert {record.image.path for record in records} <= {path.relative_to(root).as_posix() for path in files}


def test_annotations_fit_the_image_they_belong_to(records):
    for record in records:
        assert record.subject
        assert record.annotations
        for annotation in record.annotations:
            match annotation:
                case Region(label=label, mask=mask):
                    assert label
                    assert mask.dtype == np.bool_
                    assert Size(*mask.shape) == record.size
                    assert mask.any()
                case BoxLabel(label=label, box=box):
                    assert label
                    assert 0 <= box.y0 < box.y1 <= record.size.h
                    assert 0 <= box.x0 < box.x1 <= record.size.w
                case Landmarks(points=points):
                    assert all(0 <= y <= record.size.h and 0 <= x <= record.size.w for y, x in points.values())
                case ClassLabel(class_id=class_id, classes=classes):
                    assert 0 <= class_id < len(classes)


def test_the_rendered_image_has_the_stated_size(records, root):
    for record in records[:: max(1, len(records) // 12)]:
        (image,) = render(root, [record.image])
        assert image.dtype == np.uint8
        assert Size(*image.shape[:2]) == record.size
        assert np.ptp(image) > 0
