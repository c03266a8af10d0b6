from __future__ import annotations

import numpy as np
import pytest
import SimpleITK
from PIL import Image

from medft_bm.core.errors import DataError
from medft_bm.core.types import ImageRef
from medft_bm.imaging import slices
from medft_bm.imaging.read import read_volume
from medft_bm.imaging.slices import render, render_blocks, safe_path, slice_array
from medft_bm.imaging.windows import apply_window


@pytest.fixture
def volume(tmp_path):
    """In LPS: x 5, y 7, z 9; every voxel another value."""
    image = SimpleITK.GetImageFromArray(np.arange(5 * 7 * 9, dtype=np.int16).reshape(9, 7, 5))
    image.SetSpacing((0.7, 1.3, 2.9))
    SimpleITK.WriteImage(image, str(tmp_path / "a.nii.gz"))
    return read_volume(tmp_path / "a.nii.gz")


@pytest.mark.parametrize("relative", ["/etc/passwd", "../a.png", "b/../../a.png", "", ".", "a\\b.png", "a\0.png"])
def test_a_path_that_leaves_the_root_is_refused(tmp_path, relative):
    with pytest.raises(DataError, match="path"):
        safe_path(tmp_path, relative)


def test_a_path_under_the_root_is_joined(tmp_path):
    assert safe_path(tmp_path, "a/./b.png") == tmp_path / "a" / "b.png"


def test_a_slice_is_a_view_in_stored_values(volume):
    stored = slice_array(volume, 0, 3, "stored")
    assert (stored == volume.array[3]).all()
    assert np.shares_memory(stored, volume.array)
    assert stored.dtype == np.int16
    shown = slice_array(volume, 2, 4)  # axial, LPS: columns run to the left and rows to posterior already
    assert (shown == volume.array[:, :, 4].T).all()


@pytest.mark.parametrize(("axis", "index"), [(2, 9), (2, -1), (3, 0), (0, 5)])
def test_a_slice_that_does_not_exist_is_refused(volume, axis, index):
    with pytest.raises(DataError, match="no slice"):
        slice_array(volume, axis, index)


def test_many_slices_of_one_volume_are_rendered_in_order_from_one_read(volume, tmp_path, monkeypatch):
    reads = []
    monkeypatch.setattr(slices, "read_volume", lambda path, wanted: reads.append(wanted) or read_volume(path, wanted))
    refs = [ImageRef("a.nii.gz", axis, index, window="min_max") for axis, index in ((2, 8), (0, 1), (2, 0), (1, 3))]
    images = list(render(tmp_path, refs))
    assert [image.shape for image in images] == [(7, 5), (9, 7), (7, 5), (9, 5)]
    assert reads == [[(2, 8), (0, 1), (2, 0), (1, 3)]]
    for image, ref in zip(images, refs, strict=True):
        assert image.dtype == np.uint8
        assert image.flags.c_contiguous
        values = slice_array(volume, ref.axis, ref.index).astype(float)
        assert np.abs(image - (values - values.min()) / np.ptp(values) * 255).max() <= 0.5


def test_a_picture_is_rendered_too(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 8)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert (next(render(tmp_path, [ImageRef("a.png")])) == pixels).all()


def test_a_slice_that_vanished_and_mixed_files_name_the_place(volume, tmp_path):
    with pytest.raises(DataError, match="no slice 20") as caught:
        list(render(tmp_path, [ImageRef("a.nii.gz", 2, 20, window="min_max")]))
    assert "a.nii.gz, slice 20" in caught.value.where
    with pytest.raises(DataError, match="8-bit") as caught:
        list(render(tmp_path, [ImageRef("a.nii.gz", 2, 3)]))
    assert "slice 3" in caught.value.where
    with pytest.raises(DataError, match="one file at a time"):
        list(render(tmp_path, [ImageRef("a.png"), ImageRef("b.png")]))
    assert list(render(tmp_path, [])) == []


@pytest.mark.parametrize("at_once", [1, 100, 10_000])
def test_slices_that_are_rendered_together_are_those_rendered_alone(volume, tmp_path, monkeypatch, at_once):
    monkeypatch.setattr(slices, "PIXELS_AT_ONCE", at_once)
    refs = [
        ImageRef("a.nii.gz", axis, index, frame, "min_max")
        for axis, count in ((2, 9), (0, 5), (1, 7))
        for frame in ("display", "stored")
        for index in range(count)
    ]
    blocks = list(render_blocks(tmp_path, refs))
    assert (len(blocks) < len(refs)) == (at_once > 1)
    images = [image for block in blocks for image in block]
    assert len(images) == len(refs)
    for ref, image in zip(refs, images, strict=True):
        values = slice_array(volume, ref.axis, ref.index, ref.frame)
        assert (image == apply_window(values, "min_max")).all()
