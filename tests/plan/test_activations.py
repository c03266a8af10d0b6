"""What a plan says of memory, against what a real training holds."""

import gc
import warnings
import weakref

import numpy as np
import pytest
import torch
from tests.train.conftest import make_config

from medft_bm.plan.activations import activations
from medft_bm.plan.dry_run import dry_run
from medft_bm.plan.lengths import largest, load_processor, read_lengths
from medft_bm.plan.skeleton import Precision, skeleton
from medft_bm.train.run import make_trainer
from medft_bm.train.settings import sft_config

HERE = Precision("float32", autocast=False, cuda=False)
METHODS = {
    "lora": {"method": "lora"},
    "vision too": {"method": "lora", "towers": {"vision": {"train": "lora"}}},
    "full": {"method": "full"},
}


def leaves(node, seen):
    """Tensors that gradients end in."""
    found, todo = [], [node]
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        found += [node.variable] if hasattr(node, "variable") else []
        todo += [after for after, _ in node.next_functions]
    return found


class Held:
    """What autograd keeps of a tensor, for as long as it keeps it."""

    def __init__(self, tensor):
        self.tensor = tensor


def saved_bytes(trainer, batch):
    """Storage that is held between the forward and the backward pass, without weights: by autograd, and the images.

    Autograd saves tensors, and refers to those that gradients end in: with recomputing also the embedded words. What it
    saved and let go again, like the inputs of recomputed layers that need no gradient, does not count.
    """
    known = {weight.untyped_storage().data_ptr() for weight in trainer.model.parameters()}
    saved = []

    def pack(tensor):
        held = Held(tensor)
        saved.append(weakref.ref(held))
        return held

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda held: held.tensor):
        loss = trainer.compute_loss(trainer.model, batch)
    gc.collect()
    alive = [held.tensor for ref in saved if (held := ref()) is not None]
    storages = [tensor.untyped_storage() for tensor in (*alive, *leaves(loss.grad_fn, set()), batch["pixel_values"])]
    kept = {storage.data_ptr(): storage.nbytes() for storage in storages}
    return sum(size for pointer, size in kept.items() if pointer not in known)


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_activations_are_within_a_tenth_of_what_autograd_saves(
    checkpoint, family, prepared, tmp_path, method, checkpointing
):
    config = make_config(checkpoint, tmp_path / "run", **METHODS[method], gradient_checkpointing=checkpointing)
    lengths = read_lengths(prepared, load_processor(config.model))
    loaded = family.load(str(checkpoint), revision=None, dtype="float32", attention="sdpa")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer = make_trainer(prepared, family, config, loaded, sft_config(config, validate=False))
    if checkpointing:
        trainer.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        trainer.model.disable_input_require_grads()
    trainer.model.train()
    place = int(lengths.places[lengths.longest])
    batch = trainer.data_collator([trainer.train_dataset[place] for _ in range(2)])
    batch["attention_mask"][1, -1] = 0  # two samples are hardly ever of one length
    measured = saved_bytes(trainer, batch)

    model = skeleton(config, family, HERE)
    biggest = largest(lengths, prepared, trainer.processing_class)
    planned = activations(model, biggest, 2, HERE, checkpointing=checkpointing)

    assert planned.vision + planned.language == pytest.approx(measured, rel=0.1)


@pytest.mark.parametrize("method", METHODS)
def test_a_dry_run_measures_what_was_estimated(checkpoint, family, prepared, tmp_path, method):
    config = make_config(checkpoint, tmp_path / "run", **METHODS[method], gradient_checkpointing=method == "full")

    found = dry_run(prepared, family, config)

    assert found.weights[0] == found.weights[1]
    assert found.gradients[0] == found.gradients[1]
    assert found.optimizer[0] == pytest.approx(found.optimizer[1], rel=5e-3)  # and a count of steps per weight
    assert found.peak[0] == pytest.approx(found.peak[1], rel=0.1)
    assert not (tmp_path / "run").exists()


def test_every_row_is_as_long_as_the_collator_makes_it(checkpoint, family, prepared, tmp_path):
    config = make_config(checkpoint, tmp_path / "run")
    lengths = read_lengths(prepared, load_processor(config.model))
    loaded = family.load(str(checkpoint), revision=None, dtype="float32", attention="sdpa")
    trainer = make_trainer(prepared, family, config, loaded, sft_config(config, validate=False))

    batches = [trainer.data_collator([row]) for row in trainer.train_dataset]

    assert lengths.total.tolist() == [int(batch["attention_mask"].sum()) for batch in batches]
    assert lengths.answer.tolist() == [int((batch["labels"] != -100).sum()) for batch in batches]
    assert len(np.unique(lengths.total)) > 1 or len(np.unique(lengths.image)) == 1
