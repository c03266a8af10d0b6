"""Guesses that never look at an image: what they are told, what they copy, and that they are quick."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from medft_bm.core.geometry import PixelMap, Size, Spacing
from medft_bm.core.types import ImageRef, Sample, View, stable_uid
from medft_bm.tasks import load_task
from medft_bm.tasks.baseline import answer_of, random_guess
from medft_bm.tasks.nearest import nearest_guess

SIZE, SPACING = Size(40, 60), Spacing(y=0.5, x=2.0)
DETECTION, LESION, CLASSES = load_task("detection"), load_task("lesion_size"), load_task("classification")


def made(uid, truth, *, index=7, size=SIZE, spacing=SPACING, **tags):
    label = truth.get("label") or truth["classes"][truth["class_id"]]
    return Sample(uid, "", "part", uid, ImageRef("x", 2, index), size, spacing, truth, {**tags, "label": label})


def lesion(uid, major, label="tumour", **more):
    return made(uid, {"major_mm": major, "minor_mm": 5.0, "label": label}, **more)


def view_of(sample, h=80, w=30):
    there = PixelMap.stretch(sample.size, Size(h, w))
    return View(there.dst, there.spacing(sample.spacing), there, 4)


def said(guess, sample):
    return guess(sample, view_of(sample))


def test_a_copied_box_keeps_its_place_as_a_fraction_of_the_image():
    donor = made("a", {"box": [4.0, 6.0, 12.0, 36.0], "label": "liver"})
    asked = made("b", {"box": [0.0, 0.0, 1.0, 1.0], "label": "liver"}, size=Size(400, 30), spacing=None)
    padded = PixelMap.crop(asked.size, -100, -20, Size(600, 70))  # as families do that pad to a square
    assert answer_of(DETECTION, donor, asked, view_of(asked)) == "[0.100, 0.100, 0.600, 0.300]"
    assert answer_of(DETECTION, donor, asked, View(padded.dst, None, padded, 4)) == "[0.329, 0.233, 0.543, 0.367]"


def test_a_copied_length_stays_as_long_in_mm_on_an_image_of_other_spacing():
    ends = {"major": [[10.0, 5.0], [10.0, 15.0]], "minor": [[4.0, 10.0], [16.0, 10.0]], "label": "cyst"}
    donor = made("a", ends)
    asked = lesion("b", 99.0, size=Size(400, 30), spacing=Spacing(y=3.0, x=0.1))
    assert answer_of(LESION, donor, asked, view_of(asked)) == "20.0, 6.0"


@pytest.mark.parametrize("learn", [random_guess, nearest_guess])
def test_only_samples_of_the_same_label_are_copied_and_any_where_the_label_is_new(learn):
    train = [lesion(f"t{k}", 20.0 + k) for k in range(5)] + [lesion(f"c{k}", 50.0 + k, "cyst") for k in range(5)]
    guess = learn(LESION, train)
    for k in range(20):
        assert float(said(guess, lesion(f"q{k}", 1.0)).split(",")[0]) < 30
        assert float(said(guess, lesion(f"q{k}", 1.0, "cyst")).split(",")[0]) >= 50
        assert said(guess, lesion(f"q{k}", 1.0, "abscess"))


def graded(count, uid="s", **tags):
    rng = np.random.default_rng(1)
    ids = rng.choice(3, count, p=[0.6, 0.3, 0.1]).tolist()
    return [made(f"{uid}{k}", {"class_id": c, "classes": ["fat", "muscle", "bone"]}, **tags) for k, c in enumerate(ids)]


def test_a_random_class_is_drawn_as_often_as_it_occurs_and_never_told_by_the_label():
    train = graded(600)
    guess = random_guess(CLASSES, train)
    asked = [made(f"q{k}", {"class_id": 2, "classes": ["fat", "muscle", "bone"]}) for k in range(3000)]
    counts = Counter(said(guess, sample) for sample in asked)
    trained = Counter(sample.tags["label"] for sample in train)
    for name in ("fat", "muscle", "bone"):
        assert counts[name] / 3000 == pytest.approx(trained[name] / 600, abs=0.03)


def test_the_nearest_class_is_that_of_the_metadata_and_no_better_than_chance_without_any():
    train, asked = graded(300), graded(400, "q")
    scanner = [[replace(one, tags={**one.tags, "scanner": one.tags["label"]}) for one in of] for of in (train, asked)]
    shares = []
    for learnt, questions in ((train, asked), scanner):
        guess = nearest_guess(CLASSES, learnt)
        shares.append(sum(said(guess, one) == one.tags["label"] for one in questions) / 400)
    blind, seen = shares
    assert seen == 1
    assert blind == pytest.approx(0.6**2 + 0.3**2 + 0.1**2, abs=0.08)


def test_the_nearest_sample_has_most_tags_alike_and_then_the_nearest_place():
    train = [
        lesion("a", 10.0, modality="CT", plane="axial", index=50),
        lesion("b", 20.0, modality="CT", plane="coronal", index=10),
        lesion("c", 30.0, modality="CT", plane="coronal", index=52),
        lesion("d", 40.0, modality="MR", plane="coronal", index=50),
        lesion("e", 50.0, modality="US", plane="axial", index=51, size=Size(80, 120)),
        lesion("f", 60.0, modality="US", plane="axial", index=51),
    ]
    guess = nearest_guess(LESION, train)
    asked = {"modality": "CT", "plane": "coronal"}
    assert said(guess, lesion("q", 1.0, index=50, **asked)) == "30.0, 5.0"
    assert said(guess, lesion("q", 1.0, index=12, **asked)) == "20.0, 5.0"
    large = {"modality": "US", "plane": "axial", "size": Size(78, 121)}
    assert said(guess, lesion("q", 1.0, index=51, **large)) == "50.0, 5.0"
    # A plane nobody has: both CT planes have one tag alike, and the place decides among all of them.
    assert said(guess, lesion("q", 1.0, index=50, modality="CT", plane="oblique")) == "10.0, 5.0"


def test_samples_that_are_equally_near_share_the_questions():
    train = [lesion(f"t{k}", 10.0 + k) for k in range(4)]
    counts = Counter(said(nearest_guess(LESION, train), lesion(f"q{k}", 1.0)) for k in range(400))
    assert len(counts) == 4
    assert min(counts.values()) > 60


def test_the_order_of_training_samples_changes_nothing():
    rng = np.random.default_rng(0)
    train = [lesion(f"t{k}", 10.0 + k, index=int(rng.integers(30))) for k in range(50)]
    asked = [lesion(f"q{k}", 1.0, index=int(rng.integers(30))) for k in range(50)]
    for learn in (random_guess, nearest_guess):
        one, other = learn(LESION, train), learn(LESION, train[::-1])
        assert [said(one, sample) for sample in asked] == [said(other, sample) for sample in asked]


def test_a_random_box_is_another_for_every_sample_and_the_same_each_time():
    boxes = [made(stable_uid(k), {"box": [4.0, 6.0, 12.0, 36.0], "label": "liver"}) for k in range(50)]
    first, again = ([said(random_guess(DETECTION, []), one) for one in boxes] for _ in range(2))
    assert first == again
    assert len(set(first)) == 50


def test_twenty_thousand_training_samples_are_no_work():
    rng = np.random.default_rng(0)
    train = [
        lesion(f"t{k}", 10.0 + k % 90, f"organ{k % 20}", index=int(rng.integers(300)), site=f"site{k % 37}")
        for k in range(20_000)
    ]
    start = time.process_time()
    guess = nearest_guess(LESION, train)
    for k in range(1000):
        said(guess, lesion(f"q{k}", 1.0, f"organ{k % 20}", index=int(rng.integers(300)), site=f"site{k % 40}"))
    assert time.process_time() - start < 20  # every pair looked at in turn would take minutes
