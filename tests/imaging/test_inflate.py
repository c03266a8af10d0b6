"""Compressed volumes are read as far as needed, and damage before that point is noticed."""

from __future__ import annotations

import gzip
import zlib

import numpy as np
import pytest

from medft_bm.core.errors import DataError
from medft_bm.imaging.inflate import inflate, is_gzip
from medft_bm.imaging.nifti import read_header, read_voxels

NOISE = np.random.default_rng(0).integers(0, 256, 100_000, dtype=np.uint8).tobytes()


def inflated(path, needed: int, *, whole: bool) -> bytes:
    return inflate(path, [(0, needed)], whole=whole).tobytes()


def test_only_the_beginning_is_inflated(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(NOISE))
    assert is_gzip(path)
    assert inflated(path, 1000, whole=False) == NOISE[:1000]
    assert inflated(path, len(NOISE), whole=True) == NOISE
    with pytest.raises(DataError, match=f"{len(NOISE)} bytes where the header promises {len(NOISE) + 1}"):
        inflated(path, len(NOISE) + 1, whole=True)


@pytest.mark.parametrize("piece", [7, 1000, 1 << 20])
def test_ranges_are_put_where_they_belong_whatever_the_pieces(tmp_path, monkeypatch, piece):
    monkeypatch.setattr("medft_bm.imaging.inflate.PIECE", piece)
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(NOISE))
    ranges = [(3, 9), (9, 500), (40_000, 40_001), (60_000, 90_000)]
    contents = inflate(path, ranges, whole=False).tobytes()
    assert len(contents) == 90_000
    for first, last in ranges:
        assert contents[first:last] == NOISE[first:last]


@pytest.mark.parametrize("piece", [1, 100, 1 << 16])
@pytest.mark.parametrize("needed", [100, 60_000, 100_000])
def test_members_follow_each_other_with_padding_between(tmp_path, monkeypatch, needed, piece):
    monkeypatch.setattr("medft_bm.imaging.inflate.PIECE", piece)
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(NOISE[:50_000]) + b"\0" * 7 + gzip.compress(NOISE[50_000:]) + b"\0" * 9)
    assert inflated(path, needed, whole=True) == NOISE[:needed]


def test_what_follows_a_complete_file_does_not_matter(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(NOISE) + b"something else")
    assert inflated(path, len(NOISE), whole=True) == NOISE


def test_more_than_needed_is_read_to_its_checksum_when_the_whole_file_counts(tmp_path):
    path = tmp_path / "a.gz"
    data = bytearray(gzip.compress(NOISE))
    data[-8] ^= 1  # the checksum
    path.write_bytes(data)
    assert inflated(path, 1000, whole=False) == NOISE[:1000]
    with pytest.raises(DataError, match="truncated or damaged"):
        inflated(path, 1000, whole=True)


@pytest.mark.parametrize("cut", [1, 5, 50_000])
def test_a_file_that_ends_before_what_is_needed_is_refused(tmp_path, cut):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(NOISE)[:-cut])
    with pytest.raises(DataError, match="ends early"):
        inflated(path, len(NOISE), whole=True)
    assert inflated(path, 100, whole=False) == NOISE[:100]


def test_the_wanted_slices_are_those_of_the_whole_volume(nifti, voxels):
    path = nifti()
    header = read_header(path)
    for wanted in ([(2, 1), (2, 3)], [(0, 2)], [(1, 4), (2, 0)]):
        part = read_voxels(path, header, wanted)
        for axis, index in wanted:
            assert np.array_equal(np.take(part, index, axis), np.take(voxels, index, axis))
    assert read_voxels(path, header, [(2, 1)]).shape[2] == 2  # nothing after the last one is there


def test_rescaled_slices_are_those_of_the_whole_volume(nifti, voxels):
    for name in ("a.nii", "a.nii.gz"):
        path = nifti(name=name, scale=(0.5, -3.0))
        part = read_voxels(path, read_header(path), [(2, 1), (0, 2)])
        assert np.array_equal(part[:, :, 1], voxels[:, :, 1] * 0.5 - 3)
        assert np.array_equal(part[2], voxels[2] * 0.5 - 3)


def test_a_volume_that_is_cut_after_the_last_wanted_slice_gives_it_and_nothing_behind(nifti, voxels):
    path = nifti()
    raw = zlib.decompress(path.read_bytes(), 31)
    header = read_header(path)
    slice_bytes = voxels[:, :, 0].nbytes
    path.write_bytes(gzip.compress(raw[: header.offset + 3 * slice_bytes]))
    assert np.array_equal(read_voxels(path, header, [(2, 2)])[:, :, 2], voxels[:, :, 2])
    with pytest.raises(DataError, match="bytes where the header promises"):
        read_voxels(path, header, [(2, 3)])
    with pytest.raises(DataError, match="bytes where the header promises"):
        read_voxels(path, header)
