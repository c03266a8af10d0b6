"""Probes are checked with answerers whose habits are known: one that measures, one that guesses, one that ignores."""

import re
from dataclasses import dataclass, replace

import numpy as np
import pytest
from PIL import ImageChops

from medft_bm.core.errors import DataError
from medft_bm.evaluate.probes import PROBES, probed
from medft_bm.evaluate.probing import open_probes, run_probes
from medft_bm.evaluate.questions import question_of
from medft_bm.evaluate.replies import Reply
from medft_bm.evaluate.run import Evaluation
from medft_bm.evaluate.score import score_replies

BY_NAME = {probe.name: probe for probe in PROBES}
ABOUT = {"model": "m", "data": "d", "shots": 0, "system": ""}


@dataclass(frozen=True)
class Answerer:
    """Answers by a rule from what the question shows; a real backend, only not a network."""

    rule: object
    batch: int = 16

    def identity(self):
        return {"fingerprint": "rule"}

    def ask(self, questions):
        return [Reply(one.uid, self.rule(one), 1, True) for one in questions]

    def about(self):
        return ABOUT


def of_task(items, task):
    return [item for item in items if item.task.name == task]


def apart(items):
    """The same questions, each about a patient of its own: an interval needs some."""
    return [replace(item, sample=replace(item.sample, subject=f"p{index}")) for index, item in enumerate(items)]


def parts(items, task, probe):
    members = of_task(items, task)
    return members, probed(BY_NAME[probe], members, [question_of(item) for item in members])


def evaluated(items, rule):
    replies = [Reply(item.uid, rule(question_of(item)), 1, True) for item in items]
    return Evaluation(score_replies(items, replies), ABOUT)


def asking(config, count):
    options = config.evaluate.model_copy(update={"probes": count, "bootstrap": 200})
    return config.model_copy(update={"evaluate": options})


@pytest.fixture
def run(prepared, config):
    def probing(items, rule, out, count=100):
        found = run_probes(Answerer(rule), prepared, evaluated(items, rule), asking(config, count), out)
        return {(one.part.split()[0], one.probe): one for one in found}

    return probing


@pytest.mark.parametrize("task", ["classification", "detection", "lesion_size", "angle_distance"])
def test_a_blank_image_has_the_size_of_the_image_and_nothing_on_it(task, items):
    members, after = parts(items, task, "blank image")

    for item, one in zip(members, after, strict=True):
        picture = one.question.picture()
        assert picture.size == item.image.size
        assert len(picture.getcolors()) == 1
        assert one.question.prompt == item.prompt_text
        assert one.question.digest != question_of(item).digest


def test_another_patients_image_is_of_another_patient_and_fits_the_question(items):
    members, after = parts(items, "classification", "another patient's image")

    for item, one in zip(members, after, strict=True):
        picture = one.question.picture()
        assert picture.size == item.image.size
        assert ImageChops.difference(picture, item.image).getbbox()
        lent = [other for other in members if not ImageChops.difference(picture, other.image).getbbox()]
        assert all(other.sample.subject != item.sample.subject for other in lent)


def test_one_patient_alone_lends_itself_no_image(items):
    one = of_task(items, "classification")[0]

    assert probed(BY_NAME["another patient's image"], [one, one], [question_of(one)] * 2) == [None, None]


@pytest.mark.parametrize(("name", "factor"), [("half the pixel size", 0.5), ("twice the pixel size", 2.0)])
def test_the_stated_pixel_size_changes_and_the_truth_with_it(name, factor, items):
    members, after = parts(items, "lesion_size", name)

    for item, one in zip(members, after, strict=True):
        stated = [float(re.search(r"One pixel is ([\d.e+-]+) mm", text)[1])
                  for text in (item.prompt_text, one.question.prompt)]  # fmt: skip
        assert stated[1] == pytest.approx(factor * stated[0], rel=1e-3)
        lengths = [[float(n) for n in text.split(", ")]
                   for text in (item.answer_text, item.task.answer(one.sample, one.view))]  # fmt: skip
        np.testing.assert_allclose(lengths[1], factor * np.array(lengths[0]), atol=0.11)


@pytest.mark.parametrize("task", ["classification", "detection"])
def test_questions_that_state_no_pixel_size_are_not_probed_for_it(task, items):
    assert not any(parts(items, task, "half the pixel size")[1])


def test_the_mirrored_truth_lies_on_the_mirrored_image(items):
    members, after = parts(items, "detection", "mirrored image")

    for item, one in zip(members, after, strict=True):
        assert not ImageChops.difference(one.question.picture(), item.image.transpose(0)).getbbox()
        y0, x0, y1, x1 = item.sample.truth["box"]
        assert one.sample.truth["box"] == pytest.approx([y0, item.sample.size.w - x1, y1, item.sample.size.w - x0])


def test_a_question_about_a_side_is_not_mirrored(items):
    one = of_task(items, "detection")[0]
    named = replace(one.sample, truth={**one.sample.truth, "label": "left kidney"})

    assert probed(BY_NAME["mirrored image"], [replace(one, sample=named)], [question_of(one)]) == [None]


@pytest.mark.parametrize("task", ["lesion_size", "angle_distance"])
def test_centimetres_are_read_as_such_with_and_without_their_name(task, items):
    members, after = parts(items, task, "asked in cm")

    for item, one in zip(members, after, strict=True):
        assert one.question.prompt.count("in cm") == 1
        assert re.search(r"One pixel is [\d.]+ mm", one.question.prompt)
        said = ", ".join(f"{float(n) / 10:.3f}" for n in item.answer_text.split(", "))
        for reply in (said, f"{said} cm", f"{said} centimetres", f"{item.answer_text} mm"):
            score = item.task.score(one.sample, one.view, one.read(reply))
            assert score.values["absolute_error"] < 0.11


@pytest.mark.parametrize("task", ["classification", "detection", "lesion_size", "angle_distance"])
def test_other_words_keep_every_fact_and_the_form_of_the_answer(task, items):
    members, after = parts(items, task, "other words")

    for item, one in zip(members, after, strict=True):
        assert one.question.prompt != item.prompt_text
        for fact in (*re.findall(r"\d[\d.]*", item.prompt_text), *item.sample.truth.get("classes", ())):
            assert fact in one.question.prompt
        assert item.task.score(one.sample, one.view, item.answer_text).values


def test_who_reads_the_pixel_size_scales_and_who_does_not_is_found_out(run, items, tmp_path):
    sized = apart(of_task(items, "lesion_size"))

    def ruler(question):
        stated = float(re.search(r"One pixel is ([\d.e+-]+) mm", question.prompt)[1])
        return f"{40 * stated:.3f}, {20 * stated:.3f}"

    measures = run(sized, ruler, tmp_path / "a")
    ignores = run(sized, lambda question: "20.0, 10.0", tmp_path / "b")

    for name in ("half the pixel size", "twice the pixel size"):
        assert measures["lesion_size", name].scaling.value == pytest.approx(1, abs=0.02)
        assert measures["lesion_size", name].verdict.startswith("yes")
        assert ignores["lesion_size", name].scaling.value == 0
        assert ignores["lesion_size", name].verdict.startswith("no")
    assert ignores["lesion_size", "blank image"].same == 1
    assert ignores["lesion_size", "blank image"].verdict.startswith("no")


def test_who_looks_gets_worse_without_the_image_and_who_knows_the_answer_by_heart_does_not(run, items, tmp_path):
    asked = apart(of_task(items, "classification"))
    answers = {item.uid: item.answer_text for item in asked}
    shown = {question_of(item).picture().tobytes(): item.answer_text for item in asked}

    def eyes(question):
        return shown.get(question.picture().tobytes(), "")

    looks = run(asked, eyes, tmp_path / "a")
    knows = run(asked, lambda question: answers[question.uid], tmp_path / "b")

    for name in ("blank image", "another patient's image"):
        assert looks["classification", name].change.high < 0
        assert looks["classification", name].verdict.startswith("yes")
        assert knows["classification", name].change.value == 0
        assert knows["classification", name].verdict.startswith("no")
    assert looks["classification", "mirrored image"].verdict.startswith("no")
    assert knows["classification", "other words"].verdict.startswith("yes")


def test_findings_are_read_back_for_the_same_model_and_for_no_other(run, items, tmp_path):
    found = run(items, lambda question: "12, 8", tmp_path, count=8)

    again = open_probes(tmp_path, ABOUT)
    assert {(one.part.split()[0], one.probe): one for one in again} == found
    assert {one.n for one in again} <= {1, 2}
    assert {one.verdict for one in again} == {"under 8 answers to compare"}
    assert open_probes(tmp_path, {**ABOUT, "model": "retrained"}) == []

    (tmp_path / "probes.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        open_probes(tmp_path, ABOUT)


def test_probed_replies_are_not_asked_for_again(run, prepared, config, items, tmp_path):
    run(items, lambda question: "12, 8", tmp_path, count=8)
    lines = (tmp_path / "probes" / "replies.jsonl").read_text().splitlines()

    def never(question):
        raise AssertionError("asked again")

    before = evaluated(items, lambda question: "12, 8")
    run_probes(Answerer(never), prepared, before, asking(config, 8), tmp_path)
    assert (tmp_path / "probes" / "replies.jsonl").read_text().splitlines() == lines
