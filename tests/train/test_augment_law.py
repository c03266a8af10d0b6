"""The law of augmentation, for every registered task: the answer is what measuring the changed image gives.

Truth is measured back from the pixels, with the numbers that the question states: nothing that the code computed on the
way is believed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from medft_bm.config.training import Augment
from medft_bm.core.ellipse import lesion_axes
from medft_bm.core.geometry import Box, Size, Spacing, angle_deg, length_mm
from medft_bm.core.types import ImageRef, Sample
from medft_bm.models import load_model_family
from medft_bm.prepare.dataset import Item
from medft_bm.tasks import TASKS, load_task
from medft_bm.tasks.base import Movable
from medft_bm.train.augment_draw import Augmenter, Change

STATED = re.compile(r"is (\d+) pixels wide and (\d+) pixels high. One pixel is (\S+) mm wide and (\S+) mm high")
GRID = re.compile(r"is (\d+) pixels wide and (\d+) pixels high")
COLOURS = ("red", "green", "blue")


@dataclass(frozen=True)
class Drawn:
    """A synthetic image, what is true of it, and how its answer is checked on any changed copy of it."""

    pixels: np.ndarray
    truth: dict[str, Any]
    check: Callable[[Change, np.ndarray], None]


def grid(size: Size) -> np.ndarray:
    return np.stack(np.meshgrid(np.arange(size.h) + 0.5, np.arange(size.w) + 0.5, indexing="ij"), -1)


def spacing_of(change: Change, pixels: np.ndarray) -> Spacing:
    """What the question says a pixel of the changed image measures, before the model's processor resizes it."""
    w, h, x, y = map(float, STATED.search(change.item.prompt_text).groups())
    return Spacing(y * h / pixels.shape[0], x * w / pixels.shape[1])


def numbers(change: Change) -> list[float]:
    return [float(number) for number in re.findall(r"[\d.]+", change.item.answer_text)]


def draw_box(size: Size, spacing: Spacing, rng: np.random.Generator) -> Drawn:
    (y0, x0), (h, w) = rng.integers(0, (size.h // 2, size.w // 2)), rng.integers(12, (size.h // 2, size.w // 2))
    pixels = np.zeros((size.h, size.w), np.uint8)
    pixels[y0 : y0 + h, x0 : x0 + w] = 255

    def check(change: Change, seen: np.ndarray) -> None:
        found = Box.of_mask(seen > 127)
        x1, y1, x2, y2 = numbers(change)
        shape, stated = np.array(seen.shape[:2]), GRID.search(change.item.prompt_text)
        whole = 1000.0 if "thousandths" in change.item.prompt_text else 1.0
        unit = np.array([float(stated[2]), float(stated[1])]) if stated else np.array([whole, whole])
        said = np.array([[y1, x1], [y2, x2]]) / unit * shape
        rounding = 0.5 / np.maximum(unit, 1000 if unit[0] == 1 else 1) * shape
        assert (np.abs(said - found.corners) <= 1.0 + rounding).all()

    box = [float(value) for value in (y0, x0, y0 + h, x0 + w)]
    return Drawn(pixels, {"box": box, "label": "block"}, check)


def draw_lesion(size: Size, spacing: Spacing, rng: np.random.Generator) -> Drawn:
    extent = np.array([size.h * spacing.y, size.w * spacing.x])
    middle, turn = extent * rng.uniform(0.4, 0.6, 2), rng.uniform(0, np.pi)
    long = 0.28 * extent.min()
    along, across = np.array([np.sin(turn), np.cos(turn)]), np.array([np.cos(turn), -np.sin(turn)])
    place = grid(size) * [spacing.y, spacing.x] - middle
    mask = (place @ along / long) ** 2 + (place @ across / (long * rng.uniform(0.5, 0.9))) ** 2 <= 1
    axes = lesion_axes(mask, spacing)

    def check(change: Change, seen: np.ndarray) -> None:
        measured = spacing_of(change, seen)
        weights, step = seen.ravel().astype(float), np.array([measured.y, measured.x])
        spread = np.cov((grid(Size(*seen.shape)) * step).reshape(-1, 2).T, aweights=weights, bias=True)
        found = 4 * np.sqrt(np.linalg.eigvalsh(spread + np.diag(step**2) / 12))[::-1]
        # Interpolation adds up to about 0.3 squared pixels to the variance, and with it to the square of an axis / 4.
        widened = 16 * 0.3 * step.max() ** 2 / (2 * found)
        assert (np.abs(numbers(change) - found) <= 0.15 + 0.02 * found + widened).all()

    ends = {axis: [list(end) for end in getattr(axes, axis)] for axis in ("major", "minor")}
    return Drawn(mask.astype(np.uint8) * 255, {**ends, "label": "lesion"}, check)


def draw_points(size: Size, spacing: Spacing, rng: np.random.Generator, measure: str) -> Drawn:
    points = rng.uniform(0.27, 0.73, (3, 2)) * [size.h, size.w]
    points[1] = np.where(points[0] > [size.h / 2, size.w / 2], 0.3, 0.7) * [size.h, size.w]  # lines of some length
    points[2] = [points[0][0], points[1][1]]
    blobs = [np.exp(-((grid(size) - point) ** 2).sum(-1) / (2 * 1.6**2)) for point in points]
    lines = [["tip", "base"]] if measure == "distance" else [["tip", "base"], ["tip", "edge"]]

    def check(change: Change, seen: np.ndarray) -> None:
        measured, weights = spacing_of(change, seen), seen.astype(float)
        places = grid(Size(*seen.shape[:2]))
        found = [(places * weights[..., c, None]).sum((0, 1)) / weights[..., c].sum() for c in range(3)]
        if measure == "distance":
            wanted = length_mm(found[:2], measured)
            assert numbers(change) == pytest.approx([wanted], rel=2e-3, abs=0.06 + 0.12 * max(measured.y, measured.x))
        else:
            assert numbers(change) == pytest.approx([angle_deg(found[:2], found[::2], measured)], abs=1.2)

    truth = {"kind": measure, "lines": lines, "directed": False}
    truth["points"] = dict(zip(("tip", "base", "edge"), points.tolist(), strict=True))
    return Drawn(np.rint(np.stack(blobs, -1) * 255).astype(np.uint8), truth, check)


def draw_class(size: Size, spacing: Spacing, rng: np.random.Generator) -> Drawn:
    class_id = int(rng.integers(3))
    pixels = rng.integers(0, 90, (size.h, size.w, 3), np.uint8)
    pixels[..., class_id] += 100

    def check(change: Change, seen: np.ndarray) -> None:
        assert change.item.answer_text == COLOURS[seen.mean((0, 1)).argmax()]

    return Drawn(pixels, {"class_id": class_id, "classes": list(COLOURS)}, check)


CASES = [
    ("detection", {}, draw_box),
    ("detection", {"coordinates": "pixel"}, draw_box),
    ("detection", {"coordinates": "thousandth"}, draw_box),
    ("lesion_size", {}, draw_lesion),
    ("angle_distance", {}, lambda *given: draw_points(*given, "distance")),
    ("angle_distance", {"measure": "angle"}, lambda *given: draw_points(*given, "angle")),
    ("classification", {}, draw_class),
]


@pytest.fixture(scope="module", params=["gemma3", "qwen2_5_vl"])
def family(request, repository):
    return load_model_family(str(repository / "script/demo/base" / request.param))


def item_of(case: tuple, family: Any, size: Size, spacing: Spacing, seed: int) -> tuple[Item, Drawn]:
    name, options, draw = case
    task, drawn = load_task(name, options), draw(size, spacing, np.random.default_rng(seed))
    sample = Sample("uid", name, "part", "s", ImageRef("x.png"), size, spacing, drawn.truth, {"modality": "CT"})
    view = family.view(size, spacing)
    images = [{"image": Image.fromarray(drawn.pixels)}]
    item = Item("uid", 0, task, sample, view, task.prompt(sample, view), task.answer(sample, view), 0, images)
    return item, drawn


def test_every_registered_task_is_under_the_law():
    for name in TASKS.names():
        assert name in {case[0] for case in CASES} or not issubclass(TASKS.get(name), Movable)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}{case[1] or ''}")
@settings(max_examples=25)
@given(data=st.data())
def test_the_answer_about_a_changed_image_is_what_measuring_it_gives(case, family, data):
    size = Size(data.draw(st.integers(70, 110), "h"), data.draw(st.integers(70, 140), "w"))
    spacing = Spacing(data.draw(st.floats(0.6, 2.5), "y"), data.draw(st.floats(0.6, 2.5), "x"))
    wanted = Augment(
        flip=data.draw(st.lists(st.sampled_from(["left_right", "up_down"]), unique=True), "flip"),
        rotate_deg=data.draw(st.floats(0, 12), "rotate_deg"),
        zoom=data.draw(st.floats(0, 0.25), "zoom"),
        crop=data.draw(st.floats(0, 0.2), "crop"),
        probability=1.0,
    )
    seed = data.draw(st.integers(0, 10**6), "seed")
    item, drawn = item_of(case, family, size, spacing, seed)

    change = Augmenter(family, wanted, seed).change(item, row=3, epoch=1)

    seen = change.picture()
    assert (seen.height, seen.width) == (change.item.sample.size.h, change.item.sample.size.w)
    pixels = np.asarray(seen)
    drawn.check(change, pixels if drawn.pixels.ndim == 3 else pixels[..., 0])


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}{case[1] or ''}")
def test_what_can_follow_does(case, family):
    """A law that holds because nothing ever moves would be worth nothing."""
    wanted = Augment(flip="left_right,up_down", rotate_deg=10, zoom=0.2, crop=0.2, probability=0.9)
    item, _ = item_of(case, family, Size(90, 130), Spacing(0.7, 1.9), seed=1)
    happened: Counter[str] = Counter()
    for row in range(200):
        motion = Augmenter(family, wanted, 0).change(item, row, 0).motion
        if motion is not None:
            names = ("turns", "flips_x", "flips_y")
            happened.update(["moves", *(name for name in names if getattr(motion, name))])
            happened["cut"] += motion.dst != item.sample.size
            happened["wider" if motion.spacing.y > 0.7 else "closer"] += 1
    assert 150 < happened["moves"] < 200
    assert all(happened[name] > 60 for name in ("flips_x", "flips_y"))
    assert happened["cut"] > 100
    assert min(happened["wider"], happened["closer"]) > 30
    assert (happened["turns"] > 100) == (case[0] != "detection")
    assert case[0] != "detection" or not happened["turns"]
