"""Published numbers: complete, and shown only where task and data are the same."""

from __future__ import annotations

from collections import Counter
from importlib.resources import files

import pytest
import yaml

from medft_bm.evaluate.references import _TESTS, Reference, _references, references_for
from medft_bm.prepare.dataset import PartInfo
from medft_bm.sources.breakhis import READINGS
from medft_bm.tasks import load_task

PRESET = "medvision-v1.0.0"
DATA = yaml.safe_load(files("medft_bm.evaluate").joinpath("references.yaml").read_text(encoding="utf-8"))


def part(task, source="medvision", labels=(), datasets=(), **options):
    return PartInfo("a part", load_task(task, options), source, tuple(labels), tuple(datasets))


def sources(*parts):
    return {reference.source.split(",")[0] for reference in references_for(parts)}


def tasks(*parts):
    return {reference.task for reference in references_for(parts)}


def test_every_entry_is_complete_unique_and_can_be_matched():
    ids = Counter(entry["id"] for entry in DATA["references"])
    assert ids.most_common(1)[0][1] == 1
    assert {entry["origin"] for entry in DATA["references"]} == set(DATA["origins"])
    for origin in DATA["origins"].values():
        assert all(origin[key].strip() for key in ("source", "setting", "note"))
        assert origin["url"].startswith("https://")
    for entry in DATA["references"]:
        assert set(entry) == {"id", "origin", "task", "match", "metrics", "models"}
        assert set(entry["match"]) <= set(_TESTS)
        assert "task" in entry["match"]
        for values in entry["models"].values():
            assert values
            assert set(values) <= {"before", "after"}
            assert {len(numbers) for numbers in values.values()} == {len(entry["metrics"])}


VALUES = [(entry, one) for entry in DATA["references"] for one in _references(entry, DATA["origins"][entry["origin"]])]


@pytest.mark.parametrize(
    ("entry", "one"), [pytest.param(e, v, id=f"{e['id']} {v.model} {v.metric}") for e, v in VALUES]
)
def test_every_value_is_in_range(entry, one):
    numbers = [number for number in (one.before, one.after) if number is not None]
    assert numbers
    assert one.unit in ("%", "mm", "degree")
    assert all(number >= 0 for number in numbers)
    if one.unit == "%" and one.metric != "MRE":
        assert all(number <= 100 for number in numbers)
    if one.unit == "degree":
        assert entry["match"]["measure"] == "angle"
        assert all(number <= 90 for number in numbers)
    if len(numbers) == 2:
        better = numbers[1] < numbers[0] if one.metric in ("MAE", "MRE") else numbers[1] > numbers[0]
        assert better, "fine-tuning made it worse: mistyped?"


def test_one_entry_becomes_one_reference_per_model_and_metric():
    found = references_for([part("classification", "breakhis", READINGS["binary"])])
    assert [(one.model, one.metric, one.unit, one.before, one.after) for one in found] == [
        ("MedGemma 4B", "accuracy", "%", 59.6, 99.0),
        ("MedGemma 4B", "F1", "%", 63.9, 99.1),
    ]
    assert isinstance(found[0], Reference)
    assert "100x" in found[0].note


def test_breakhis_with_eight_classes_is_not_breakhis_with_two():
    assert tasks(part("classification", "breakhis", READINGS["subtype"])) == {"one of eight diagnoses"}
    assert tasks(part("classification", "breakhis", READINGS["binary"])) == {"benign or malignant"}
    assert tasks(part("classification", "breakhis")) == set()
    assert tasks(part("classification", "image_folder", READINGS["binary"])) == set()


def test_nine_tissues_are_known_by_their_names_wherever_they_come_from():
    codes = ["ADI", "BACK", "DEB", "LYM", "MUC", "MUS", "NORM", "STR", "TUM"]
    [accuracy, weighted] = references_for([part("classification", "image_folder", codes)])
    assert (accuracy.before, accuracy.after, weighted.after) == (43.0, 94.5, 94.4)
    assert tasks(part("classification", "image_folder", codes[:8])) == set()
    assert tasks(part("classification", "hf_dataset", map(str.lower, codes))) == {"one of nine tissues"}


def test_medvision_s_numbers_need_the_preset_and_the_same_kind_of_region():
    assert sources(part("detection", labels=["liver"])) == set()
    anatomy = part("detection", labels=["liver", "tumor"], preset=PRESET)
    assert tasks(anatomy) == {"box of an anatomical structure"}
    both = part("detection", labels=["liver", "liver cancer"], preset=PRESET)
    assert tasks(both) == {"box of an anatomical structure", "box of a tumor or lesion"}
    assert tasks(part("detection", labels=["tumor", "gizmo"], preset=PRESET)) == set()
    assert tasks(part("lesion_size", labels=["kidney tumor"], preset=PRESET)) == {"axes of a lesion"}
    assert sources(part("lesion_size", labels=["kidney tumor"], preset=PRESET)) == {"MedVision"}


def test_distances_and_angles_need_their_data_set():
    ceph = part("angle_distance", datasets=["Ceph-Biometrics-400"], preset=PRESET)
    angle = part("angle_distance", datasets=["Ceph-Biometrics-400"], preset=PRESET, measure="angle")
    feta = part("angle_distance", datasets=["FeTA24"], preset=PRESET)
    assert [tasks(one) for one in (ceph, angle, feta)] == [
        {"cephalometric distance"}, {"cephalometric angle"}, {"distance in the fetal brain"},
    ]  # fmt: skip
    assert tasks(part("angle_distance", datasets=["Toy"], preset=PRESET)) == set()


def test_two_parts_that_match_the_same_number_show_it_once():
    one = part("lesion_size", labels=["kidney tumor"], preset=PRESET)
    assert references_for([one, one]) == references_for([one])


def test_a_prepared_dataset_says_what_its_parts_ask_about(prepared):
    by_task = {one.task.name: one for one in prepared.parts}
    assert len(by_task["classification"].labels) > 1
    assert by_task["detection"].labels
    assert references_for(prepared.parts) == []
