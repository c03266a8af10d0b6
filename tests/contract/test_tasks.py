"""The laws of docs/architecture.md, for every registered task."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from medft_bm.core.ellipse import LesionAxes
from medft_bm.core.errors import ConfigError
from medft_bm.core.geometry import Box, PixelMap, Size, Spacing
from medft_bm.core.records import AxesLabel, BoxLabel, ClassLabel, Landmarks, Record, Region, Stated
from medft_bm.core.types import ImageRef, Sample, View
from medft_bm.tasks import TASKS, load_task
from medft_bm.tasks.base import Task

SIZE, SPACING = Size(60, 84), Spacing(y=0.7, x=2.5)
PRESET = {"preset": "medvision-v1.0.0"}
OPTIONS = {
    "angle_distance": [
        {},
        {"measure": "angle"},
        {"measure": "angle", "directed": True},
        PRESET,
        {"measure": "angle", **PRESET},
    ],
    "detection": [{}, {"origin": "lower_left"}, {"min_side_mm": 2.0, "coordinates": "pixel"}, PRESET],
    "lesion_size": [{}, PRESET],
}
CASES = [(name, options) for name in TASKS.names() for options in OPTIONS.get(name, [{}])]


@dataclass(frozen=True)
class Asked:
    task: Task
    samples: list[Sample]


def _mask(*ellipses: tuple[float, float, float, float]) -> np.ndarray:
    y, x = np.mgrid[: SIZE.h, : SIZE.w] + 0.5
    inside = [((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 <= 1 for cy, cx, ry, rx in ellipses]
    return np.any(inside, axis=0)


def _record(index: int, preset: str = "") -> Record:
    lines = (("a", "b"), ("c", "d"))
    stated = {lines[:1]: Stated(40.2 + index, "base"), lines: Stated(71.5)} if preset else {}
    ends = LesionAxes(((5.0, 4.0), (35.0, 4.0 + index)), ((20.0, 2.0), (21.0, 6.0)))
    points = {"a": (10.5, 20.25), "b": (50.0, 31.0), "c": (12.0, 70.0), "d": (44.4, 3.3)}
    return Record(
        subject=f"s{index}",
        image=ImageRef("v.nii.gz", 2, index),
        size=SIZE,
        spacing=SPACING,
        annotations=(
            ClassLabel(index % 3, ("fat", "muscle", "bone")),
            Region("liver", _mask((25 + index, 40, 13, 7))),
            Region("lesion", _mask((30, 20 + index, 6, 11))),
            BoxLabel("kidney", Box(3.0, 8.0, 31.0 + index, 50.0)),
            AxesLabel("node", 22.25, 11.5 + index),
            AxesLabel("cyst", 21.0, 10.0, ends),
            Landmarks(points, lines, (lines, (("b", "a"), ("c", "d"))), stated),
        ),
        tags={"modality": "CT", "plane": "axial", "anatomy": "thigh", **({"preset": preset} if preset else {})},
    )


def _view(size: Size, coordinates: str = "fraction") -> View:
    there = PixelMap.stretch(SIZE, size)
    return View(size, there.spacing(SPACING), there, 16, coordinates)


VIEWS = [_view(Size(896, 896)), _view(Size(56, 84), "pixel"), _view(Size(700, 252), "pixel"), _view(SIZE)]
VIEWS.append(_view(Size(288, 416), "thousandth"))


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}{case[1] or ''}")
def asked(request) -> Asked:
    name, options = request.param
    task = load_task(name, options)
    preset = options.get("preset", "")
    samples = [sample for i in range(5) for sample in task.samples(_record(i, preset), "part", _refuse)]
    assert samples, "the record has something for every task"
    return Asked(task, samples)


def _refuse(what: str, why: str) -> None:
    raise AssertionError(f"{what} was left out: {why}")


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: f"{view.size.h}x{view.size.w}")
def test_the_reference_answer_scores_perfectly(asked, view):
    for sample in asked.samples:
        score = asked.task.score(sample, view, asked.task.answer(sample, view))
        headline = asked.task.metrics[0]
        best = 1.0 if headline.higher_is_better else 0.0
        # Whole pixels of a 56-pixel view cannot say a box better than this; decimals cannot say mm better than 0.05.
        tolerance = 0.15 if headline.name == "iou" and view.coordinates == "pixel" else 0.051
        assert score.values is not None, score.why
        assert score.values[headline.name] == pytest.approx(best, abs=tolerance)


def test_an_empty_reply_is_unscored_and_says_why(asked):
    for reply in ("", "   ", "I cannot tell."):
        score = asked.task.score(asked.samples[0], VIEWS[0], reply)
        assert score.values is None
        assert score.why


def test_every_declared_metric_is_scored(asked):
    sample = asked.samples[0]
    score = asked.task.score(sample, VIEWS[0], asked.task.answer(sample, VIEWS[0]))
    assert set(score.values) == {metric.name for metric in asked.task.metrics}


def test_the_score_does_not_depend_on_the_view(asked):
    for sample, other in zip(asked.samples, reversed(asked.samples), strict=True):
        large = [view for view in VIEWS if view.size.h >= 252]
        scores = [asked.task.score(sample, view, asked.task.answer(other, view)) for view in large]
        first = scores[0].values
        for score in scores[1:]:
            assert score.values == pytest.approx(first, abs=0.02, rel=0.02)


def test_the_unit_of_the_answer_is_asked_for_and_scored_in(asked):
    words = {"mm": "in mm", "degree": "in degrees", "": ""}
    prompt = asked.task.prompt(asked.samples[0], VIEWS[0])
    assert words[asked.task.unit] in prompt
    assert asked.task.metrics[0].unit in {asked.task.unit, ""}


def test_prompts_state_the_pixels_of_the_view_and_never_the_answer(asked):
    view = VIEWS[2]
    for sample in asked.samples:
        prompt = asked.task.prompt(sample, view)
        if sample.tags.get("preset"):
            stated = f"{2.5 * 84 / 252:.3f} mm wide and {0.7 * 60 / 700:.3f} mm high"
            assert (stated in prompt) == bool(asked.task.unit)
        elif asked.task.unit:
            assert "252 pixels wide and 700 pixels high" in prompt
            assert f"{2.5 * 84 / 252:.4g} mm wide and {0.7 * 60 / 700:.4g} mm high" in prompt
        if asked.task.name != "classification":
            assert asked.task.answer(sample, view) not in prompt


def test_uids_are_unique_and_the_same_each_time(asked):
    preset = asked.samples[0].tags.get("preset", "")
    again = [sample.uid for i in range(5) for sample in asked.task.samples(_record(i, preset), "part", _refuse)]
    assert [sample.uid for sample in asked.samples] == again
    assert len(set(again)) == len(again)


def test_truth_is_json_and_independent_of_any_view(asked):
    import json

    for sample in asked.samples:
        assert json.loads(json.dumps(sample.truth)) == sample.truth


def test_the_baseline_never_looks_at_the_sample_and_scores_on_its_own_training_set(asked):
    guess = asked.task.baseline(asked.samples)
    for sample in asked.samples:
        assert asked.task.score(sample, VIEWS[0], guess(sample, VIEWS[0])).values is not None


def test_a_baseline_with_nothing_to_learn_from_gives_no_answer(asked):
    guess = asked.task.baseline([])
    assert asked.task.score(asked.samples[0], VIEWS[0], guess(asked.samples[0], VIEWS[0])).values is None


def test_a_record_without_annotations_asks_nothing(asked):
    bare = Record("s", ImageRef("v.nii.gz", 2, 0), SIZE, SPACING, (), asked.samples[0].tags)
    assert list(asked.task.samples(bare, "part", _refuse)) == []


def test_a_preset_goes_with_samples_of_that_preset_alone(asked):
    made = asked.samples[0].tags.get("preset", "")
    if asked.task.name == "classification":
        pytest.skip("has no preset")
    other = _record(0, "" if made else PRESET["preset"])
    with pytest.raises(ConfigError, match="preset") as caught:
        list(asked.task.samples(other, "part", _refuse))
    assert "same preset" in caught.value.fix
    with pytest.raises(ConfigError, match="preset"):
        asked.task.prompt(replace(asked.samples[0], tags=other.tags), VIEWS[0])
