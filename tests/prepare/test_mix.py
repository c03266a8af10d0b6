from __future__ import annotations

import logging
import re
from collections import Counter
from itertools import pairwise

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from medft_bm.config.schema import Data
from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.types import SPLITS, ImageRef
from medft_bm.prepare.entries import Entry
from medft_bm.prepare.mix import select
from medft_bm.prepare.split import unit_hash

PARTS = [("boxes", "detection"), ("sizes", "lesion_size"), ("more boxes", "detection")]


def mix(**changes):
    """Three parts, the first and the last with the same task; keywords change one part by its number."""
    parts = [{"name": name, "task": task, "source": "phantom"} for name, task in PARTS]
    return [part | changes.get(f"part_{number}", {}) for number, part in enumerate(parts)]


def data(**changes):
    parts = {key: changes.pop(key) for key in list(changes) if key.startswith("part_")}
    return Data.model_validate({"mix": mix(**parts), **changes})


def pool(*sizes, split="train", label="x", start=0):
    """So many entries of each part, all in one split."""
    entries = []
    for part, size in enumerate(sizes):
        name, task = PARTS[part]
        for i in range(start, start + size):
            uid = f"{split}-{part}-{label}-{i}"
            entries.append(Entry(uid, part, task, name, f"p{i}", None, label, "", ImageRef("x"), ""))
    return entries, [split] * len(entries)


def together(*pools):
    return [one for entries, _ in pools for one in entries], [one for _, splits in pools for one in splits]


def counted(entries, splits, asked):
    chosen = select(entries, splits, asked)
    return Counter((entries[i].source, splits[i]) for i in chosen)


def test_all_is_kept_by_split_and_then_in_the_order_of_hashes():
    entries, splits = together(pool(20, 10, split="test"), pool(30, 5), pool(3, 3, split="validation"))
    chosen = select(entries, splits, data(seed=3))
    expected = sorted(
        range(len(entries)), key=lambda i: (SPLITS.index(splits[i]), unit_hash(3, "total", entries[i].uid))
    )
    assert chosen == expected


def test_limits_per_part_win_field_by_field_over_limits_per_source_and_come_before_the_others():
    entries, splits = together(pool(50, 50, 50), pool(40, 40, 40, split="test"))
    asked = data(
        part_0={"limit": {"train": 30}}, limit_per_source={"train": 20, "test": 10}, limit_per_task={"train": 40}
    )
    counts = counted(entries, splits, asked)
    assert [counts[name, "test"] for name, _ in PARTS] == [10, 10, 10]
    assert counts["sizes", "train"] == 20
    assert counts["boxes", "train"] + counts["more boxes", "train"] == 40
    assert counts["boxes", "train"] > counts["more boxes", "train"] > 5


def test_a_limit_in_total_drops_no_small_task_and_zero_drops_a_split():
    entries, splits = together(pool(500, 50), pool(5, 5, split="test"))
    counts = counted(entries, splits, data(limit_per_task={"train": 50}, limit={"train": 60, "test": 0}))
    assert counts["boxes", "train"] + counts["sizes", "train"] == 60
    assert 20 < counts["sizes", "train"] < 40
    assert not any(split == "test" for _, split in counts)


def test_a_limit_above_the_size_uses_all_and_says_so(caplog):
    entries, splits = pool(5, 0, 3)
    with caplog.at_level(logging.INFO):
        chosen = select(entries, splits, data(limit_per_task={"train": 9}, limit={"train": -1, "test": 4}))
    assert len(chosen) == 8
    assert [record.message for record in caplog.records] == [
        "detection, train: the limit is 9 and there are 8 samples; using all"
    ]


def test_nothing_left_is_an_error_that_names_the_limits():
    with pytest.raises(DataError, match="none of the 7 samples is left") as refused:
        select(*pool(7), data(limit={"train": 0}))
    assert "data.limit" in refused.value.where


def test_balance_keeps_as_many_of_every_label_as_of_the_rarest_split_by_split():
    pools = [pool(50, 9, label="a"), pool(20, 9, label="b"), pool(6, 1, label="c")]
    pools += [pool(5, 4, split="test", label="a"), pool(2, 1, split="test", label="b")]
    entries, splits = together(*pools)
    chosen = select(entries, splits, data(part_0={"balance": True}))
    counts = Counter((entries[i].source, splits[i], entries[i].label) for i in chosen)
    assert [counts["boxes", "train", label] for label in "abc"] == [6, 6, 6]
    assert [counts["boxes", "test", label] for label in "ab"] == [2, 2]
    assert [counts["sizes", "train", label] for label in "abc"] == [9, 9, 1]


def test_weights_without_oversampling_give_the_largest_training_that_has_these_shares():
    entries, splits = together(pool(60, 100, 30), pool(7, 7, 7, split="test"))
    asked = data(mixing={"by": "source", "weights": {"boxes": 3, "sizes": 1, "more boxes": 2}})
    counts = counted(entries, splits, asked)
    assert [counts[name, "train"] for name, _ in PARTS] == [45, 15, 30]
    assert [counts[name, "test"] for name, _ in PARTS] == [7, 7, 7]


def test_unnamed_weights_are_one_and_a_limit_keeps_the_shares_exact():
    entries, splits = pool(500, 1000, 500)
    counts = counted(entries, splits, data(mixing={"weights": {"detection": 3}}, limit={"train": 100}))
    assert counts["sizes", "train"] == 25
    assert counts["boxes", "train"] + counts["more boxes", "train"] == 75


@pytest.mark.parametrize(("temperature", "expected"), [(1, [900, 100]), (2, [300, 100]), (1e9, [100, 100])])
def test_temperature_flattens_the_shares(temperature, expected):
    entries, splits = pool(900, 100)
    counts = counted(entries, splits, data(mixing={"temperature": temperature}))
    assert [counts[name, "train"] for name, _ in PARTS[:2]] == expected


@pytest.mark.parametrize("limit", [None, 10, 333, 5000])
def test_oversampling_repeats_what_is_short_as_evenly_as_whole_numbers_allow(limit):
    entries, splits = together(pool(90, 10), pool(4, 4, split="validation"))
    asked = data(mixing={"weights": {"detection": 1, "lesion_size": 1}, "oversample": True}, limit={"train": limit})
    chosen = select(entries, splits, asked)
    total = limit or 100
    for part in (0, 1):
        times = Counter(i for i in chosen if entries[i].part == part and splits[i] == "train")
        assert times.total() == total // 2 + (part == 0) * (total % 2)
        assert (
            max(times.values())
            - min(times[i] for i in range(len(entries)) if entries[i].uid.startswith(f"train-{part}"))
            <= 1
        )
    assert Counter(splits[i] for i in chosen)["validation"] == 8


def test_repeated_samples_are_spread_over_the_order():
    entries, splits = pool(100, 10)
    asked = data(mixing={"weights": {"lesion_size": 1}, "oversample": True}, limit={"train": 200})
    chosen = select(entries, splits, asked)
    halves = [Counter(entries[i].part for i in half) for half in (chosen[:100], chosen[100:])]
    assert all(30 < half[1] < 70 for half in halves)
    assert sum(one == other for one, other in pairwise(chosen)) < 30


def test_every_group_of_the_mixing_is_told_in_one_line(caplog):
    with caplog.at_level(logging.INFO):
        select(*pool(30, 90), data(mixing={"weights": {"lesion_size": 1e-9}}))
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("INFO", "mixing: detection gets 30 training rows (100.0 %) from 30 samples"),
        ("WARNING", "mixing: lesion_size gets 0 training rows (0.0 %) from 90 samples"),
    ]


def test_a_group_without_training_samples_takes_no_share():
    entries, splits = together(pool(10, 0, 5), pool(0, 5, split="test"))
    counts = counted(entries, splits, data(mixing={"by": "source", "weights": {"sizes": 8}}))
    assert [counts[name, "train"] for name, _ in PARTS] == [5, 0, 5]
    assert counts["sizes", "test"] == 5


@pytest.mark.parametrize(
    ("by", "name", "meant"),
    [("task", "detections", "did you mean 'detection'"), ("source", "detection", "known: boxes")],
)
def test_a_weight_for_nothing_in_the_mix_is_refused(by, name, meant):
    with pytest.raises(ConfigError, match=f"no {by} of the mix is named '{name}'; {meant}"):
        select(*pool(3, 3, 3), data(mixing={"by": by, "weights": {name: 2}}))


@pytest.fixture
def guide(repository):
    return (repository / "docs" / "splits-and-mixes.md").read_text(encoding="utf-8")


def test_the_table_of_the_guide_is_what_comes_out(guide):
    rows = re.findall(r"^\| `(\{.*\})` \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", guide, re.MULTILINE)
    assert len(rows) == 6
    tasks = ["detection", "lesion_size", "classification"]
    parts = [{"task": task, "source": "phantom"} for task in tasks]
    entries = [
        Entry(f"{part}-{i}", part, task, f"{task}/phantom", f"p{i}", None, "x", "", ImageRef("x"), "")
        for part, (task, size) in enumerate(zip(tasks, (9000, 1000, 400), strict=True))
        for i in range(size)
    ]
    for mixing, *expected in rows:
        asked = Data.model_validate({"mix": parts, "mixing": yaml.safe_load(mixing)})
        counts = Counter(entries[i].task for i in select(entries, ["train"] * len(entries), asked))
        assert [*(counts[task] for task in tasks), counts.total()] == [int(word) for word in expected]


def test_the_mix_of_the_guide_is_valid(guide):
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    assert Data.model_validate(yaml.safe_load(block)["data"]).mixing.oversample


CONFIGS = [
    {},
    {"limit": {"train": 20}, "limit_per_task": {"train": 15, "test": 4}},
    {"limit_per_source": {"train": 7}, "part_1": {"balance": True}},
    {"mixing": {"temperature": 3}},
    {"mixing": {"by": "source", "weights": {"sizes": 4}, "oversample": True}},
]


@settings(max_examples=60)
@given(st.sampled_from(CONFIGS), st.lists(st.integers(1, 30), min_size=6, max_size=6), st.randoms())
def test_adding_data_never_reshuffles_what_was_there(changes, sizes, random):
    old = together(pool(*sizes[:3]), pool(*sizes[:3], split="test", label="y"))
    new = together(pool(*sizes[3:], start=100), pool(*sizes[3:], split="test", label="y", start=100))
    entries, splits = together(old, new)
    shuffled = random.sample(range(len(entries)), len(entries))
    asked = data(**changes)
    before = [old[0][i].uid for i in select(*old, asked)]
    after = [entries[i].uid for i in select(entries, splits, asked)]
    again = select([entries[i] for i in shuffled], [splits[i] for i in shuffled], asked)

    assert [entries[shuffled[i]].uid for i in again] == after
    if not asked.mixing.oversample:  # copies of one sample cannot be told apart
        kept = {*before} & {*after}
        assert [uid for uid in before if uid in kept] == [uid for uid in after if uid in kept]
