"""A small prepared dataset of phantoms and a tiny model, made once."""

from __future__ import annotations

import pytest

from medft_bm.config.schema import Config
from medft_bm.evaluate.baselines import LEARN, guess_replies
from medft_bm.evaluate.replies import Reply
from medft_bm.evaluate.report.build import write_report
from medft_bm.evaluate.run import Evaluation
from medft_bm.evaluate.score import score_replies
from medft_bm.models import load_model_family
from medft_bm.models.base import Loaded
from medft_bm.models.tiny import build_tiny
from medft_bm.prepare.dataset import Prepared, prepare_dataset

HOSTILE = '<script>alert("x")</script> & \N{SNOWMAN} {{ 7 * 7 }} | `x`'
TEXTS = ["This is an image. Where is the box? [0.123, 0.456, 0.789, 0.5] 12.3 mm 45.6 degrees"]


def phantom(kind: str, **options: object) -> dict[str, object]:
    return {"kind": kind, "subjects": 10, "seed": 5, **options}


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny") / "gemma3"
    build_tiny("gemma3", folder, TEXTS, seed=1, hidden=32, layers=(1, 2), heads=2)
    return folder


@pytest.fixture(scope="session")
def qwen_checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny") / "qwen"
    build_tiny("qwen2_5_vl", folder, TEXTS, seed=1, hidden=64, layers=(1, 2), heads=2)
    return folder


@pytest.fixture(scope="session")
def config(tmp_path_factory, checkpoint) -> Config:
    folder = tmp_path_factory.mktemp("phantoms")
    parts = [
        ("classification", {}, phantom("textures", images_per_subject=4)),
        ("detection", {}, phantom("volumes")),
        ("lesion_size", {}, phantom("volumes")),
        ("angle_distance", {}, phantom("heads", images_per_subject=2)),
    ]
    mix = [
        {"name": f"{task} {k}", "task": task, "task_options": options, "source": "phantom", "source_options": source}
        for k, (task, options, source) in enumerate(parts)
    ]
    limits = {"train": 20, "validation": 2, "test": 8}
    return Config.model_validate(
        {
            "demo": True,
            "model": {"name": str(checkpoint)},
            "data": {
                "root": folder / "raw",
                "cache": folder / "cache",
                "mix": mix,
                "split": {"test": 0.4, "validation": 0.1},
                "limit_per_task": limits,
            },
            "evaluate": {"examples": 10, "bootstrap": 100, "max_new_tokens": 6, "batch": 4},
        }
    )


@pytest.fixture(scope="session")
def prepared(config) -> Prepared:
    return prepare_dataset(config.data, load_model_family(config.model.name))


@pytest.fixture(scope="session")
def items(prepared):
    return list(prepared.items("test"))


@pytest.fixture(scope="session")
def load():
    """Load a checkpoint anew, in float32."""

    def loaded(folder) -> Loaded:
        return load_model_family(str(folder)).load(str(folder), revision=None, dtype="float32", attention="sdpa")

    return loaded


@pytest.fixture(scope="session")
def model(checkpoint, load) -> Loaded:
    return load(checkpoint)


@pytest.fixture(scope="session")
def hostile() -> str:
    return HOSTILE


def replies_of(items, texts):
    """With probabilities where the answer is one of several: of the true class 0.9, or 0.3 when nothing can be read."""
    replies = []
    for item, text in zip(items, texts, strict=True):
        truth = item.sample.truth
        if "class_id" in truth:
            likely = 0.9 if text == item.answer_text else 0.3
            rest = (1 - likely) / (len(truth["classes"]) - 1)
            said = tuple(likely if k == truth["class_id"] else rest for k in range(len(truth["classes"])))
            replies.append(Reply(item.uid, text, 4, True, said))
        else:
            replies.append(Reply(item.uid, text, 4, True))
    return replies


@pytest.fixture(scope="session")
def evaluations(prepared, items):
    """Before: nonsense, hostile and some right answers; after: nearly all right."""
    train = [(item.part, item.sample) for item in prepared.items("train")]
    before = [item.answer_text if k % 5 == 0 else HOSTILE for k, item in enumerate(items)]
    after = ["" if k % 9 == 8 else item.answer_text for k, item in enumerate(items)]
    about = {"model": "0123", "dtype": "float32", "device": "cpu", "split": "test", "seconds": 1.5, "versions": {}}
    about["data"] = prepared.folder.name
    return {
        "baseline": Evaluation(score_replies(items, guess_replies(LEARN["baseline"], train, items)), {}),
        "base": Evaluation(score_replies(items, replies_of(items, before)), about),
        "tuned": Evaluation(score_replies(items, replies_of(items, after)), about),
    }


@pytest.fixture(scope="session")
def report(tmp_path_factory, prepared, config, evaluations):
    """The report of those evaluations."""
    return write_report(tmp_path_factory.mktemp("run"), prepared, config, evaluations, date="3 May 2031")
