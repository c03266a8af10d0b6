"""What holds for any text: nothing raises, values are possible ones, and markup around an answer does not matter."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from medft_bm.core.geometry import Size
from medft_bm.tasks.reading.boxes import read_box
from medft_bm.tasks.reading.classes import read_class
from medft_bm.tasks.reading.measurements import read_angle, read_lengths
from medft_bm.tasks.reading.published import last_numbers
from medft_bm.tasks.reading.refusal import Refusal

SEEN = Size(448, 616)
CLASSES = ("carcinoma", "ductal carcinoma", "adenosis", "no finding", "HER2+", "HER2-")
FRAMES = (
    "{}",
    "**{}**",
    "`{}`",
    "```\n{}\n```",
    "<answer>{}</answer>",
    "<answer>{}",
    "<think>First 12, then 13.</think>{}",
    "Answer: {}",
    "**Final answer:** {}",
    "I see 3 of 4 landmarks.\nFinal answer: {}",
    "Sure, here it is: {}",
    "{}<end_of_turn>",
    "{}\n\nThis is no medical advice.",
    "Answer:\n{}",
)
SIGNS = "0 1 9 42 17.3 0.25 , . - + ± % ° mm cm µm px x × / ( ) [ ] { } < > : = ; \" ' * _ ` $ | # … ~ e E ^ √ ½"
FRAGMENTS = (
    *SIGNS.split(),
    *(" ", "\n", "\\", "\\boxed{", "\\text{", "<answer>", "</answer>", "<think>", "</think>", "Answer:", "1e400"),
    *(
        "between ",
        " to ",
        " or ",
        " not ",
        "benign ",
        "adenosis",
        "ductal ",
        "carcinoma",
        "x1=",
        "y1:",
        "bbox_2d",
        "unit",
    ),
    *("cannot measure", "but ", "Therefore ", "１", "٣", "², ", "NaN", "-1", "\x00", "\ud800", "1,234", "Question: "),
)
texts = st.one_of(st.text(max_size=200), st.lists(st.sampled_from(FRAGMENTS), max_size=30).map("".join))
frames = st.sampled_from(FRAMES)
lengths = st.integers(0, 4000).map(lambda tenths: f"{tenths / 10:.1f}")


@settings(max_examples=400, deadline=None)
@given(texts)
@example("\\boxed{")
@example("[" * 500 + "]" * 500)
@example("9" * 5000)
def test_no_text_raises_and_what_is_read_is_possible(text):
    for count in (1, 2):
        said = read_lengths(text, count, 400)
        assert isinstance(said, Refusal) or (len(said) == count and all(0 <= value <= 400.1 for value in said))
    angle = read_angle(text, 90)
    assert isinstance(angle, Refusal) or 0 <= angle[0] <= 90
    for coordinates in ("fraction", "pixel", "thousandth"):
        box = read_box(text, coordinates, SEEN)
        assert isinstance(box, Refusal) or (all(0 <= value <= 1 for value in box) and box[0] != box[2])
    named = read_class(text, CLASSES)
    assert isinstance(named, Refusal) or named in range(len(CLASSES))
    published = last_numbers(text, 1)
    assert isinstance(published, Refusal) or abs(published[0]) < float("inf")


@settings(max_examples=200, deadline=None)
@given(texts, st.text(" \t\n\r\f\v\u3000", max_size=5), st.text(" \t\n\r\f\v\u3000", max_size=5))
def test_white_space_around_a_text_changes_nothing(text, before, after):
    around = before + text + after
    assert read_lengths(around, 1, 400) == read_lengths(text, 1, 400)
    assert read_box(around, "pixel", SEEN) == read_box(text, "pixel", SEEN)
    assert read_class(around, CLASSES) == read_class(text, CLASSES)


@settings(max_examples=150, deadline=None)
@given(frames, lengths, lengths)
def test_lengths_are_read_whatever_is_around_them(frame, first, second):
    assert read_lengths(frame.format(first), 1, 400) == (float(first),)
    assert read_lengths(frame.format(f"{first} mm"), 1, 400) == (float(first),)
    assert read_lengths(frame.format(f"{first}, {second}"), 2, 400) == (float(first), float(second))


@settings(max_examples=100, deadline=None)
@given(frames, st.integers(0, 1800).map(lambda tenths: f"{tenths / 10:.1f}"))
def test_an_angle_is_read_whatever_is_around_it(frame, angle):
    assert read_angle(frame.format(angle), 180) == (float(angle),)
    assert read_angle(frame.format(f"{angle}°"), 180) == (float(angle),)


@settings(max_examples=100, deadline=None)
@given(frames, *[st.integers(0, 499), st.integers(500, 1000)] * 2)
def test_a_box_is_read_in_every_convention_whatever_is_around_it(frame, x1, x2, y1, y2):
    fractions = tuple(value / 1000 for value in (x1, y1, x2, y2))
    text = ", ".join(f"{value:.3f}" for value in fractions)
    assert read_box(frame.format(f"[{text}]"), "fraction", SEEN) == pytest.approx(fractions)
    assert read_box(frame.format(f"[{x1}, {y1}, {x2}, {y2}]"), "thousandth", SEEN) == pytest.approx(fractions)
    pixels = [x1 * SEEN.w // 1000, y1 * SEEN.h // 1000, x2 * SEEN.w // 1000, y2 * SEEN.h // 1000]
    sides = [SEEN.w, SEEN.h, SEEN.w, SEEN.h]
    expected = [value / side for value, side in zip(pixels, sides, strict=True)]
    assert read_box(frame.format(str(pixels)), "pixel", SEEN) == pytest.approx(expected)


@pytest.mark.parametrize("frame", [frame for frame in FRAMES if "advice" not in frame])
def test_a_class_is_read_whatever_is_around_it(frame):
    for index, name in enumerate(CLASSES[:4]):
        assert read_class(frame.format(name), CLASSES) == index


def test_a_megabyte_takes_linear_time():
    """A pattern that backtracks, or a loop within a loop, would take hours; the limit is far above what is needed."""
    code = (
        "import sys; from medft_bm.core.geometry import Size; from medft_bm.tasks.reading.boxes import read_box\n"
        "from medft_bm.tasks.reading.classes import read_class\n"
        "from medft_bm.tasks.reading.measurements import read_lengths\n"
        "for seed in sys.argv[1:]:\n"
        "    text = seed * ((1_000_000 if seed == '[9,' else 100_000) // len(seed)) + 'z'\n"
        "    read_lengths(text, 1, 400), read_box(text, 'fraction', Size(9, 9)), read_class(text, ['benign', 'z'])\n"
    )
    seeds = ("[9,", "1", "9,", "[", "(1,2)", "1 mm - ", "_a", " ", "\\boxed{1", "Answer: 1\n", "not benign ")
    subprocess.run([sys.executable, "-c", code, *seeds], check=True, timeout=300)
