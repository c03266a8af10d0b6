"""``--why``: the fact that differs, named as the user knows it."""

from __future__ import annotations

import copy
import json
import os

import pytest

from medft_bm.config.schema import Data
from medft_bm.core.geometry import Size
from medft_bm.models.gemma3 import Gemma3
from medft_bm.prepare.cache import cached
from medft_bm.prepare.index import ask, watch
from medft_bm.prepare.rows import rows_facts
from medft_bm.prepare.samples import samples_facts
from medft_bm.prepare.why import differences, nearest, why

SIZE = Size(896, 896)


@pytest.fixture
def raw(tmp_path):
    for name in ("cyst/a1.png", "cyst/a2.png", "solid/b1.png"):
        path = tmp_path / "raw" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "raw"


@pytest.fixture
def facts(raw, tmp_path):
    """The real facts of a config, with changes to its data or to the first part."""

    def of(part=None, **changes) -> dict:
        parts = [
            {"name": "tiles", "task": "classification", "source": "image_folder", **(part or {})},
            {"name": "boxes", "task": "detection", "task_options": {"min_side_px": 2}, "source": "image_folder"},
        ]
        data = Data.model_validate({"root": raw, "cache": tmp_path / "cache", "mix": parts, **changes})
        asked = ask(data)
        return samples_facts(data, asked, [watch(one) for one in asked])

    return of


def told(new, old) -> list[str]:
    """As read back from a manifest."""
    return differences(*(json.loads(json.dumps({"layout": 2, **found})) for found in (new, old)))


def test_equal_facts_do_not_differ(facts):
    assert told(facts(), facts()) == []


@pytest.mark.parametrize(
    ("part", "changes", "said"),
    [
        ({"source_options": {"modality": "US"}}, {}, """part 'tiles': source option modality: "" -> "US\""""),
        ({"task": "detection"}, {}, "part 'tiles': task: classification -> detection"),
        ({"balance": True}, {}, "part 'tiles': balance: false -> true"),
        ({"limit": {"train": 5}}, {}, "part 'tiles': limit.train: null -> 5"),
        ({}, {"seed": 3}, "data.seed: 0 -> 3"),
        ({}, {"split": {"test": 0.25}}, "data.split.test: 0.2 -> 0.25"),
        ({}, {"limit_per_task": {"test": 10}}, "data.limit_per_task.test: null -> 10"),
        ({}, {"on_error": "skip"}, 'data.on_error: "raise" -> "skip"'),
        ({}, {"salt": "pepper"}, "data.salt changed"),
    ],
)
def test_a_change_of_the_config_is_named(facts, part, changes, said):
    assert told(facts(part, **changes), facts()) == [said]


def test_an_option_of_a_task_and_a_version_of_medft_are_named(facts):
    old, new = facts(), facts()
    new["parts"][1]["task"][2]["min_side_px"] = 4
    new["parts"][1]["task"][1] = 7
    assert told(new, old) == [
        "part 'boxes': medft's version of task detection: 1 -> 7",
        "part 'boxes': task option min_side_px: 2 -> 4",
    ]
    new["parts"][1]["task"][2]["colour"] = "red"
    assert told(new, old)[-1] == "part 'boxes': task option colour: nothing -> \"red\""


def test_files_that_changed_are_named_by_their_part(facts, raw):
    old = facts()
    os.utime(raw / "cyst" / "a1.png", ns=(1, 1))
    assert told(facts(), old) == [
        f"part '{name}': its raw files changed (name, size or time of one of them)" for name in ("tiles", "boxes")
    ]


def test_parts_are_compared_by_name(facts):
    old, new = facts(), facts()
    new["parts"].reverse()
    assert told(new, old) == ["the parts are in another order"]
    new["parts"][0] = {**copy.deepcopy(new["parts"][0]), "name": "new boxes"}
    assert told(new, old) == ["part 'new boxes' is new", "part 'boxes' is gone"]


def test_the_model_family_is_compared_by_its_numbers():
    old = rows_facts("0" * 20, Gemma3(SIZE, 256))
    assert told(rows_facts("0" * 20, Gemma3(SIZE, 64)), old) == ["model family option image_tokens: 256 -> 64"]
    assert told(rows_facts("1" * 20, Gemma3(SIZE, 256)), old) == ["the samples that the rows are made of changed"]


def test_another_layout_is_the_only_thing_said(facts):
    new = {"layout": 3, **facts(seed=4)}
    assert differences(new, {"layout": 2, "anything": 1}) == ["medft layout: 2 -> 3"]


def test_the_nearest_entry_is_the_one_with_the_fewest_differences(facts, tmp_path):
    cache = tmp_path / "cache"
    assert nearest(cache, "samples", facts()) is None
    far, near = (
        cached(cache, "samples", made, lambda folder: {})
        for made in (facts(seed=1, on_error="skip", salt="x"), facts(seed=1))
    )
    (cache / "samples" / "broken").mkdir()
    (cache / "samples" / "broken" / "manifest.json").write_text("{")

    assert nearest(cache, "samples", facts()) == (near, ["data.seed: 1 -> 0"])
    assert why(cache, "samples", facts(seed=1)).cached == near
    asked = why(cache, "samples", facts())
    assert (asked.cached, asked.nearest, asked.differences) == (None, near, ("data.seed: 1 -> 0",))
    assert why(cache, "prepared", facts()).nearest is None
    assert far.is_dir()


def test_the_command_names_what_changed_and_builds_nothing(medft, tmp_path):
    words = [
        "tasks/demo.yaml",
        f"data.root={tmp_path / 'raw'}",
        f"data.cache={tmp_path / 'cache'}",
        "prepare.workers=1",
    ]
    part = {
        "name": "grades", "task": "classification", "source": "phantom",
        "source_options": {"kind": "textures", "subjects": 12, "images_per_subject": 1},
    }  # fmt: skip
    words += ["prepare.workers=1", f"data.mix={json.dumps([part])}"]

    first = medft("prepare", *words, "--why")
    assert first.code == 0
    assert first.out.splitlines() == ["pictures and truths: nothing cached yet", "rows for gemma3: nothing cached yet"]
    assert not (tmp_path / "cache").exists()

    built = medft("prepare", *words)
    assert built.code == 0
    folder = built.out.splitlines()[-1]
    same = medft("prepare", *words, "--why").out.splitlines()
    assert same[1] == f"rows for gemma3: in the cache already: {folder}"

    before = sorted(tmp_path.rglob("*"))
    changed = medft("prepare", *words, "data.seed=8", "--why").out.splitlines()
    assert changed[1] == "  data.seed: 0 -> 8"
    assert changed[-1] == "  the samples that the rows are made of changed"
    told = json.loads(medft("prepare", *words, "data.seed=8", "--why", "--json").out)
    assert told["samples"]["differences"] == ["data.seed: 0 -> 8"]
    assert sorted(tmp_path.rglob("*")) == before


def test_two_questions_at_once_are_refused(medft):
    assert medft("prepare", "tasks/demo.yaml", "--why", "--verify").code == 2
