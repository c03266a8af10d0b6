"""The base checkpoints that the demo fine-tunes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medft_bm.config.load import load_config
from medft_bm.evaluate.backends.transformers import Transformers
from medft_bm.evaluate.generate import generate_replies
from medft_bm.evaluate.questions import question_of
from medft_bm.evaluate.score import score_replies
from medft_bm.models import load_model_family
from medft_bm.prepare.dataset import prepare_dataset

FAMILIES = {"gemma3": "Gemma3ForConditionalGeneration", "qwen2_5_vl": "Qwen2_5_VLForConditionalGeneration"}


@pytest.fixture(params=FAMILIES)
def base(request, repository) -> Path:
    return repository / "script" / "demo" / "base" / request.param


def test_it_is_a_few_megabytes_of_the_real_class_and_says_what_it_is_not(base):
    assert json.loads((base / "config.json").read_text())["architectures"] == [FAMILIES[base.name]]
    assert sum(path.stat().st_size for path in base.iterdir()) < 8e6
    assert "without medical value" in (base / "README.md").read_text()
    assert not list(base.glob("*.bin")), "no pickle"
    assert "/" not in json.loads((base / "config.json").read_text()).get("_name_or_path", "")


def test_it_can_point_at_shapes_it_has_never_seen(base, repository, tmp_path):
    """Otherwise LoRA has nothing to stand on: a random base learns nothing from it (measured)."""
    stage = load_config(repository / "script" / "demo" / "pretrain_1_boxes.yaml", [], {}).config
    part = stage.data.mix[0]
    fresh = part.model_copy(update={"source_options": {**part.source_options, "subjects": 12, "seed": 999}})
    data = stage.data.model_copy(update={"mix": [fresh], "root": tmp_path / "raw", "cache": tmp_path / "cache"})
    family = load_model_family(str(base))
    items = prepare_dataset(data, family).items("train")[:40]
    loaded = family.load(str(base), revision=None, dtype="float32", attention="sdpa")
    questions = [question_of(item) for item in items]
    replies = generate_replies(Transformers(loaded, 40, 20), questions, out=tmp_path, data="demo")
    scores = [one.score for one in score_replies(items, replies)]
    assert all(score.values for score in scores)
    assert sum(score.values["iou"] for score in scores) / len(scores) > 0.3
