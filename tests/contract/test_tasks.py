"""The laws of docs/architecture.md, for every registered task."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.contract.asked import PRESET, SIZE, SPACING, VIEWS, record_of, refuse

from medft_bm.core.errors import ConfigError
from medft_bm.core.records import Record
from medft_bm.core.types import ImageRef


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
    again = [sample.uid for i in range(5) for sample in asked.task.samples(record_of(i, preset), "part", refuse)]
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
    assert list(asked.task.samples(bare, "part", refuse)) == []


def test_a_preset_goes_with_samples_of_that_preset_alone(asked):
    made = asked.samples[0].tags.get("preset", "")
    if asked.task.name == "classification":
        pytest.skip("has no preset")
    other = record_of(0, "" if made else PRESET["preset"])
    with pytest.raises(ConfigError, match="preset") as caught:
        list(asked.task.samples(other, "part", refuse))
    assert "same preset" in caught.value.fix
    with pytest.raises(ConfigError, match="preset"):
        asked.task.prompt(replace(asked.samples[0], tags=other.tags), VIEWS[0])
