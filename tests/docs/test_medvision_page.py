"""The page on MedVision: source and task of every part go together."""

from __future__ import annotations

import yaml

from medft_bm.sources import load_source
from medft_bm.sources.medvision_names import TASKS


def test_the_mixes_of_the_guide_name_the_task_and_the_preset_of_their_source(page, tmp_path):
    mixes = page("docs/medvision.md").blocks("yaml")
    assert len(mixes) == 2
    for part in (part for mix in mixes for part in yaml.safe_load(mix)["data"]["mix"]):
        kinds = {name.kind for name in load_source("medvision", part["source_options"])._names(tmp_path)}
        assert {TASKS[kind] for kind in kinds} == {part["task"]}
        assert part.get("task_options", {}).get("preset", "") == part["source_options"].get("preset", "")
