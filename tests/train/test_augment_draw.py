"""What is drawn for whom: seeds, sides, unknown pixel sizes and tasks that cannot follow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from medft_bm.config.training import Augment
from medft_bm.core.geometry import Size, Spacing
from medft_bm.core.types import ImageRef, Sample
from medft_bm.models import load_model_family
from medft_bm.prepare.dataset import Item
from medft_bm.tasks import load_task
from medft_bm.train.augment_draw import Augmenter

SIZE, SPACING = Size(80, 120), Spacing(y=0.7, x=1.9)
ALL = Augment(flip="left_right,up_down", rotate_deg=8, zoom=0.1, crop=0.1, intensity=0.5, probability=1.0)
BOX = {"box": [20.0, 30.0, 44.0, 70.0], "label": "liver"}


@pytest.fixture(scope="module")
def family(repository):
    return load_model_family(str(repository / "script/demo/base/qwen2_5_vl"))


@pytest.fixture
def make(family):
    def item(task="detection", truth=BOX, spacing=SPACING, tags=None, **options) -> Item:
        made = load_task(task, options) if isinstance(task, str) else task
        sample = Sample("uid", made.name, "part", "s", ImageRef("x"), SIZE, spacing, truth, tags or {"modality": "CT"})
        view = family.view(SIZE, spacing)
        images = [{"image": Image.fromarray(np.full((SIZE.h, SIZE.w), 90, np.uint8))}]
        return Item("uid", 0, made, sample, view, made.prompt(sample, view), made.answer(sample, view), 0, images)

    return item


def motions(family, item: Item, settings: Augment = ALL, rows: int = 60) -> list:
    return [Augmenter(family, settings, 0).change(item, row, 0).motion for row in range(rows)]


def mirrored(family, item: Item, settings: Augment = ALL) -> bool:
    return any(motion and (motion.flips_x or motion.flips_y) for motion in motions(family, item, settings))


def test_what_is_drawn_depends_on_seed_epoch_and_row_alone(family, make):
    item = make()
    first = Augmenter(family, ALL, 5).change(item, 7, 2)
    assert Augmenter(family, ALL, 5).change(item, 7, 2) == first
    for seed, row, epoch in ((6, 7, 2), (5, 8, 2), (5, 7, 3), (5, 2, 7)):
        assert Augmenter(family, ALL, seed).change(item, row, epoch).motion != first.motion


@pytest.mark.parametrize(
    "made",
    [
        {"truth": {**BOX, "label": "Left kidney"}},
        {"truth": {**BOX, "label": "kidney_right"}},
        {"truth": {**BOX, "label": "upper-left lobe"}},
        {"truth": {**BOX, "label": "anterior hippocampus"}},
        {"tags": {"modality": "X-ray", "laterality": "L"}},
        {"tags": {"description": "the rechte Niere in an axial slice"}},
        {"task": "classification", "truth": {"class_id": 1, "classes": ["left-sided", "none"]}},
        {
            "task": "angle_distance",
            "truth": {
                "kind": "distance",
                "points": {"left ear": [30.0, 30.0], "nose": [50.0, 80.0]},
                "lines": [["left ear", "nose"]],
                "directed": False,
            },
        },
    ],
    ids=lambda made: str(made.get("tags") or made["truth"])[:40],
)
def test_a_row_that_names_a_side_is_never_mirrored_unless_the_words_are_dropped(family, make, made):
    item = make(**made)
    assert not mirrored(family, item)
    assert any(motions(family, item)), "it still moves otherwise"
    assert mirrored(family, item, ALL.model_copy(update={"laterality": []}))


@pytest.mark.parametrize("options", [{}, {"origin": "lower_left"}, {"coordinates": "pixel"}])
def test_a_corner_that_positions_count_from_is_no_side(family, make, options):
    item = make(**options)
    assert "-left corner" in item.prompt_text
    assert mirrored(family, item)


def test_words_that_only_look_like_sides_do_not_count(family, make):
    assert mirrored(family, make(truth={**BOX, "label": "bright cleft"}))


def test_words_of_ones_own_count_too(family, make):
    assert not mirrored(family, make(), ALL.model_copy(update={"laterality": ["liver"]}))


def test_images_of_unknown_pixel_size_stay_as_they_are_unless_allowed(family, make):
    item = make(spacing=None)
    changes = [Augmenter(family, ALL, 0).change(item, row, 0) for row in range(20)]
    assert all(change.item is item and not change.motion and not change.intensity for change in changes)
    allowed = motions(family, item, ALL.model_copy(update={"unknown_spacing": True}))
    assert all(motion.spacing is None for motion in allowed)


@dataclass(frozen=True)
class ForeignTask:
    """A task of another package, written before tasks could follow."""

    name: ClassVar[str] = "foreign"

    def prompt(self, sample, view):
        return "How much?"

    def answer(self, sample, view):
        return "42"


def test_a_task_that_cannot_follow_is_trained_on_changed_intensities_alone(family, make):
    item = make(task=ForeignTask())
    changes = [Augmenter(family, ALL, 0).change(item, row, 0) for row in range(10)]
    assert all(change.motion is None and change.intensity for change in changes)
    assert all(change.item is item for change in changes)


def test_the_whole_truth_stays_in_the_image(family, make):
    wild = Augment(crop=0.5, zoom=0.5, probability=1.0)
    for item in (make(), make(truth={**BOX, "box": [0.0, 10.0, 79.0, 119.0]})):
        for row in range(100):
            moved = Augmenter(family, wild, 1).change(item, row, 0).item.sample
            y0, x0, y1, x1 = moved.truth["box"]
            assert y0 >= -1e-6
            assert x0 >= -1e-6
            assert y1 <= moved.size.h + 1e-6
            assert x1 <= moved.size.w + 1e-6


def test_a_lesion_whose_place_is_unknown_is_never_cut_and_keeps_its_size(family, make):
    item = make("lesion_size", {"major_mm": 21.5, "minor_mm": 9.25, "label": "lesion"})
    cuts = Augment(crop=0.3, rotate_deg=8, probability=1.0)
    for row in range(60):
        change = Augmenter(family, cuts, 0).change(item, row, 0)
        assert change.motion is None or change.motion.dst == SIZE
        assert change.item.answer_text == item.answer_text
    assert any(motions(family, item, cuts))


def test_the_stated_distance_stays_what_it_was_while_its_landmarks_move(family, make):
    truth = {"kind": "distance", "points": {"tip": [30.0, 30.0], "base": [50.0, 80.0]}, "lines": [["tip", "base"]]}
    item = make("angle_distance", {**truth, "directed": False, "stated": 33.3, "name": ""})
    change = Augmenter(family, ALL, 0).change(item, 0, 0)
    assert change.item.answer_text == "33.3"
    assert change.item.sample.truth["points"] != truth["points"]
    assert change.item.prompt_text != item.prompt_text


def test_about_as_many_rows_change_as_asked_for(family, make):
    draws, item = Augmenter(family, ALL.model_copy(update={"probability": 0.25}), 0), make()
    changed = sum(bool(draws.change(item, row, 0).intensity) for row in range(400))
    assert 70 < changed < 130


def test_an_image_too_thin_for_the_processor_is_not_made(family, make):
    thin = Size(3, 590)
    item = make()
    item = replace(item, sample=replace(item.sample, size=thin, truth={**BOX, "box": [1.2, 250.0, 1.8, 300.0]}))
    for row in range(60):
        size = Augmenter(family, Augment(crop=0.5, probability=1.0), 0).change(item, row, 0).item.sample.size
        assert size.w <= 200 * size.h
