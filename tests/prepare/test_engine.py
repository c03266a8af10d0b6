from __future__ import annotations

import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from medft_bm.config.schema import Prepare
from medft_bm.core.errors import DataError, MedftError
from medft_bm.prepare.engine import AHEAD, batches, cores, engine, in_order


def slow_square(number: int) -> int:
    time.sleep(0.01 * (number % 3))  # the later ones are often done first
    return number**2


def process_of(number: int) -> int:
    time.sleep(0.1)
    return os.getpid()


def die(survivor: int, number: int) -> int:
    """Kill the process that works, unless it is the one that started all."""
    time.sleep(0.1)
    if os.getpid() != survivor:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def fail(number: int) -> int:
    raise DataError(f"number {number}", where="here", fix="that")


def die_once(marker: Path, number: int) -> int:
    """Take the worker down the first time that any of them gets here."""
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return number**2
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def test_results_come_in_the_order_of_the_jobs():
    with engine(Prepare(workers=2)) as run:
        assert list(run.map(slow_square, range(40), large=True)) == [n**2 for n in range(40)]
        assert list(run.map(slow_square, range(3), large=True)) == [0, 1, 4]  # the same processes again


def test_large_work_goes_to_other_processes_and_small_work_does_not():
    with engine(Prepare(workers=2)) as run:
        first = list(run.map(process_of, range(100), large=True))
        assert first[0] == os.getpid()  # while the others start
        assert os.getpid() not in set(run.map(process_of, range(8), large=True))
        assert set(run.map(process_of, range(8), large=False)) == {os.getpid()}


def test_a_process_that_is_killed_is_one_clear_error():
    with engine(Prepare(workers=2)) as run, pytest.raises(MedftError, match="was killed") as caught:
        list(run.map(partial(die, os.getpid()), range(100), large=True))
    assert caught.value.where == "prepare.workers"


def test_an_error_in_a_worker_arrives_as_it_was_raised():
    with engine(Prepare(workers=2)) as run, pytest.raises(DataError, match="number 0") as caught:
        list(run.map(fail, range(4), large=True))
    assert (caught.value.where, caught.value.fix) == ("here", "that")


def test_no_more_is_under_way_than_memory_allows():
    under_way, most = 0, 0

    def submit(group):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        return group

    def result(group):
        nonlocal under_way
        under_way -= 1
        return list(group)

    assert list(in_order(submit, result, ([n] for n in range(1000)), 2)) == list(range(1000))
    assert most == 2 * AHEAD


@pytest.mark.parametrize(("jobs", "workers"), [(1, 4), (7, 2), (100, 3), (100_000, 8)])
def test_batches_hold_every_job_once_and_leave_work_for_everybody(jobs, workers):
    made = list(batches(range(jobs), workers))
    assert [job for batch in made for job in batch] == list(range(jobs))
    assert len(made) >= min(jobs, workers)


def test_the_cores_are_those_this_process_may_use():
    assert 1 <= cores() <= (os.cpu_count() or 1)


@pytest.fixture(scope="module")
def ray():
    ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
        yield ray
        ray.shutdown()


def test_ray_gives_the_same_results_in_the_same_order(ray):
    with engine(Prepare(engine="ray", workers=2)) as run:
        assert list(run.map(slow_square, range(40), large=True)) == [n**2 for n in range(40)]
    assert ray.is_initialized()  # a cluster that was there before is not taken away


def test_ray_runs_the_task_of_a_killed_worker_again(ray, tmp_path):
    with engine(Prepare(engine="ray", workers=2)) as run:
        made = list(run.map(partial(die_once, tmp_path / "died"), range(8), large=True))
    assert made == [n**2 for n in range(8)]
    assert (tmp_path / "died").exists()


def test_an_error_in_a_ray_task_arrives_as_it_was_raised(ray):
    with engine(Prepare(engine="ray")) as run, pytest.raises(DataError, match="number 0") as caught:
        list(run.map(fail, range(4), large=True))
    assert (caught.value.where, caught.value.fix) == ("here", "that")


def test_a_ray_task_that_dies_every_time_is_one_clear_error(ray):
    with engine(Prepare(engine="ray")) as run, pytest.raises(MedftError, match="gave up"):
        list(run.map(partial(die, os.getpid()), range(2), large=True))
