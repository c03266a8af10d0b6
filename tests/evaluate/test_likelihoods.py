"""Probabilities of the answers of a closed set: right, the same in any batch, and no change to the reply."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace

import pytest
import torch
from tests.models.others import llava

from medft_bm.evaluate.backends.transformers import Transformers, _end_tokens, conversation
from medft_bm.evaluate.questions import Question, candidates_of, question_of, shot_of
from medft_bm.evaluate.replies import Reply
from medft_bm.models import load_model_family
from medft_bm.models.base import Loaded
from medft_bm.models.chat import answer_messages, encode_prompts
from medft_bm.models.tiny import build_tiny

FAMILIES = ["narrow_checkpoint", "qwen_checkpoint", "qwen3_checkpoint", "llava_checkpoint"]
CLASSES = ("smooth", "spotted with many small dots", "smooth and wavy")


@pytest.fixture(scope="module")
def qwen3_checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny") / "qwen3"
    build_tiny("qwen3_vl", folder, ["This is an image. 12.3 mm"], seed=1, hidden=64, layers=(1, 2), heads=2)
    return folder


@pytest.fixture(scope="module")
def llava_checkpoint(tmp_path_factory):
    """What the family ``generic`` takes."""
    return llava(tmp_path_factory.mktemp("tiny") / "llava")


@pytest.fixture(scope="module")
def narrow_checkpoint(checkpoint, tmp_path_factory):
    """A Gemma 3 whose prompts are longer than the window of half of its layers, as with a few images."""
    folder = shutil.copytree(checkpoint, tmp_path_factory.mktemp("tiny") / "narrow")
    settings = json.loads((folder / "config.json").read_text())
    assert settings["text_config"]["sliding_window"] == 512
    assert "sliding_attention" in settings["text_config"]["layer_types"]
    settings["text_config"]["sliding_window"] = 24
    (folder / "config.json").write_text(json.dumps(settings))
    return folder


@pytest.fixture(scope="module", params=FAMILIES)
def restless(request) -> Loaded:
    """A random model finds everything equally probable; larger weights make it depend on all of its input."""
    folder = request.getfixturevalue(request.param)
    family = load_model_family(str(folder), "generic" if request.param == "llava_checkpoint" else None)
    loaded = family.load(str(folder), revision=None, dtype="float32", attention="sdpa")
    with torch.no_grad():
        for name, weights in loaded.model.named_parameters():
            if "embed" not in name and "norm" not in name:
                weights.mul_(3)
    return loaded


@pytest.fixture
def questions(items) -> list[Question]:
    """Prompts of different lengths and images of different sizes; with three, two and no candidates."""
    few = [question_of(item) for item in items[::5][:5]]
    assert len({len(one.prompt) for one in few}) > 1
    assert len({one.picture().size for one in few}) > 1
    sets = [CLASSES, CLASSES[:2], (), CLASSES, CLASSES[::-1]]
    return [replace(one, candidates=of) for one, of in zip(few, sets, strict=True)]


def one_by_one(loaded: Loaded, question: Question) -> list[float]:
    """The plain way: the whole conversation again for every candidate, nothing kept, nothing padded."""
    found = []
    for candidate in question.candidates:
        prompt = conversation(question)
        pictures = [*(shot.picture() for shot in question.shots), question.picture()]
        asked = encode_prompts(loaded.processor, [prompt], pictures)
        text = loaded.processor.apply_chat_template([*prompt, *answer_messages(candidate)], tokenize=False)
        whole = loaded.processor(text=[text], images=[pictures], add_special_tokens=False, return_tensors="pt")
        begin = asked["input_ids"].shape[1]
        with torch.no_grad():
            logits = loaded.model(**whole).logits[0].double().log_softmax(-1)
        total = 0.0
        for place in range(begin, whole["input_ids"].shape[1]):
            token = int(whole["input_ids"][0, place])
            total += float(logits[place - 1, token])
            if token in _end_tokens(loaded):
                break
        found.append(total)
    return torch.tensor(found, dtype=torch.float64).log_softmax(-1).tolist()


def logs(reply: Reply) -> list[float]:
    return [math.log(share) for share in reply.probabilities]


def test_probabilities_are_those_of_the_plain_computation_and_of_any_batch(restless, questions):
    alone = [Transformers(restless, 5, 1).ask([question])[0] for question in questions]
    together = Transformers(restless, 5, 5).ask(questions)

    for question, apart, batched in zip(questions, alone, together, strict=True):
        if not question.candidates:
            assert apart.probabilities is batched.probabilities is None
            continue
        expected = one_by_one(restless, question)
        assert logs(batched) == pytest.approx(expected, abs=1e-3)
        assert logs(apart) == pytest.approx(expected, abs=1e-3)
        assert sum(batched.probabilities) == pytest.approx(1, abs=1e-5)
    assert len({reply.probabilities for reply in together if reply.probabilities}) == 4


def test_asking_for_probabilities_changes_no_reply(restless, questions):
    plain = Transformers(restless, 7, 5).ask([replace(one, candidates=()) for one in questions])
    weighed = Transformers(restless, 7, 5).ask(questions)

    assert [replace(one, probabilities=None) for one in weighed] == plain
    assert len({reply.text for reply in plain}) > 1


@pytest.mark.parametrize("restless", FAMILIES[:1], indirect=True)
def test_a_budget_of_one_token_leaves_nothing_to_continue(restless, questions):
    replies = Transformers(restless, 1, 5).ask(questions)
    assert {reply.tokens for reply in replies} == {1}
    assert replies[0].probabilities is not None


def test_examples_before_the_question_count_for_the_probabilities(restless, questions, items):
    shown = replace(questions[0], shots=(shot_of(items[3]), shot_of(items[9])), system="You are a radiologist.")
    found = Transformers(restless, 2, 2).ask([shown, questions[0]])

    assert logs(found[0]) == pytest.approx(one_by_one(restless, shown), abs=1e-3)
    assert logs(found[0]) != pytest.approx(logs(found[1]), abs=1e-2)


def test_the_candidates_of_a_classification_are_its_answers_in_the_order_of_the_ids(items):
    asked = next(item for item in items if item.task.name == "classification")
    candidates = candidates_of(asked)
    assert list(candidates) == asked.sample.truth["classes"]
    assert candidates[asked.sample.truth["class_id"]] == asked.answer_text
    assert candidates_of(next(item for item in items if item.task.name == "detection")) == ()
