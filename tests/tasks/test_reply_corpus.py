"""Replies written by hand, in the manner of real models, and what is to be read in each.

One reply per line of ``corpus/TASK.jsonl``: ``reply``; ``reads`` (values in mm, degrees, fractions of the image, or the
index of a class) or ``refused`` (the name of a :class:`Refusal`); ``kind``, one word for what is special about it; and
what the reader has to be told: ``of`` (a list of classes), ``top`` (of angles), ``asked`` and ``seen`` (of boxes).
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medft_bm.core.geometry import Size
from medft_bm.tasks.reading.boxes import read_box
from medft_bm.tasks.reading.classes import read_class
from medft_bm.tasks.reading.measurements import read_angle, read_lengths
from medft_bm.tasks.reading.refusal import Refusal

CORPUS = Path(__file__).parent / "corpus"
CLASSES = {
    "tissue": ["carcinoma", "ductal carcinoma", "adenosis", "phyllodes tumour", "fibroadenoma"],
    "grade": ["benign", "malignant"],
    "chest": ["normal", "pneumonia", "no finding", "pleural effusion", "COVID-19"],
    "status": ["HER2+", "HER2-"],
    "polyp": ["adenoma", "adenoma with dysplasia", "hyperplastic polyp"],
    "organ": ["liver", "spleen", "left kidney", "right kidney"],
}
READERS = {
    "classification": lambda line: read_class(line["reply"], CLASSES[line["of"]]),
    "detection": lambda line: read_box(
        line["reply"], line.get("asked", "fraction"), Size(*line.get("seen", (896, 896)))
    ),
    "lesion_size": lambda line: read_lengths(line["reply"], 2, 400.0),
    "distance": lambda line: read_lengths(line["reply"], 1, 400.0),
    "angle": lambda line: read_angle(line["reply"], line.get("top", 90.0)),
}
NUMBERS = """plain prose extra markup latex json locale twice tolerance tag marked concluding goes_on empty declined
    wordless unit unit_other range limit negative unclear several contradicts cut_off"""
KINDS = {
    "classification": """plain quoted markup json prose longest denied_other tag marked concluding goes_on locale empty
        trailing_noise declined nothing inflected denied several contradicts cut_off same_words""",
    "detection": """plain prose pairs labels json markup latex locale percent pixels_said order twice tag marked goes_on
        clipped whole pixel thousandth fraction_for_pixel pixel_for_thousandth pixel_for_fraction empty declined
        wordless too_few too_many several contradicts coordinates unit_other unclear outside no_area cut_off""",
    "lesion_size": f"{NUMBERS} bare_second labels reversed equal too_few implausible zero",
    "distance": f"{NUMBERS} thousands exponent rounded implausible zero",
    "angle": f"{NUMBERS} exponent rounded edge directed outside",
}


def corpus(task):
    text = (CORPUS / f"{task}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.split("\n") if line]  # not splitlines: replies hold odd white space


def read(task, line):
    """What is read, as the corpus says it."""
    said = READERS[task](line)
    if isinstance(said, Refusal):
        return said.name
    return list(said) if task in ("detection", "lesion_size") else said[0] if isinstance(said, tuple) else said


@pytest.mark.parametrize("task", READERS)
def test_every_reply_is_read_or_refused_as_a_careful_person_would(task):
    wrong = []
    for line in corpus(task):
        expected, said = line.get("refused", line.get("reads")), read(task, line)
        if said != (expected if isinstance(expected, str) else pytest.approx(expected)):
            wrong.append(f"{line['kind']}: {line['reply'][:200]!r} is {expected}, read {said}")
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.parametrize("task", READERS)
def test_the_corpus_holds_at_least_200_different_replies_of_every_kind(task):
    lines = corpus(task)
    different = {json.dumps({**line, "kind": "", "reads": "", "refused": ""}, sort_keys=True) for line in lines}
    assert len(different) == len(lines) >= 200
    assert {line["kind"] for line in lines} == set(KINDS[task].split())
    assert all(("reads" in line) != ("refused" in line) for line in lines)


def test_every_refusal_occurs_somewhere_in_the_corpus():
    assert {line.get("refused") for task in READERS for line in corpus(task)} >= {reason.name for reason in Refusal}


@pytest.mark.parametrize("task", READERS)
def test_white_space_around_a_reply_changes_nothing(task):
    for line in corpus(task):
        assert read(task, {**line, "reply": f" \n\t{line['reply']}\r\n  "}) == read(task, line), line["reply"]
