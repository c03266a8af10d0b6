"""What the log says of speed, memory and waiting, by a clock that the tests wind."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator

from medft_bm.train.flops import COUNTS, Operations
from medft_bm.train.run import make_trainer
from medft_bm.train.settings import sft_config
from medft_bm.train.throughput import Throughput

CONFIG = SimpleNamespace(image_token_id=9, vision_config=SimpleNamespace(patch_size=4))


class Clock:
    """Seconds that pass when told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def batch():
    """Two rows, of 5 and 3 tokens, with 3 answer tokens, 3 image tokens and one image of 2 x 4 patches each."""
    return {
        "input_ids": torch.tensor([[9, 9, 1, 2, 3], [9, 1, 2, 0, 0]]),
        "attention_mask": torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]),
        "labels": torch.tensor([[-100, -100, -100, 2, 3], [-100, -100, 2, -100, -100]]),
        "pixel_values": torch.zeros(2, 3, 8, 16),
    }


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def meter(clock):
    operations = Operations({"tokens": 10.0, "patch_pairs": 1.0})
    return Throughput(Accelerator(cpu=True), CONFIG, operations, peak=1000.0, now=clock)


def step(meter, clock, *, wait=1.0, work=3.0, log=False, evaluate=False):
    with meter.fetching() as fetched:
        clock.now += wait
        fetched.append(batch())
    clock.now += work
    control = SimpleNamespace(should_log=log, should_evaluate=evaluate, should_save=False)
    meter.on_step_end(None, None, control)


def test_rates_are_of_the_time_in_steps_and_leave_the_first_one_out(meter, clock):
    step(meter, clock, wait=100, work=900)
    step(meter, clock)
    step(meter, clock, log=True)

    line = meter.line()

    assert line["samples_per_second"] == pytest.approx(4 / 8)
    assert line["tokens_per_second"] == pytest.approx(16 / 8)  # padding does not count
    assert line["answer_tokens_per_second"] == pytest.approx(6 / 8)
    assert line["data_wait"] == pytest.approx(2 / 8)
    assert line["mfu"] == pytest.approx((16 * 10 + 4 * 64) / 8 / 1000)
    assert line["cpu_memory_gib"] > 0.01


def test_what_happens_between_steps_does_not_count(meter, clock):
    step(meter, clock)
    step(meter, clock, log=True, evaluate=True)
    clock.now += 1000  # an evaluation
    step(meter, clock, log=True)
    assert meter.line()["samples_per_second"] == pytest.approx(4 / 8)


def test_a_line_is_of_the_steps_since_the_last_and_the_summary_of_all(meter, clock, caplog):
    step(meter, clock)
    step(meter, clock, wait=0, work=1, log=True)
    assert meter.line()["samples_per_second"] == pytest.approx(2)
    step(meter, clock, wait=0, work=4, log=True)
    assert meter.line()["samples_per_second"] == pytest.approx(0.5)
    with caplog.at_level(logging.INFO, logger="medft_bm"):
        assert meter.summary()["samples_per_second"] == pytest.approx(4 / 5)
    assert "over 2 steps: 0.8 samples" in caplog.text


def test_a_training_of_one_step_states_no_rate(meter, clock):
    step(meter, clock, log=True)
    assert set(meter.line()) == {"cpu_memory_gib"}
    assert "samples_per_second" not in meter.summary()


def test_without_a_known_gpu_no_utilisation_is_stated(clock):
    meter = Throughput(Accelerator(cpu=True), CONFIG, now=clock)
    step(meter, clock)
    step(meter, clock, log=True)
    assert "mfu" not in meter.line()


def test_every_line_of_a_training_gets_its_rates_and_the_last_one_those_of_all(
    checkpoint, family, prepared, helpers, tmp_path
):
    config = helpers.config(checkpoint, tmp_path / "run", max_steps=3, device_batch=2, accumulation=2)
    loaded = family.load(str(checkpoint), revision=None, dtype="float32", attention="sdpa")
    trainer = make_trainer(prepared, family, config, loaded, sft_config(config, validate=False))
    trainer.train()
    lines = trainer.state.log_history
    assert ["samples_per_second" in line for line in lines] == [False, True, True, True]
    whole = trainer.throughput.whole
    counts = dict(zip(COUNTS, whole.counts.tolist(), strict=True))
    assert whole.steps == 2
    assert counts["samples"] == 8
    assert counts["tokens"] == lines[2]["num_tokens"] - lines[0]["num_tokens"]  # as TRL counts them
    assert 0 < counts["answer_tokens"] < counts["tokens"] - counts["image_tokens"]
    assert 0 < lines[-1]["data_wait"] < 1
