from __future__ import annotations

import json

import pytest

from medft_bm.core.geometry import Size, Spacing
from medft_bm.core.types import ImageRef, Sample
from medft_bm.prepare.codec import dump_sample, load_sample, size_spacing_tags
from medft_bm.prepare.entries import from_line, to_line

UGLY = 'liver","task":{"truth":"x\\","tags":"é'


def through_text(sample: Sample) -> str:
    entry = from_line(to_line(sample, "subject"), 3, sample.task, sample.source, {})
    return dump_sample(entry, "f" * 16, "s0123", "train", 41)


@pytest.mark.parametrize("spacing", [None, Spacing(0.7, 1.3)])
@pytest.mark.parametrize("label", ["liver", UGLY])
def test_a_sample_comes_back_from_its_text_as_json_reads_it(spacing, label):
    truth = {"box": [1.1, 2.0, 1e-7, 1e16], "label": label, "truth": {"tags": {"task": label}}}
    tags = {"modality": "CT", "tags": "own", "label": label}
    image = ImageRef("a/b.nii.gz", 2, 5, "stored", "ct_lung")
    sample = Sample("u", "detection", label, "P1", image, Size(30, 40), spacing, truth, tags)
    text = through_text(sample)
    shown = ImageRef("image-41", 2, 5, "stored", "ct_lung")
    back = Sample("f" * 16, "detection", label, "s0123", shown, Size(30, 40), spacing, truth, tags, "train")
    assert load_sample(text) == back
    plain = json.loads(text)
    assert (plain["truth"], plain["tags"], plain["source"], plain["subject"]) == (truth, tags, label, "s0123")


def test_whole_numbers_and_fractions_that_are_equal_keep_their_text():
    image, size = ImageRef("a.png"), Size(3, 4)
    for mm in (1, 1.0, 1, 1.0):
        text = through_text(Sample("u", "t", "s", "P1", image, size, Spacing(mm, mm), {}, {"label": "x"}))
        assert f'"spacing":{{"y":{mm},"x":{mm}}}' in text


def test_size_spacing_and_tags_are_read_from_the_text_of_an_entry():
    sample = Sample("u", "t", "s", "P1", ImageRef("a.png"), Size(3, 4), Spacing(0.5, 2.0), {"tags": 1}, {"tags": UGLY})
    entry = from_line(to_line(sample, "subject"), 0, "t", "s", {})
    assert size_spacing_tags(entry.text) == ({"h": 3, "w": 4}, {"y": 0.5, "x": 2.0}, {"tags": UGLY})
