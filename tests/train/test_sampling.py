"""The order of training samples: complete, seeded, the same after a restart, and balanced or grouped when asked."""

from __future__ import annotations

from itertools import chain, pairwise

import numpy as np
import pytest
from accelerate import skip_first_batches
from accelerate.data_loader import SeedableRandomSampler, prepare_data_loader
from torch.utils.data import DataLoader

from medft_bm.train.sampling import EpochOrder, Order, row_lengths

ONE = pytest.mark.parametrize("checkpoint", ["gemma3"], indirect=True)
RNG = np.random.default_rng(3)
PARTS = np.repeat([0, 1, 2, 3], [331, 120, 40, 9])
LENGTHS = RNG.integers(100, 1400, len(PARTS))
EVERY = {
    "random": {},
    "balanced": {"parts": PARTS},
    "grouped": {"lengths": LENGTHS},
    "both": {"parts": PARTS, "lengths": LENGTHS},
}


def order(together=4, step=16, seed=7, **about):
    return Order(len(PARTS), together, step, seed, **about)


def steps(rows, size=16):
    return [rows[at : at + size] for at in range(0, len(rows), size)]


def padding(rows, batch=4):
    """Share of a batch that is filled up, over an epoch."""
    groups = steps(LENGTHS[rows], batch)
    return 1 - sum(group.sum() for group in groups) / sum(group.max() * len(group) for group in groups)


@pytest.mark.parametrize("about", EVERY.values(), ids=EVERY)
def test_every_epoch_has_every_row_once_in_an_order_of_its_own(about):
    first, second = order(**about).epoch(0), order(**about).epoch(1)
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(len(PARTS)))
    assert not np.array_equal(first, second)
    assert np.array_equal(order(**about).epoch(1), second)
    assert not np.array_equal(order(seed=8, **about).epoch(1), second)


def test_a_random_order_is_that_of_the_stock_trainer():
    stock = SeedableRandomSampler(range(len(PARTS)), data_seed=7)
    for epoch in range(2):
        stock.set_epoch(epoch)
        assert order().epoch(epoch).tolist() == list(stock)


@pytest.mark.parametrize("about", [EVERY["balanced"], EVERY["both"]], ids=["balanced", "both"])
def test_every_step_has_the_parts_in_the_proportion_of_the_whole(about):
    shares = np.bincount(PARTS) / len(PARTS)
    found = np.array([np.bincount(PARTS[step], minlength=4) for step in steps(order(**about).epoch(2))[:-1]])
    assert np.abs(found - 16 * shares).max() < 2
    by_chance = np.array([np.bincount(PARTS[step], minlength=4) for step in steps(order().epoch(2))[:-1]])
    assert np.abs(by_chance - 16 * shares).max() > 3


def test_small_parts_do_not_all_come_at_one_time():
    parts = np.repeat(np.arange(21), [400, *[1] * 20])
    places = np.flatnonzero(parts[Order(420, 4, 16, 0, parts=parts).epoch(0)])
    assert np.diff(np.histogram(places, 4, (0, 420))[0].cumsum()).max() < 12


def test_no_process_gets_always_the_same_part():
    parts = np.tile([0, 1], 200)
    rows = Order(400, 2, 8, 0, parts=parts).epoch(0)
    assert 0.3 < parts[rows[::2]].mean() < 0.7


def test_how_a_step_is_shared_out_changes_nothing_about_it():
    ways = [order(together=together, **EVERY["both"]).epoch(0) for together in (1, 4, 16)]
    for one, other in pairwise(ways):
        assert [sorted(step) for step in steps(one)] == [sorted(step) for step in steps(other)]


def test_rows_of_one_length_come_together_but_lengths_are_no_trend():
    grouped = order(**EVERY["grouped"]).epoch(0)
    assert padding(grouped) < 0.1 * padding(order().epoch(0))
    assert padding(order(**EVERY["both"]).epoch(0)) < 0.6 * padding(order(**EVERY["balanced"]).epoch(0))
    means = [LENGTHS[step].mean() for step in steps(grouped, 4)]
    assert abs(np.corrcoef(means, range(len(means)))[0, 1]) < 0.3


def test_a_group_that_is_not_full_comes_last():
    rows = Order(len(PARTS) - 2, 4, 16, 7, lengths=LENGTHS[:-2]).epoch(0)
    assert padding(rows) < 0.1 * padding(order().epoch(0))


@pytest.mark.parametrize("process", [0, 1])
def test_a_second_epoch_resumes_in_its_own_order_on_several_processes(process):
    def loader():
        sampler = EpochOrder(order(), epoch=lambda: 1)
        return prepare_data_loader(
            DataLoader(range(len(PARTS)), batch_size=4, sampler=sampler),
            num_processes=2,
            process_index=process,
            put_on_device=False,
        )

    whole = [batch.tolist() for batch in loader()]
    resumed = skip_first_batches(loader(), 5)
    resumed.set_epoch(1)  # as the trainer does; it reaches no sampler
    assert [batch.tolist() for batch in resumed] == whole[5:]


@ONE
def test_a_resumed_training_sees_the_rest_of_its_epoch(checkpoint, family, prepared, helpers, tmp_path):
    from medft_bm.train.run import make_trainer
    from medft_bm.train.settings import sft_config

    def trainer(**more):
        settings = {"max_steps": 8, "save_steps": 5, "sampling": "balanced", "group_by_length": True, **more}
        config = helpers.config(checkpoint, tmp_path / "run", accumulation=2, **settings)
        loaded = family.load(str(checkpoint), revision=None, dtype="float32", attention="sdpa")
        made = make_trainer(prepared, family, config, loaded, sft_config(config, validate=False))
        rows, collate = [], made.data_collator.collate
        made.data_collator = type(made.data_collator)(
            lambda examples: rows.append([example["row"] for example in examples]) or collate(examples)
        )
        return made, rows

    whole, seen = trainer()
    whole.train()
    again, rest = trainer()
    again.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoints" / "checkpoint-5"))
    # Twelve rows are three steps of two batches: step 5 is the second of the second epoch.
    assert [sorted(chain(*seen[at : at + 6])) for at in (0, 6)] == [list(range(12))] * 2
    assert seen[:6] != seen[6:12]
    assert rest[: 16 - 10] == seen[10:16]


@ONE
def test_lengths_are_image_tokens_and_text(prepared):
    items = prepared.items("train")
    expected = [item.view.image_tokens + len(item.prompt_text + item.answer_text) // 3 for item in items]
    assert row_lengths(prepared.rows("train")).tolist() == expected


def test_the_order_cannot_be_set_twice(helpers, tmp_path):
    from medft_bm.core.errors import ConfigError
    from medft_bm.train.settings import sft_config

    config = helpers.config(tmp_path, tmp_path, sft={"train_sampling_strategy": "group_by_length"})
    with pytest.raises(ConfigError, match=r"is set by train\.sampling and train\.group_by_length"):
        sft_config(config, validate=False)
