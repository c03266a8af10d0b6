import numpy as np
import pytest
from PIL import Image

from medft_bm.core.geometry import Size, Spacing
from medft_bm.core.types import ImageRef, Sample
from medft_bm.evaluate.report.overlay import PREDICTED, TRUTH, draw_case

SIZE, SPACING = Size(60, 40), Spacing(y=0.5, x=1.5)  # 30 mm x 60 mm: shown 320 x 640
SCALE_Y, SCALE_X = 320 / 60, 640 / 40


def sample(truth, spacing=SPACING) -> Sample:
    return Sample("u", "t", "s", "p", ImageRef("a.png"), SIZE, spacing, truth)


def draw(truth, predicted, spacing=SPACING, text="x"):
    grey = Image.new("RGB", (SIZE.w, SIZE.h), (120, 120, 120))
    return draw_case(grey, sample(truth, spacing), predicted, truth_text=text, reply_text=text)


def where(picture, colour, rows):
    """(y, x) of pixels close to a colour, within the first rows."""
    pixels = np.asarray(picture)[:rows].astype(int)
    return np.argwhere(np.abs(pixels - colour).max(axis=2) < 25)


BOX = {"box": [12.0, 10.0, 45.0, 30.0], "label": "liver"}


def test_truth_and_prediction_stand_where_they_belong_on_an_anisotropic_slice():
    picture = draw(BOX, [6.0, 4.0, 50.0, 36.0])

    assert picture.size[0] == 640
    for colour, (y0, x0, y1, x1) in ((TRUTH, BOX["box"]), (PREDICTED, (6, 4, 50, 36))):
        found = where(picture, colour, 320)
        assert found.min(axis=0) == pytest.approx([y0 * SCALE_Y, x0 * SCALE_X], abs=4)
        assert found.max(axis=0) == pytest.approx([y1 * SCALE_Y, x1 * SCALE_X], abs=4)


def test_the_truth_is_solid_and_the_prediction_dashed():
    picture = draw(BOX, [6.0, 4.0, 50.0, 36.0])
    top_of_truth, top_of_reply = 12 * SCALE_Y, 6 * SCALE_Y

    solid = where(picture, TRUTH, 320)
    dashed = where(picture, PREDICTED, 320)
    covered = [
        len({x for y, x in found if abs(y - top) < 3}) / (width * SCALE_X)
        for found, top, width in ((solid, top_of_truth, 20), (dashed, top_of_reply, 32))
    ]

    assert covered[0] > 0.95
    assert 0.4 < covered[1] < 0.85


def test_no_answer_draws_no_prediction_on_the_slice():
    assert len(where(draw(BOX, None), PREDICTED, 320)) == 0
    assert len(where(draw(BOX, None), TRUTH, 320)) > 0


def test_a_scale_bar_has_its_length_in_mm_and_is_missing_where_the_spacing_is_unknown():
    bar = where(draw({"class_id": 0}, 0), (255, 255, 255), 320)
    row = bar[bar[:, 0] == 320 - 11]

    assert np.ptp(row[:, 1]) == pytest.approx(640 / 60 * 10, abs=6)  # 10 mm of 60 mm
    assert len(where(draw({"class_id": 0}, 0, spacing=None), (255, 255, 255), 420)) == 0


def test_the_legend_is_below_the_slice_and_long_replies_are_cut():
    short, long = (draw(BOX, None, text=text) for text in ("5 mm", "so it goes " * 100))

    assert short.size == long.size
    assert short.height > 320
    assert not np.array_equal(np.asarray(short)[320:], np.asarray(long)[320:])
    assert np.array_equal(np.asarray(short)[:320], np.asarray(long)[:320])


@pytest.mark.parametrize(
    ("truth", "said"),
    [
        (BOX, [-1e9, -1e9, 1e9, 1e9]),
        ({"major": [[5, 5], [40, 30]], "minor": [[10, 20], [30, 9]]}, [1e6, 0.0]),
        ({"kind": "distance", "points": {"a": [5, 5], "b": [40, 30]}, "lines": [["a", "b"]]}, 1e12),
    ],
)
def test_an_absurd_reply_can_be_drawn(truth, said):
    assert draw(truth, said).size[0] == 640
