"""What weighs how much in the loss, what each part has of it, and who is named when it is no number."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import torch

from medft_bm.core.errors import ConfigError, MedftError
from medft_bm.train.loss import overall_loss, part_losses, part_sums, weigh

KINDS = ("token", "sample", "task")
ONE = pytest.mark.parametrize("checkpoint", ["qwen2_5_vl"], indirect=True)
"""For what does not depend on the family."""
ROWS = [(0, 2), (4, 6, 1)]  # micro-batches of two sizes; four samples of the first part and one of the second


def by_hand(kind, nll, parts):
    """The formulas, sample by sample; ``nll`` holds one list of token losses for each."""
    means = [torch.stack(tokens).mean() for tokens in nll]
    if kind == "token":
        return torch.cat([torch.stack(tokens) for tokens in nll]).mean()
    if kind == "sample":
        return torch.stack(means).mean()
    of_part = [[mean for mean, part in zip(means, parts, strict=True) if part == p] for p in sorted(set(parts))]
    return torch.stack([torch.stack(own).mean() for own in of_part]).mean()


def lines(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture
def start(checkpoint, family, prepared, helpers, tmp_path):
    """A trainer with fresh weights, all of which are trained."""
    from medft_bm.train.run import make_trainer
    from medft_bm.train.settings import sft_config

    def make(rows=prepared, **train):
        config = helpers.config(checkpoint, tmp_path / "run", method="full", **train)
        loaded = family.load(str(checkpoint), revision=None, dtype="float32", attention="sdpa")
        return make_trainer(rows, family, config, loaded, sft_config(config, validate=True))

    return make


def batches_of(trainer, picks):
    return [trainer.data_collator([trainer.train_dataset[row] for row in rows]) for rows in picks]


def one_step(trainer, picks):
    """Loss and gradients of one optimiser step over these micro-batches, through the trainer's own methods."""
    batches, count = trainer.get_batch_samples(iter(batches_of(trainer, picks)), len(picks), trainer.args.device)
    trainer.current_gradient_accumulation_steps = len(picks)
    loss = sum(trainer.training_step(trainer.model, batch, count) for batch in batches)
    return loss, {name: weight.grad.clone() for name, weight in trainer.model.named_parameters()}


def reference_step(trainer, kind, rows):
    """The same from full logits in one batch, with torch's own cross-entropy."""
    trainer.model.zero_grad()
    (batch,) = batches_of(trainer, [rows])
    labels, parts = batch.pop("labels"), batch.pop("part").tolist()
    batch.pop("row")
    logits = trainer.model(**batch).logits[:, :-1].float()
    nll = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten(), reduction="none")
    nll, seen = nll.view(len(rows), -1), labels[:, 1:] != -100
    loss = by_hand(kind, [list(line[mask]) for line, mask in zip(nll, seen, strict=True)], parts)
    loss.backward()
    return loss.detach(), {name: weight.grad for name, weight in trainer.model.named_parameters()}


@pytest.mark.parametrize("kind", KINDS)
def test_loss_and_gradients_are_those_of_one_big_batch_by_hand(start, kind):
    trainer = start(loss=kind, accumulation=2, gradient_checkpointing=kind == "task")

    loss, gradients = one_step(trainer, ROWS)
    expected, wanted = reference_step(trainer, kind, [row for rows in ROWS for row in rows])

    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-3, atol=1e-6, msg=name)


@ONE
def test_the_three_losses_differ_where_answers_and_parts_do(start):
    trainer = start()
    found = {kind: reference_step(trainer, kind, [0, 2, 4, 6, 1])[0].item() for kind in KINDS}
    assert len({round(value, 4) for value in found.values()}) == 3


def test_a_sample_without_supervised_tokens_counts_for_nothing():
    labels = torch.full((3, 6), -100)
    labels[0, 2:] = 1  # four tokens, part 2
    labels[1, 5:] = 1  # one token, part 0; the third sample has none
    batch = {"labels": labels, "part": torch.tensor([2, 0, 1])}
    assert weigh([batch], "task", 4, lambda counts: counts) == 2
    assert batch["weights"].tolist() == [0.25, 1.0, 1.0]
    assert weigh([batch], "sample", 4, lambda counts: counts) == 2
    assert batch["weights"].tolist() == [0.25, 1.0, 1.0]


def test_other_processes_count_too():
    labels = torch.tensor([[-100, 1, 1], [-100, 1, -100]])
    batch = {"labels": labels, "part": torch.tensor([0, 1])}
    elsewhere = torch.tensor([3.0, 0.0, 5.0])
    assert weigh([batch], "task", 3, lambda counts: counts + elsewhere) == 3
    assert batch["weights"].tolist() == [1 / 4 / 2, 1.0]
    assert weigh([batch], "sample", 3, lambda counts: counts + elsewhere) == 10


def test_the_first_token_is_no_target():
    batch = {"labels": torch.tensor([[7, 7, 7]]), "part": torch.tensor([0])}
    weigh([batch], "sample", 1, lambda counts: counts)
    assert batch["weights"].tolist() == [0.5]


@pytest.mark.parametrize(("kind", "a", "b", "overall"), [("token", 2.2, 1.0, 1.6), ("sample", 2.5, 1.0, 2.0)])
def test_losses_of_parts_are_means_over_tokens_or_samples(kind, a, b, overall):
    table = torch.tensor([[0, 0, 4.0, 1], [1, 0, 7.0, 4], [2, 2, 5.0, 5], [3, 0, 0.0, 0]], dtype=torch.float64)
    sums = part_sums(table, kind, 3)
    if kind == "sample":
        a = (4 / 1 + 7 / 4) / 2
        overall = (4 / 1 + 7 / 4 + 5 / 5) / 3
    assert part_losses(sums, ["a", "-", "b"]) == pytest.approx({"loss/a": a, "loss/b": b})
    assert overall_loss(sums, kind) == pytest.approx(overall)
    assert overall_loss(part_sums(table, "task", 3), "task") == pytest.approx(((4 + 7 / 4) / 2 + 1) / 2)


@pytest.fixture(scope="module")
def logs(checkpoint, family, prepared, helpers, tmp_path_factory):
    """Lines of a short training for every loss, validated in batches of another size each time."""
    from medft_bm.train.run import train_model

    made = {}
    for batch, kind in enumerate(KINDS, start=1):
        run = tmp_path_factory.mktemp("curves") / kind
        few = {"loss": kind, "device_batch": batch, "accumulation": 6 // batch, "max_steps": 2, "lr": 1e-8}
        train_model(prepared, family, helpers.config(checkpoint, run, eval_steps=2, save_steps=2, **few))
        made[kind] = lines(run)
    return made


@ONE
def test_every_part_has_a_curve_in_training_and_in_validation(logs):
    for kind, logged in logs.items():
        training = [line for line in logged if "loss" in line]
        (validation,) = [line for line in logged if "eval_loss" in line]
        assert all({"loss/bars", "loss/more bars", "mean_token_accuracy"} <= set(line) for line in training), kind
        assert {"eval_loss/bars", "eval_loss/more bars", "eval_mean_token_accuracy"} <= set(validation), kind


@ONE
def test_the_loss_is_made_of_those_of_its_parts(logs):
    for line in [line for line in logs["task"] if "loss" in line]:
        assert line["loss"] == pytest.approx((line["loss/bars"] + line["loss/more bars"]) / 2, rel=1e-5)
    for line in [line for line in logs["token"] if "loss" in line]:
        low, high = sorted([line["loss/bars"], line["loss/more bars"]])
        assert low <= line["loss"] <= high


@ONE
def test_the_validation_loss_is_that_of_the_training_whatever_the_batches(logs, start):
    trainer = start()
    trainer.train_dataset = trainer.eval_dataset
    for kind in KINDS:  # the learning rate was too small to matter
        expected = reference_step(trainer, kind, range(3))[0].item()
        (line,) = [line for line in logs[kind] if "eval_loss" in line]
        assert line["eval_loss"] == pytest.approx(expected, rel=1e-4), kind


def with_a_word_of_its_own(prepared, row):
    """The same rows, one of which asks with a character that no other has."""

    def marked(example, at):
        turn = example["prompt"][0]
        return {"prompt": [{**turn, "content": f"{turn['content']} ¤" if at == row else turn["content"]}]}

    tables = {split: prepared.tables[split].map(marked, with_indices=True) for split in ("train", "validation")}
    return type(prepared)(prepared.folder, tables, prepared.images, prepared.about)


def spoil(trainer):
    """Make the embedding of that character infinite; as a weight it would also reach all logits, which are tied."""
    (token, *_) = trainer.processing_class.tokenizer.encode("¤", add_special_tokens=False)[-1:]

    def infinite(_module, args, out):
        return out.masked_fill((args[0] == token)[..., None], float("inf"))

    trainer.model.get_input_embeddings().register_forward_hook(infinite)


@ONE
def test_a_loss_that_is_no_number_names_the_sample_and_leaves_the_weights_alone(start, prepared):
    trainer = start(with_a_word_of_its_own(prepared, 5), max_steps=6, accumulation=2, logging_steps=50)
    spoil(trainer)
    with pytest.raises(MedftError, match=r"loss is nan at step \d, with 1 of 4 samples") as caught:
        trainer.train()
    assert caught.value.where == "sample uid5"
    assert all(weight.isfinite().all() for weight in trainer.model.parameters())


@ONE
def test_a_gradient_that_is_no_number_names_the_samples_of_its_step(start):
    trainer = start(max_steps=3, accumulation=2)
    next(trainer.model.parameters()).register_hook(lambda gradient: gradient * float("inf"))
    seen = []
    collate = trainer.data_collator.collate
    trainer.data_collator = type(trainer.data_collator)(
        lambda rows: seen.extend(row["row"] for row in rows) or collate(rows)
    )
    with pytest.raises(MedftError, match=r"grad_norm is (nan|inf) at step 1, with 4 of 4 samples") as caught:
        trainer.train()
    assert caught.value.where == "sample " + ", ".join(f"uid{row}" for row in sorted(seen[:4]))


@ONE
def test_a_validation_loss_that_is_no_number_names_the_sample_too(start, prepared):
    trainer = start(with_a_word_of_its_own(prepared, 1), device_batch=1)
    spoil(trainer)
    with pytest.raises(MedftError, match="eval_loss is nan at step 0, with 1 of 3 samples") as caught:
        trainer.evaluate()
    assert caught.value.where == "sample uid13"


@pytest.mark.parametrize("field", [{"loss_type": "dft"}, {"label_smoothing_factor": 0.1}])
def test_settings_of_trl_that_are_other_losses_go_with_tokens_only(helpers, tmp_path, field):
    from medft_bm.train.settings import sft_config

    (name,) = field
    sft_config(helpers.config(tmp_path, tmp_path, sft=field), validate=False)
    with pytest.raises(ConfigError, match=f"train.loss=task.*{name}"):
        sft_config(helpers.config(tmp_path, tmp_path, sft=field, loss="task"), validate=False)


def test_packing_is_refused_with_the_reason(helpers, tmp_path):
    from medft_bm.train.settings import sft_config

    with pytest.raises(ConfigError, match="cannot be packed: their positions"):
        sft_config(helpers.config(tmp_path, tmp_path, sft={"packing": True}), validate=False)


@ONE
def test_weights_do_not_reach_the_model(start):
    trainer = start(loss="sample")
    (batch,) = batches_of(trainer, [(0, 1)])
    assert batch["row"].tolist() == [0, 1]
    assert batch["part"].tolist() == [0, 1]
    seen = SimpleNamespace(names=None)
    trainer.model.register_forward_pre_hook(lambda _m, _a, kw: setattr(seen, "names", set(kw)), with_kwargs=True)
    batches, count = trainer.get_batch_samples(iter([batch]), 1, trainer.args.device)
    trainer.training_step(trainer.model, batches[0], count)
    assert not {"row", "part", "weights"} & seen.names
