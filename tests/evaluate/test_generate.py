import json
from dataclasses import replace

import pytest

from medft_bm.core.errors import DataError, MedftError
from medft_bm.evaluate.backends.base import BatchError
from medft_bm.evaluate.backends.transformers import Transformers
from medft_bm.evaluate.fingerprint import model_fingerprint
from medft_bm.evaluate.generate import generate_replies
from medft_bm.evaluate.questions import question_of
from medft_bm.evaluate.replies import Reply, ReplyFile
from medft_bm.models.base import Loaded
from medft_bm.models.chat import encode_prompts, prompt_messages


def ask(model, items, out, *, batch=4, max_new_tokens=6, data="data-1") -> list[Reply]:
    backend = Transformers(model, max_new_tokens, batch)
    return generate_replies(backend, [question_of(item) for item in items], out=out, data=data)


def restless(model: Loaded) -> Loaded:
    """A random model repeats the last token whatever it sees; larger weights make it depend on all of its input."""
    import torch

    with torch.no_grad():
        for name, weights in model.model.named_parameters():
            if "embed" not in name and "norm" not in name:
                weights.mul_(8)
    return model


@pytest.fixture
def few(items):
    """Prompts of different length, images of different size."""
    chosen = items[::4][:7]
    assert len({len(item.prompt_text) for item in chosen}) > 2
    assert len({item.image.size for item in chosen}) > 2
    return chosen


@pytest.mark.parametrize("family", ["checkpoint", "qwen_checkpoint"])
def test_replies_do_not_depend_on_the_batch_size(family, few, load, request, tmp_path):
    model = restless(load(request.getfixturevalue(family)))

    alone, together = (ask(model, few, tmp_path / str(batch), batch=batch) for batch in (1, len(few)))

    assert alone == together
    assert [reply.uid for reply in alone] == [item.uid for item in few]
    assert len({reply.text for reply in alone}) > 1


def test_sampling_defaults_that_a_checkpoint_ships_are_not_used(checkpoint, model, few, load, tmp_path, recwarn):
    greedy = ask(model, few, tmp_path / "greedy")
    shipped = load(checkpoint)
    shipped.model.generation_config.update(
        do_sample=True, temperature=5.0, top_k=3, top_p=0.5, repetition_penalty=3.0, no_repeat_ngram_size=1
    )

    assert ask(shipped, few, tmp_path / "shipped") == greedy


def test_every_token_of_a_reply_is_the_likeliest_one(checkpoint, few, load, tmp_path):
    import torch

    model = restless(load(checkpoint))
    reply = ask(model, few[:1], tmp_path, max_new_tokens=8)[0]

    batch = encode_prompts(model.processor, [prompt_messages(few[0].prompt_text)], [few[0].image])
    said: list[int] = []
    for _ in range(reply.tokens):
        with torch.inference_mode():
            said.append(int(model.model(**batch).logits[0, -1].argmax()))
        for name, value in (("input_ids", said[-1]), ("attention_mask", 1), ("token_type_ids", 0)):
            batch[name] = torch.cat([batch[name], torch.tensor([[value]])], dim=1)
    assert reply.text == model.processor.tokenizer.decode(said, skip_special_tokens=True)
    assert len(set(said)) > 1


def test_a_reply_that_reaches_the_budget_is_not_finished_and_one_that_ends_its_turn_is(checkpoint, few, load, tmp_path):
    model = load(checkpoint)
    cut = ask(model, few[:1], tmp_path / "cut", max_new_tokens=3)[0]

    model.model.generation_config.eos_token_id = list(range(len(model.processor.tokenizer)))
    ended = ask(model, few[:1], tmp_path / "ended")[0]

    assert (cut.tokens, cut.finished) == (3, False)
    assert (ended.tokens, ended.finished, ended.text) == (1, True, "")


def test_an_interrupted_run_keeps_whole_lines_and_generates_the_rest(model, few, tmp_path):
    whole = ask(model, few, tmp_path)
    path = tmp_path / "replies.jsonl"
    lines = path.read_bytes().split(b"\n")
    first = json.loads(lines[0]) | {"text": "kept\u2028from \n before"}
    path.write_text(json.dumps(first, ensure_ascii=False) + "\n" + lines[1].decode()[:25])

    again = ask(model, few, tmp_path)

    assert {one.uid: one.text for one in again} == {one.uid: one.text for one in whole} | {first["uid"]: first["text"]}
    assert [one.uid for one in again] == [item.uid for item in few]
    assert len(path.read_bytes().split(b"\n")) == len(few) + 1


@pytest.mark.parametrize("changed", [{"data": "data-2"}, {"max_new_tokens": 5}])
def test_replies_about_other_data_or_of_another_budget_are_never_reused(changed, model, few, tmp_path):
    foreign = ReplyFile(tmp_path, {**Transformers(model, 6, 4).identity(), "data": "data-1"})
    foreign.open()
    questions = [question_of(item) for item in few]
    foreign.add([Reply(one.uid, "foreign", 1, True) for one in questions], [one.digest for one in questions])
    assert {reply.text for reply in ask(model, few, tmp_path)} == {"foreign"}

    again = ask(model, few, tmp_path, **changed)

    assert "foreign" not in {reply.text for reply in again}
    assert b"foreign" not in (tmp_path / "replies.jsonl").read_bytes()


def test_replies_of_other_weights_at_the_same_place_are_never_reused(checkpoint, few, load, tmp_path):
    import torch

    model = load(checkpoint)
    asked = Transformers(model, 6, 4).identity()
    with torch.no_grad():
        next(p for name, p in model.model.named_parameters() if "q_proj" in name)[3, 5] += 0.01

    assert Transformers(model, 6, 4).identity() != asked


def test_what_several_killed_processes_left_is_taken_over_by_any_number(model, few, tmp_path, caplog):
    whole = ask(model, few, tmp_path)
    path = tmp_path / "replies.jsonl"
    lines = [f"{json.dumps(json.loads(line) | {'text': f'kept {number}'})}\n"
             for number, line in enumerate(path.read_text().splitlines())]  # fmt: skip
    path.write_text(lines[0] + lines[1][:30])
    (tmp_path / "replies-of-1.jsonl").write_text(lines[2])
    (tmp_path / "replies-of-12.jsonl").write_text(lines[3] + lines[2] + lines[4][:-1])

    with caplog.at_level("INFO", logger="medft_bm"):
        again = ask(model, few, tmp_path)

    assert sorted(one.text for one in again if one.text.startswith("kept")) == ["kept 0", "kept 2", "kept 3"]
    assert [one for one in again if not one.text.startswith("kept")] == [
        one for one, kept in zip(whole, again, strict=True) if not kept.text.startswith("kept")
    ]
    assert f"3 of {len(few)} replies are there already" in caplog.messages
    assert [one.name for one in sorted(tmp_path.glob("*.jsonl"))] == ["replies.jsonl"]
    assert ask(model, few, tmp_path) == again


def test_replies_of_other_processes_to_another_model_are_not_taken_over(model, few, tmp_path):
    ask(model, few, tmp_path)
    (tmp_path / "replies.jsonl").rename(tmp_path / "replies-of-1.jsonl")
    meta = json.loads((tmp_path / "replies.meta.json").read_text())
    (tmp_path / "replies.meta.json").write_text(json.dumps(meta | {"max_new_tokens": 99}))
    foreign = (tmp_path / "replies-of-1.jsonl").read_text().replace('"text": "', '"text": "foreign ')
    (tmp_path / "replies-of-1.jsonl").write_text(foreign)

    assert not [one for one in ask(model, few, tmp_path) if one.text.startswith("foreign")]


def test_long_questions_are_asked_first_and_like_ones_together(few, tmp_path):
    asked: list[list[int]] = []

    class Listening:
        batch = 2

        def identity(self):
            return {}

        def ask(self, questions):
            asked.append([one.image_tokens + len(one.prompt) // 4 for one in questions])
            return [Reply(one.uid, one.uid, 1, True) for one in questions]

        def about(self):
            return {}

    questions = [question_of(item) for item in few]
    replies = generate_replies(Listening(), questions, out=tmp_path, data="data-1")

    assert [reply.uid for reply in replies] == [one.uid for one in questions]
    lengths = [length for batch in asked for length in batch]
    assert lengths == sorted(lengths, reverse=True)
    assert len(set(lengths)) > 2


def test_a_batch_that_was_answered_in_part_is_kept_in_part(few, tmp_path):
    class Failing:
        batch = 4

        def identity(self):
            return {}

        def ask(self, questions):
            raise BatchError({2: Reply(questions[2].uid, "saved", 1, True)}, MedftError("the server is gone"))

        def about(self):
            return {}

    questions = [question_of(item) for item in few]
    with pytest.raises(MedftError, match="the server is gone"):
        generate_replies(Failing(), questions, out=tmp_path, data="data-1")

    kept = ReplyFile(tmp_path, {"data": "data-1"}).open()
    assert [reply.text for reply in kept.values()] == ["saved"]
    assert set(kept) <= {(one.uid, one.digest) for one in questions}


def test_a_reply_to_another_wording_is_asked_again(model, few, tmp_path):
    ask(model, few, tmp_path)
    reworded = replace(few[0], prompt_text="What is this? " * 5)

    again = ask(model, [reworded, *few[1:]], tmp_path)

    assert len((tmp_path / "replies.jsonl").read_text().splitlines()) == len(few) + 1
    assert again[0] == ask(model, [reworded], tmp_path / "fresh")[0]


def test_a_whole_line_that_is_no_reply_is_an_error_that_names_it(model, few, tmp_path):
    ask(model, few, tmp_path)
    path = tmp_path / "replies.jsonl"
    path.write_text('{"uid": "x"}\n' + path.read_text())

    with pytest.raises(DataError, match="line 1 is not a reply"):
        ask(model, few, tmp_path)


def test_a_fingerprint_follows_the_content_and_not_the_place(checkpoint, model, load, tmp_path):
    import torch

    model.model.save_pretrained(tmp_path / "copy")
    model.processor.save_pretrained(tmp_path / "copy")
    copy = load(tmp_path / "copy")
    assert model_fingerprint(copy) == model_fingerprint(model)

    with torch.no_grad():
        next(p for name, p in copy.model.named_parameters() if "q_proj" in name)[3, 5] += 0.01
    assert model_fingerprint(copy) != model_fingerprint(model)


def test_a_fingerprint_follows_the_adapter(checkpoint, model, load):
    import torch
    from peft import LoraConfig, get_peft_model

    other = load(checkpoint)
    adapted = Loaded(get_peft_model(other.model, LoraConfig(r=2, target_modules=["q_proj"])), other.processor)
    before = model_fingerprint(adapted)
    assert before != model_fingerprint(model)
    with torch.no_grad():
        next(p for name, p in adapted.model.named_parameters() if "lora_B" in name)[0, 1] += 0.01
    assert model_fingerprint(adapted) != before


def test_a_fingerprint_follows_the_chat_template(checkpoint, model, load):
    other = load(checkpoint)
    other.processor.chat_template = other.processor.chat_template + " "

    assert model_fingerprint(Loaded(model.model, other.processor)) != model_fingerprint(model)
