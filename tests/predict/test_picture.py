"""The picture of a prediction, of which nobody knows the truth."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from medft_bm.core.errors import DataError
from medft_bm.core.geometry import Box, Size, Spacing
from medft_bm.core.types import ImageRef
from medft_bm.evaluate.report.overlay import PREDICTED, TRUTH
from medft_bm.predict.answer import Answer
from medft_bm.predict.picture import write_overlay
from medft_bm.predict.place import Shown

SIZE, SPACING = Size(60, 40), Spacing(y=0.5, x=1.5)  # 30 mm x 60 mm: shown 320 x 640
BOX = Box(12.0, 10.0, 45.0, 30.0)


def shown(spacing: Spacing | None = SPACING) -> Shown:
    return Shown(ImageRef("image"), Image.new("RGB", (SIZE.w, SIZE.h), (120, 120, 120)), SIZE, spacing)


def drawn(tmp_path, answer: Answer | None, spacing: Spacing | None = SPACING) -> np.ndarray:
    write_overlay(tmp_path / "seen.png", shown(spacing), answer, "a reply")
    with Image.open(tmp_path / "seen.png") as picture:
        assert picture.info == {}
        return np.asarray(picture).astype(int)


def where(pixels, colour, rows):
    return np.argwhere(np.abs(pixels[:rows] - colour).max(axis=2) < 25)


def test_a_box_is_drawn_where_it_was_found_and_no_truth_is_made_up(tmp_path):
    pixels = drawn(tmp_path, Answer(box=BOX, spacing=SPACING))

    found = where(pixels, PREDICTED, 320)
    assert found.min(axis=0) == pytest.approx([12 * 320 / 60, 10 * 16], abs=4)
    assert found.max(axis=0) == pytest.approx([45 * 320 / 60, 30 * 16], abs=4)
    assert not len(where(pixels, TRUTH, len(pixels)))


def test_a_scale_bar_stands_there_only_where_the_pixel_size_is_known(tmp_path):
    lengths = Answer("mm", {"distance": 12.0})
    assert len(where(drawn(tmp_path, lengths), (255, 255, 255), 320))
    assert not len(where(drawn(tmp_path, lengths), PREDICTED, 320))
    assert not len(where(drawn(tmp_path, lengths, None), (255, 255, 255), 640))


def test_the_legend_says_all_of_it_and_explains_dashes_only_where_there_are_some(tmp_path):
    why = Answer(why="fewer numbers than asked for, and a good deal more that does not fit into one line")
    some, none = drawn(tmp_path, Answer(box=BOX, spacing=SPACING)), drawn(tmp_path, why)
    short = drawn(tmp_path, Answer("mm", {"distance": 12.0}))

    assert len(where(some[320:], PREDICTED, 40))
    assert not len(where(none[320:], PREDICTED, len(none)))
    assert len(none) > len(short)


def test_a_picture_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    folder = tmp_path / "seen.png"
    (folder / "full").mkdir(parents=True)
    with pytest.raises(DataError, match="cannot be written"):
        write_overlay(folder, shown(), None, "a reply")
    assert [path.name for path in tmp_path.iterdir()] == ["seen.png"]
