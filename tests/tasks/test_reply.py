from __future__ import annotations

import pytest

from medft_bm.tasks.reply import read_class, read_measurements, read_numbers


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("35.2", 35.2),
        ("35.2 mm", 35.2),
        ("3.52 cm", 35.2),
        ("The distance is 35.2 millimetres.", 35.2),
        ("The distance from P1 to P2 is 35.2 mm.", 35.2),
        ("x1 is 12 px from x2, which is 35.2 mm", 35.2),
        ("1,234.5", 1234.5),
        ("1.2e1 mm", 12.0),
        (".5 mm", 0.5),
        ("I think 40, no: <answer>35.2</answer>", 35.2),
        ("35.", 35.0),
    ],
)
def test_one_length_is_read_in_mm_from_prose_units_and_tags(reply, expected):
    assert read_measurements(reply, 1, "mm") == pytest.approx([expected])


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "none",
        "10-20 mm",
        "between 10 and 20",
        "-5 mm",
        "P1 to P2",
        "1e30",
        "10 mm or 20 mm",
        "12 or 14 mm",
        "35.2.1.4",
    ],
)
def test_an_ambiguous_or_impossible_length_is_no_answer(reply):
    assert read_measurements(reply, 1, "mm") is None


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("42.1, 17.3", [42.1, 17.3]),
        ("[42.1, 17.3]", [42.1, 17.3]),
        ("major 42.1 mm, minor 1.73 cm", [42.1, 17.3]),
        ("The 2 axes are 42.1 mm and 17.3 mm", [42.1, 17.3]),
        ("42.1 x 17.3 mm", [42.1, 17.3]),
        ("4.21 x 1.73 cm", [42.1, 17.3]),
        ("4.21, and 1.73 cm", [42.1, 17.3]),
    ],
)
def test_two_axes_are_read(reply, expected):
    assert read_measurements(reply, 2, "mm") == pytest.approx(expected)


def test_an_angle_may_carry_a_degree_sign():
    assert read_measurements("about 12.5°", 1, "degree") == [12.5]
    assert read_measurements("12.5 degrees", 1, "degree") == [12.5]


@pytest.mark.parametrize(
    "reply",
    [
        "[0.1, 0.2, 0.3, 0.4]",
        "x1=0.1, y1=0.2, x2=0.3, y2=0.4",
        "The box is [.1,.2,.3,.4].",
        '{"bbox_2d": [0.1, 0.2, 0.3, 0.4], "label": "liver"}',
        "0.1 0.2 0.3 0.4",
        "label 2: [0.1, 0.2, 0.3, 0.4]",
    ],
)
def test_a_box_is_read_with_labels_brackets_and_json(reply):
    assert read_numbers(reply, 4) == pytest.approx([0.1, 0.2, 0.3, 0.4])


@pytest.mark.parametrize("reply", ["[12,34,56,78]", "12,34,56,78"])
def test_commas_without_spaces_separate_the_numbers_of_a_box(reply):
    assert read_numbers(reply, 4) == [12, 34, 56, 78]


@pytest.mark.parametrize("reply", ["", "[0.1, 0.2, 0.3]", "1 2 3 4 5", "[1e9, 0, 0, 0]"])
def test_a_box_needs_exactly_four_numbers(reply):
    assert read_numbers(reply, 4) is None


CLASSES = ["carcinoma", "ductal carcinoma", "adenosis", "phyllodes tumour"]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("adenosis", 2),
        ("Adenosis.", 2),
        ("It shows a phyllodes-tumour", 3),
        ("ductal carcinoma", 1),
        ("carcinoma", 0),
        ("<answer>ductal\ncarcinoma</answer> adenosis", 1),
    ],
)
def test_the_only_class_that_is_named_is_read(reply, expected):
    assert read_class(reply, CLASSES) == expected


@pytest.mark.parametrize("reply", ["", "adenosis or carcinoma", "adenosisx", "no idea"])
def test_no_class_or_two_classes_is_no_answer(reply):
    assert read_class(reply, CLASSES) is None
