"""Arrow files that a power failure or a copy has damaged."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from medft_bm.core.errors import DataError
from medft_bm.prepare.dataset import open_prepared


def cut(file: Path, keep: float) -> None:
    os.truncate(file, int(file.stat().st_size * keep))


def zeros(file: Path, start: int) -> None:
    """What a file system leaves of a file whose size was stored and whose end was not."""
    size = file.stat().st_size
    os.truncate(file, start)
    os.truncate(file, size)


FILES = ("train/data-00000-of-00001.arrow", "images/00000.arrow", "train/state.json", "dataset_dict.json")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(("damage", "how"), [(cut, [0]), (cut, [0.5]), (zeros, [0]), (Path.unlink, [])])
def test_damaged_files_are_one_message_that_says_how_to_go_on(prepared, tmp_path, name, damage, how):
    folder = shutil.copytree(prepared.folder, tmp_path / "copy")
    damage(folder / name, *how)
    damaged = open_prepared(folder)

    with pytest.raises(DataError, match="prepared data is damaged") as error:
        _ = damaged.tables, damaged.images

    assert str(folder) in error.value.where
    assert "medft prepare" in error.value.fix


def test_a_table_that_ends_early_in_zeros_is_not_taken_for_a_short_one(prepared, tmp_path):
    """Arrow takes zeros where a batch should begin for the end of the file."""
    folder = shutil.copytree(prepared.folder, tmp_path / "copy")
    file = folder / "images/00000.arrow"
    at = second_batch(file)
    assert 0 < at < file.stat().st_size

    zeros(file, at)

    with pytest.raises(DataError, match=r"64 of \d+ rows are left"):
        _ = open_prepared(folder).images


def second_batch(file: Path) -> int:
    """The byte at which the second batch of a stream begins."""
    import pyarrow as pa

    with pa.OSFile(str(file)) as source, pa.ipc.open_stream(source) as stream:
        stream.read_next_batch()
        return source.tell()
