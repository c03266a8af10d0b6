"""``medft tasks``, ``medft models``, ``medft sources``."""

from __future__ import annotations

import json

import pytest

from medft_bm.models import MODELS
from medft_bm.sources import SOURCES
from medft_bm.tasks import TASKS

REGISTRIES = {"tasks": TASKS, "models": MODELS, "sources": SOURCES}


@pytest.mark.parametrize("kind", REGISTRIES)
def test_every_registered_name_is_listed_with_its_summary(medft, kind):
    done = medft(kind)

    assert done.code == 0
    for name in REGISTRIES[kind].names():
        assert f"{name}  (" in done.out
        assert REGISTRIES[kind].get(name).summary in done.out


@pytest.mark.parametrize("kind", REGISTRIES)
def test_the_json_holds_version_and_summary_of_every_entry(medft, kind):
    entries = json.loads(medft(kind, "--json").out)

    assert [entry["name"] for entry in entries] == REGISTRIES[kind].names()
    for entry in entries:
        assert entry["summary"]
        assert isinstance(entry.get("version", entry.get("revision")), int)


def test_options_carry_type_and_default_or_say_that_they_are_required(medft):
    (source,) = (entry for entry in json.loads(medft("sources", "--json").out) if entry["name"] == "nifti_masks")
    options = {option["name"]: option for option in source["options"]}

    assert options["images"] == {"name": "images", "type": "text", "required": True}
    assert options["planes"] == {
        "name": "planes",
        "type": "list of sagittal | coronal | axial",
        "required": False,
        "default": ["axial"],
    }


def test_a_plug_in_that_cannot_be_imported_is_named_after_all_others_were_shown(medft, monkeypatch):
    monkeypatch.setitem(TASKS.builtin, "zzz_broken", "no_such_package.tasks:Broken")

    done = medft("tasks")

    assert done.code == 2
    assert "lesion_size  (version" in done.out
    assert "the task 'zzz_broken' cannot be loaded: " in done.err
    assert "No module named 'no_such_package'" in done.err
