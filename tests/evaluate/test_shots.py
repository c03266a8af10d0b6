"""Examples before the question: from whom, in which order, and what they change."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import torch

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.evaluate.backends.transformers import Transformers
from medft_bm.evaluate.questions import Question, question_of, shot_of
from medft_bm.evaluate.shots import Examples
from medft_bm.models.base import Loaded
from medft_bm.models.chat import encode_prompts, prompt_messages


@pytest.fixture(scope="module")
def examples(prepared) -> Examples:
    return Examples.of(prepared, 3)


@pytest.fixture(scope="module")
def train(prepared):
    return {item.uid: item for item in prepared.items("train")}


@pytest.fixture(scope="module", params=["checkpoint", "qwen_checkpoint"])
def restless(request, load) -> Loaded:
    loaded = load(request.getfixturevalue(request.param))
    with torch.no_grad():
        for name, weights in loaded.model.named_parameters():
            if "embed" not in name and "norm" not in name:
                weights.mul_(8)
    return loaded


def test_examples_are_of_training_patients_and_of_the_same_part(examples, items, train):
    asked = {item.sample.subject for item in items}
    for item in items:
        shown = [train[shot.uid] for shot in examples.before(item)]
        assert len({one.uid for one in shown}) == 3
        assert not asked & {one.sample.subject for one in shown}
        assert {one.part for one in shown} == {item.part}
        assert len({one.sample.subject for one in shown}) == 3
        assert [shot.answer for shot in examples.before(item)] == [one.answer_text for one in shown]


def test_every_question_gets_other_examples_and_always_the_same(examples, items, prepared):
    drawn = {item.uid: [shot.uid for shot in examples.before(item)] for item in items}
    again = Examples.of(prepared, 3)
    assert {item.uid: [shot.uid for shot in again.before(item)] for item in reversed(items)} == drawn
    assert len({tuple(one) for one in drawn.values()}) > len(items) / 2


def test_fewer_examples_are_the_first_of_those_that_more_would_be(examples, items, prepared):
    fewer = Examples.of(prepared, 2)
    for item in items:
        assert [shot.uid for shot in fewer.before(item)] == [shot.uid for shot in examples.before(item)][:2]


def test_classes_take_turns_whatever_the_answer_is(items, train, prepared):
    asked = [item for item in items if item.task.name == "classification"]
    present = {item.answer_text for item in train.values() if item.task.name == "classification"}
    assert len(present) == 3
    orders = Counter()
    for item in asked:
        shown = [shot.answer for shot in Examples.of(prepared, 3).before(item)]
        assert set(shown) == present
        orders[shown[0]] += 1
    assert orders.keys() == present


def test_elsewhere_the_same_label_comes_first(examples, items, train):
    asked = [item for item in items if item.task.name == "lesion_size"]
    labels = {item.sample.tags["label"] for item in train.values() if item.task.name == "lesion_size"}
    assert len(labels) > 1
    for item in asked:
        alike = {one.sample.subject for one in train.values() if one.part == item.part and
                 one.sample.tags["label"] == item.sample.tags["label"]}  # fmt: skip
        shown = [train[shot.uid].sample.tags["label"] for shot in examples.before(item)]
        assert shown[: len(alike)] == [item.sample.tags["label"]] * min(3, len(alike))


def test_with_few_patients_one_may_be_shown_twice_but_no_sample(items, train):
    item = next(item for item in items if item.task.name == "detection")
    pool = [one for one in train.values() if one.part == item.part]
    subject = Counter(one.sample.subject for one in pool).most_common(1)[0][0]
    own = [one for one in pool if one.sample.subject == subject][:2]
    few = Examples({item.part: {"any": [own[0], own[0], own[1]]}}, 2)
    assert {shot.uid for shot in few.before(item)} == {one.uid for one in own}

    with pytest.raises(DataError, match="3 examples are asked for, and only 2"):
        replace(few, count=3).before(item)


def test_replies_with_examples_do_not_depend_on_the_batch(restless, examples, items):
    few = items[::7][:4]
    questions = [replace(question_of(item), shots=examples.before(item)[: number % 3 + 1])
                 for number, item in enumerate(few)]  # fmt: skip
    together = Transformers(restless, 6, 4).ask(questions)
    assert together == [Transformers(restless, 6, 1).ask([question])[0] for question in questions]
    assert together != Transformers(restless, 6, 4).ask([question_of(item) for item in few])


def test_every_image_is_shown_with_its_own_question(restless, items):
    """The pictures of a two-image prompt are those of the same prompts alone, in this order."""
    first, second = (next(item for item in items if item.task.name == name) for name in ("detection", "angle_distance"))
    assert first.image.size != second.image.size
    asked = replace(question_of(second), shots=(shot_of(first),))
    crossed = replace(
        asked, picture=asked.shots[0].picture, shots=(replace(asked.shots[0], picture=question_of(second).picture),)
    )

    def pixels(question: Question) -> torch.Tensor:
        from medft_bm.evaluate.backends.transformers import conversation, pictures_of

        images = [picture() for picture in pictures_of(question)]
        return encode_prompts(restless.processor, [conversation(question)], images)["pixel_values"]

    alone = [
        encode_prompts(restless.processor, [prompt_messages(item.prompt_text)], [item.image])["pixel_values"]
        for item in (first, second)
    ]
    assert torch.equal(pixels(asked), torch.cat(alone))
    assert not torch.equal(pixels(crossed), torch.cat(alone))
    assert torch.equal(pixels(crossed), torch.cat(alone[::-1]))


def test_a_system_turn_reaches_the_model_and_comes_first(restless, items):
    from medft_bm.evaluate.backends.transformers import conversation

    question = replace(question_of(items[0]), system="Measure like a cautious radiologist.", shots=(shot_of(items[1]),))
    encoded = encode_prompts(restless.processor, [conversation(question)], [items[1].image, items[0].image])
    read = restless.processor.tokenizer.decode(encoded["input_ids"][0])
    places = [read.index(text) for text in (question.system, items[1].prompt_text, items[1].answer_text)]
    assert places == sorted(places)
    assert read.rindex(items[0].prompt_text) > places[-1]
    assert question.digest != replace(question, system="").digest
    assert question.digest != replace(question, shots=()).digest


@pytest.mark.parametrize(
    ("template", "key"),
    [
        ("{% for m in messages if m.role != 'system' %}{% for c in m.content %}{{ c.text }}{% endfor %}{% endfor %}",
         "evaluate.system"),
        ("{{ raise_exception('only one turn') }}", "evaluate.system"),
    ],
)  # fmt: skip
def test_a_template_that_drops_or_refuses_the_system_turn_is_an_error(template, key, checkpoint, load, items):
    loaded = load(checkpoint)
    loaded.processor.chat_template = template
    question = replace(question_of(items[0]), system="Measure like a cautious radiologist.")
    with pytest.raises(ConfigError, match="chat template") as raised:
        Transformers(loaded, 2, 1).ask([question])
    assert raised.value.where == key
