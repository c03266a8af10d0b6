"""Real volumes prepared with the published preset, up to the tables."""

from __future__ import annotations

from tests.sources.medvision_plans import PRESET, write_hippocampus

from medft_bm.config.schema import Config
from medft_bm.core.geometry import Size
from medft_bm.evaluate.medvision.tables import medvision_tables
from medft_bm.evaluate.references import references_for
from medft_bm.evaluate.replies import Reply
from medft_bm.evaluate.score import score_replies
from medft_bm.models.gemma3 import Gemma3
from medft_bm.prepare.dataset import prepare_dataset


def test_reference_answers_on_real_volumes_are_right_by_the_published_definitions_too(real_data, tmp_path):
    write_hippocampus(real_data, tmp_path / "raw")
    part = {
        "name": "hippocampus",
        "task": "detection",
        "task_options": {"preset": PRESET},
        "source": "medvision",
        "source_options": {"version": "1.0.0", "preset": PRESET, "tasks": "Hippo_BoxCoordinate_Task01_Sagittal"},
    }
    data = {"root": tmp_path / "raw", "cache": tmp_path / "cache", "mix": [part], "split": {"validation": 0}}
    config = Config.model_validate({"model": {"name": "tiny"}, "data": data})
    prepared = prepare_dataset(config.data, Gemma3(Size(56, 56), 16))

    [info] = prepared.parts
    assert (info.labels, info.datasets) == (("anterior hippocampus", "posterior hippocampus"), ("Hippo",))
    assert {one.task for one in references_for([info])} == {"box of an anatomical structure"}

    items = list(prepared.items("test"))
    right = score_replies(items, [Reply(item.uid, item.answer_text, 9, True) for item in items])
    [single] = medvision_tables({"tuned": right}, prepared.parts)
    [row] = single.rows
    found = dict(zip(single.columns, row, strict=True))
    assert (found["region"], found["n"], found["patients"]) == ("Brain @ MR (S)", len(items), 1)
    assert len(items) > 5
    assert found["IoU %"] > 99
    assert found["SR %"] == found["IoU>0.9 %"] == 100
    assert "No region that counts has 50 samples." in single.notes
