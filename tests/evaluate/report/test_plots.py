import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medft_bm.core.geometry import Spacing
from medft_bm.evaluate.replies import Reply
from medft_bm.evaluate.report.agreement import agreements
from medft_bm.evaluate.report.axes import axis_of, share_axis
from medft_bm.evaluate.report.plots import HEIGHT, WIDTH, Plot, series
from medft_bm.evaluate.report.reliability import reliabilities
from medft_bm.evaluate.report.scatter import size_plots
from medft_bm.evaluate.report.sizes import true_sizes
from medft_bm.evaluate.score import score_replies

NAMES = [f"part {k}" for k in range(4)]


def of_part(items, part):
    return [item for item in items if item.part == part]


def answered(items, texts, probabilities=None):
    said = probabilities or [None] * len(items)
    return score_replies(
        items, [Reply(item.uid, text, 2, True, p) for item, text, p in zip(items, texts, said, strict=True)]
    )


@given(st.lists(st.floats(-1e15, 1e15), min_size=1, max_size=50), st.booleans())
def test_an_axis_has_round_ticks_at_its_ends_and_holds_at_least_half_of_the_values(values, around_zero):
    axis = axis_of("x", values, around_zero=around_zero)

    assert 3 <= len(axis.ticks) <= 12
    assert axis.low == axis.ticks[0] < axis.ticks[-1] == axis.high
    step = axis.ticks[1] - axis.ticks[0]
    assert f"{step:.3e}"[:5] in {"1.000", "2.000", "5.000"}
    assert sum(axis.holds(value) for value in values) >= len(values) / 2
    assert axis.holds(0) or not around_zero
    assert all(0 <= axis.place(value) <= 1 for value in values)


def test_ticks_say_their_values_with_as_many_decimals_as_they_need():
    assert [text for _, text in axis_of("x", [0, 0.3]).marks] == [
        "0.00",
        "0.05",
        "0.10",
        "0.15",
        "0.20",
        "0.25",
        "0.30",
    ]
    assert [text for _, text in axis_of("x", [-9, 11]).marks] == ["−10", "−5", "0", "5", "10", "15"]


def test_one_absurd_value_does_not_press_the_others_into_a_corner_and_is_said_to_be_beyond():
    values = [*range(40), 10**9]
    x, y = axis_of("x", values), share_axis("y")
    drawn = series("base", "before", {str(k): (value, 0.5, "") for k, value in enumerate(values)}, x, y)

    assert x.high < 100
    assert [point.beyond for point in drawn.points].count(True) == 1
    plot = Plot("part", "title", "summary", x, y, (drawn,))
    assert plot.note == "41 points; 1 beyond the axes, drawn at the edge"
    assert all(0 <= point.x <= WIDTH and 0 <= point.y <= HEIGHT for point in drawn.points)


def test_too_many_points_are_chosen_by_hash_the_same_ones_for_every_model():
    dots = {f"u{k}": (k, 0.5, f"u{k}") for k in range(50)}
    x, y = axis_of("x", range(50)), share_axis("y")

    forward, backward = (
        series("base", "b", dots, x, y, 10),
        series("tuned", "a", dict(reversed(dots.items())), x, y, 10),
    )

    assert len(forward.points) == 10
    assert forward.of == 50
    assert forward.points == backward.points
    assert Plot("p", "t", "s", x, y, (forward,)).note == "10 of 50 points, chosen by hash"


def test_a_box_is_as_large_as_its_area_in_mm_or_its_share_of_the_image(items):
    boxes = of_part(items, 1)
    y0, x0, y1, x1 = boxes[0].sample.truth["box"]
    spaced = [replace(item, sample=replace(item.sample, spacing=Spacing(y=0.7, x=2.5))) for item in boxes]
    unknown = [*spaced[:1], *(replace(item, sample=replace(item.sample, spacing=None)) for item in boxes[1:])]

    in_mm, shares = true_sizes(spaced), true_sizes(unknown)

    assert in_mm.label == "box area (mm²)"
    assert in_mm.values[0] == pytest.approx((y1 - y0) * 0.7 * (x1 - x0) * 2.5)
    size = boxes[0].sample.size
    assert shares.values[0] == pytest.approx(100 * (y1 - y0) * (x1 - x0) / size.h / size.w)
    assert shares.unit == "% of the image"


def test_lengths_have_their_true_value_as_size_and_classes_have_none(items):
    lengths = of_part(items, 3)

    assert true_sizes(lengths).values == pytest.approx([float(item.answer_text) for item in lengths], abs=0.1)
    assert true_sizes(of_part(items, 2)).name == "major axis"
    assert true_sizes(of_part(items, 0)) is None


def test_errors_stand_over_true_sizes_and_unread_replies_are_not_drawn(items):
    lengths = of_part(items, 3)
    texts = [*(f"{true + 10:.9f}" for true in true_sizes(lengths).values[:-1]), ""]

    (plot,) = size_plots({3: {"base": answered(lengths, texts)}}, NAMES)

    (drawn,) = plot.series
    assert plot.x.label == "true distance (mm)"
    assert drawn.of == len(lengths) - 1
    assert len({point.y for point in drawn.points}) == 1
    assert "10.0 mm" in drawn.points[0].title
    assert size_plots({0: {"base": answered(of_part(items, 0), [""] * len(of_part(items, 0)))}}, NAMES) == []
    assert size_plots({3: {"base": answered(lengths, [""] * len(lengths))}}, NAMES) == []


def test_bias_and_limits_are_those_of_the_differences(items):
    lengths = of_part(items, 3)[:4]
    off = [2.0, 4.0, 4.0, 6.0]
    truths = true_sizes(lengths).values
    texts = [f"{true + by:.9f}" for true, by in zip(truths, off, strict=True)]

    (found,) = agreements({3: {"tuned": answered(lengths, texts)}}, NAMES)

    spread = 1.96 * math.sqrt(8 / 3)
    assert (found.quantity, found.unit, found.n) == ("distance", "mm", 4)
    assert found.bias == pytest.approx(4)
    assert (found.lower, found.upper) == pytest.approx((4 - spread, 4 + spread))
    assert [rule.kind for rule in found.plot.rules] == ["zero", "bias", "limit", "limit"]
    assert "bias +4.00" in found.plot.summary


@pytest.mark.parametrize("text", ["", "1e300 mm", "12 mm"])
def test_agreement_of_one_absurd_or_no_reply_is_no_error(items, text):
    for found in agreements({3: {"tuned": answered(of_part(items, 3)[:1], [text])}}, NAMES):
        assert found.lower is None
        assert found.plot.rules


def test_before_and_after_share_their_axes(items):
    lengths = of_part(items, 3)
    near, far = ([f"{float(item.answer_text) + by}" for item in lengths] for by in (1, 30))

    before, after = agreements({3: {"base": answered(lengths, far), "tuned": answered(lengths, near)}}, NAMES)

    assert before.plot.y == after.plot.y
    assert before.plot.x == after.plot.x


def test_a_model_that_is_as_sure_as_right_has_no_calibration_error(items):
    images = of_part(items, 0)[:4]
    count = len(images[0].sample.truth["classes"])

    def told(item, sure, right):
        truth = item.sample.truth["class_id"]
        likely = truth if right else (truth + 1) % count
        return tuple(sure if k == likely else (1 - sure) / (count - 1) for k in range(count))

    fair = [told(item, 0.5, k % 2 == 0) for k, item in enumerate(images)]
    boasting = [told(item, 0.95, right=False) for item in images]

    calm, loud = reliabilities(
        {0: {"base": answered(images, ["?"] * 4, fair), "tuned": answered(images, ["?"] * 4, boasting)}}, NAMES
    )

    assert calm.error == pytest.approx(0)
    assert [(one.n, one.confidence, one.accuracy) for one in calm.bins] == [(4, 0.5, 0.5)]
    assert loud.error == pytest.approx(0.95)
    assert loud.plot.note == "1 bin"
    assert reliabilities({0: {"base": answered(images, ["?"] * 4)}}, NAMES) == []
