"""The short cut for numbers that stand alone reads what the long way reads, or leaves the reply to it."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tasks.test_reply_corpus import READERS, corpus, read

from medft_bm.core.geometry import Size
from medft_bm.tasks.reading import boxes, measurements
from medft_bm.tasks.reading.boxes import read_box
from medft_bm.tasks.reading.canonical import ANGLE, BOX, LENGTHS, alone
from medft_bm.tasks.reading.measurements import read_angle, read_lengths

SEEN = Size(448, 616)
FORMS = [
    "{:.0f}",
    "{:.1f}",
    "{:.1f}",
    "{:.3f}",
    "{:.6f}",
    "{:.7f}",
    "0{:.2f}",
    "{:.2f}.",
    "-{:.1f}",
    ".{:.0f}",
    "{:.1e}",
]
numbers = st.builds(
    lambda digits, scale, form: form.format(digits / scale),
    st.integers(0, 20_000),
    st.sampled_from([1, 10, 100, 20_000]),
    st.sampled_from(FORMS),
)
PIECES = {
    "start": ("", "", "", " ", "\n", "\u3000", "-", "~", "x", "$", "# "),
    "between": (", ", ", ", ", ", ",", "; ", " ", "  ", ",\n", " x ", "-", " to ", " or "),
    "unit": ("", "", "", " mm", "mm", " cm", " m", "°", " °", " degrees", " degree", "degrees", " px", "%", " in", "'"),
    "end": ("", "", "", ".", "..", " .", ",", "!", "\n", "\n.", "²", "\u0660", " 7", "<end_of_turn>"),
}
BRACKETS = (("", ""), ("", ""), ("[", "]"), ("[", "]"), ("(", ")"), ("[", ""), ("", "]"))


@st.composite
def replies(draw) -> str:
    """What tuned models write, and what is one character away from it."""
    some = {name: draw(st.sampled_from(of)) for name, of in PIECES.items()}
    opens, closes = draw(st.sampled_from(BRACKETS))
    written = some["between"].join(draw(st.lists(numbers, min_size=1, max_size=5)))
    return f"{some['start']}{opens}{written}{some['unit']}{closes}{some['end']}"


def readings(reply):
    """By every reader that has the short cut."""
    return [
        *(read_lengths(reply, count, 400.0) for count in (1, 2)),
        *(read_angle(reply, top) for top in (90, 180)),
        *(read_box(reply, coordinates, SEEN) for coordinates in ("fraction", "pixel", "thousandth")),
    ]


def the_long_way():
    return patch.multiple(measurements, alone=lambda *_: []), patch.object(boxes, "alone", lambda *_: [])


@settings(max_examples=400, deadline=None)
@given(replies())
def test_both_ways_read_the_same(reply):
    first, second = the_long_way()
    with first, second:
        expected = readings(reply)

    assert readings(reply) == expected


@pytest.mark.parametrize("task", [task for task in READERS if task != "classification"])
def test_both_ways_read_the_same_in_the_corpus(task):
    lines = corpus(task)
    first, second = the_long_way()
    with first, second:
        expected = [read(task, line) for line in lines]

    assert [read(task, line) for line in lines] == expected


@pytest.mark.parametrize(
    ("reply", "form", "numbers"),
    [
        ("42.7", LENGTHS, ["42.7"]),
        (" 42.7 mm.\n", LENGTHS, ["42.7"]),
        ("32.1, 17.40", LENGTHS, ["32.1", "17.40"]),
        ("32.1, 17.40 mm", LENGTHS, ["32.1", "17.40"]),
        ("90", ANGLE, ["90"]),
        ("12.5°", ANGLE, ["12.5"]),
        ("12.5 degrees.", ANGLE, ["12.5"]),
        ("[0.123, 0.204, 0.551, 0.620]", BOX, ["0.123", "0.204", "0.551", "0.620"]),
        ("[12, 20, 551, 620].", BOX, ["12", "20", "551", "620"]),
    ],
)
def test_the_short_cut_takes_what_tasks_ask_for(reply, form, numbers):
    assert alone(reply, form, len(numbers)) == numbers
    assert alone(reply, form, len(numbers) + 1) == []


@pytest.mark.parametrize(
    "reply", ["", "about 42.7", "42,7", "4.2 cm", "-42.7", "42.7 mm or more", "1 200", "1e3", "٤٢"]
)
def test_everything_else_is_left_to_the_long_way(reply):
    assert not any(alone(reply, form, 1) for form in (LENGTHS, ANGLE, BOX))
