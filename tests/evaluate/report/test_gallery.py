import re
from dataclasses import replace

import pytest
from PIL import Image

from medft_bm.core.geometry import Size, Spacing
from medft_bm.core.types import ImageRef, Sample
from medft_bm.evaluate.replies import Reply
from medft_bm.evaluate.report.drawing import SIDES, draw_slice
from medft_bm.evaluate.report.gallery import LONGEST, cards
from medft_bm.evaluate.score import score_replies

NAMES = [f"part {k}" for k in range(4)]
SIZE, SPACING = Size(60, 40), Spacing(y=0.5, x=1.5)  # 30 mm x 60 mm: shown 320 x 640
BOX = {"box": [12.0, 10.0, 45.0, 30.0], "label": "liver"}
GREY = Image.new("RGB", (SIZE.w, SIZE.h), (120, 120, 120))
PLENTY = 10**7


def sample(truth, spacing=SPACING) -> Sample:
    return Sample("u", "t", "s", "p", ImageRef("a.png"), SIZE, spacing, truth)


def answered(items, texts):
    return score_replies(items, [Reply(item.uid, text, 2, True) for item, text in zip(items, texts, strict=True)])


def points(path):
    return [tuple(map(float, pair.split())) for pair in re.findall(r"[\d.-]+ [\d.-]+", path)]


def test_truth_and_replies_stand_where_they_belong_on_an_anisotropic_slice():
    drawn = draw_slice(GREY, sample(BOX), {"base": [6.0, 4.0, 50.0, 36.0], "tuned": None}, budget=PLENTY)

    assert (drawn.width, drawn.height) == (640, 320)
    assert [layer.kind for layer in drawn.layers] == ["truth", "base"]
    for layer, (y0, x0, y1, x1) in zip(drawn.layers, (BOX["box"], (6, 4, 50, 36)), strict=True):
        xs, ys = zip(*points(layer.path), strict=True)
        assert (min(xs), max(xs)) == pytest.approx((x0 * 16, x1 * 16))
        assert (min(ys), max(ys)) == pytest.approx((y0 * 320 / 60, y1 * 320 / 60), abs=0.01)


def test_landmarks_have_dots_and_a_scale_bar_its_length_in_mm():
    truth = {"kind": "distance", "points": {"a": [5, 5], "b": [40, 30]}, "lines": [["a", "b"]]}

    drawn = draw_slice(GREY, sample(truth), {"tuned": 20.0}, budget=PLENTY)

    assert drawn.layers[0].dots == ((80.0, 26.67), (480.0, 213.33))
    assert drawn.layers[1].dots == ()
    assert (drawn.scale_bar.text, drawn.scale_bar.length) == ("10 mm", pytest.approx(640 / 60 * 10, abs=0.01))
    assert draw_slice(GREY, sample(truth, None), {}, budget=PLENTY).scale_bar is None


def test_a_kilometre_is_cut_and_a_small_budget_makes_a_smaller_picture():
    absurd = draw_slice(GREY, sample(BOX), {"tuned": [-1e12, -1e12, 1e12, 1e12]}, budget=0)

    assert absurd.width == SIDES[-1]
    assert all(abs(value) < 1e4 for pair in points(absurd.layers[1].path) for value in pair)


@pytest.mark.parametrize(
    ("before", "after", "outcome", "change"),
    [
        ("truth", "truth", "measured", "equal"),
        ("", "truth", "measured", "better"),
        ("truth", "", "no answer", "worse"),
        ("", "", "no answer", "equal"),
        ("900 mm", "truth", "measured", "better"),
    ],
)
def test_a_case_says_what_became_of_it(items, before, after, outcome, change):
    item = next(item for item in items if item.part == 3)
    before, after = (item.answer_text if text == "truth" else text for text in (before, after))

    (card,) = cards({"base": answered([item], [before]), "tuned": answered([item], [after])}, NAMES, 1)

    assert (card.outcome, card.change) == (outcome, change)
    assert [said.who for said in card.replies] == ["base", "tuned"]


def test_a_class_is_right_or_wrong_and_a_wrong_one_is_no_better_than_none(items):
    item = next(item for item in items if item.part == 0)
    wrong = next(name for name in item.sample.truth["classes"] if name != item.answer_text)

    (right,) = cards({"base": answered([item], [item.answer_text])}, NAMES, 1)
    (other,) = cards({"base": answered([item], [""]), "tuned": answered([item], [wrong])}, NAMES, 1)

    assert (right.outcome, right.change) == ("right", "")
    assert (other.outcome, other.change) == ("wrong", "equal")


def test_ranks_become_shares_and_thirds(items):
    part = [item for item in items if item.part == 3]
    texts = [str(float(item.answer_text) + k) for k, item in enumerate(part)]

    shown = cards({"base": answered(part, texts)}, NAMES, len(part))

    assert [card.share for card in shown] == pytest.approx([k / (len(part) - 1) for k in range(len(part))], abs=1e-4)
    assert shown[0].third == "best third"
    assert shown[-1].third == "worst third"


def test_an_endless_reply_is_cut_and_says_so(items):
    item = next(item for item in items if item.part == 3)
    item = replace(item, prompt_text="word " * 5000)

    (card,) = cards({"base": answered([item], ["so it goes " * 5000])}, NAMES, 1)

    assert all(len(text) < LONGEST + 50 for text in (card.prompt, card.replies[0].text))
    assert card.replies[0].text.endswith(f"({55000 - LONGEST} more characters)")
