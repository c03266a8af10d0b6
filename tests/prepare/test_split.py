from __future__ import annotations

import json
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medft_bm.config.schema import SplitRule
from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.types import SPLITS, ImageRef
from medft_bm.prepare.entries import Entry
from medft_bm.prepare.split import apportion, hide, place, unit_hash


def entry(subject, number=0, split=None, source="a", label="", group=""):
    part = ord(source) - ord("a")
    return Entry(f"{subject}-{number}", part, "t", source, subject, split, label, group, ImageRef("x"), "")


def by_subject(entries, rule, salt=""):
    made = defaultdict(set)
    for one, split in zip(entries, place(entries, rule, salt), strict=True):
        made[one.subject].add(split)
    assert all(len(splits) == 1 for splits in made.values())
    return {subject: splits.pop() for subject, splits in made.items()}


def test_shares_of_many_subjects_come_out_as_asked():
    made = place([entry(f"p{i}") for i in range(4000)], SplitRule(validation=0.1, test=0.2))
    assert made.count("test") / 4000 == pytest.approx(0.2, abs=0.02)
    assert made.count("validation") / 4000 == pytest.approx(0.1, abs=0.02)


def test_a_subject_is_placed_by_its_name_alone():
    rule = SplitRule(validation=0.3, test=0.3)
    many = by_subject([entry(f"p{i}", number, source="b") for i in range(20) for number in range(3)], rule)
    assert set(many.values()) == set(SPLITS)
    for subject, split in many.items():
        assert place([entry(subject, number=99)], rule) == [split]


def test_these_subjects_are_where_they_have_always_been():
    places = by_subject([entry(f"p{i}") for i in range(12)], SplitRule(validation=0.2, test=0.2))
    assert [subject for subject, split in places.items() if split == "test"] == ["p1", "p7"]
    assert [subject for subject, split in places.items() if split == "validation"] == ["p2", "p4"]


def test_an_official_split_is_kept_for_all_images_of_the_subject():
    made = place([entry("p1", 0, "test"), entry("p1", 1)], SplitRule(test=0, validation=0))
    assert made == ["test", "test"]


def test_validation_is_taken_from_the_official_training_subjects_of_a_source_that_has_none():
    entries = [entry(f"p{i}", n, "test" if i % 4 == 0 else "train") for i in range(2000) for n in range(2)]
    made = by_subject(entries, SplitRule(validation=0.1, test=0.5))
    counts = Counter(made.values())
    assert counts["test"] == 500
    assert counts["validation"] / 1500 == pytest.approx(0.1, abs=0.02)
    assert {made[f"p{i}"] for i in range(0, 2000, 4)} == {"test"}
    assert made | by_subject(entries[:-20], SplitRule(validation=0.1, test=0.5)) == made


def test_no_validation_is_taken_from_a_source_that_has_its_own():
    own = [entry(f"p{i}", 0, ("train", "validation", "test")[i % 3]) for i in range(300)]
    less = [one._replace(part=1, source="b", uid=f"b{one.uid}") for one in own if one.split != "validation"]
    made = by_subject([*own, *less], SplitRule(validation=0.5, test=0))
    assert made == {one.subject: one.split for one in own}


def test_a_subject_with_two_official_splits_is_refused():
    with pytest.raises(DataError, match="subject p1 is in test and in train"):
        place([entry("p1", 0, "test"), entry("p1", 1, "train")], SplitRule())


def test_a_split_file_may_name_subjects_as_split_json_hides_them(tmp_path):
    path = tmp_path / "split.json"
    path.write_text(json.dumps({hide("p1", "pepper"): "validation", "p2": "test"}))
    assert place([entry("p1"), entry("p2")], SplitRule(file=path), "pepper") == ["validation", "test"]
    with pytest.raises(DataError, match="subject p1 is not in the split file"):
        place([entry("p1")], SplitRule(file=path), "salt")


def test_a_split_file_is_followed_and_must_know_every_subject(tmp_path):
    path = tmp_path / "split.json"
    path.write_text(json.dumps({"p1": "validation"}))
    assert place([entry("p1")], SplitRule(file=path)) == ["validation"]
    with pytest.raises(DataError, match="subject p2 is not in the split file"):
        place([entry("p2")], SplitRule(file=path))
    path.write_text(json.dumps({"p1": "dev"}))
    with pytest.raises(ConfigError, match="unknown split 'dev'"):
        place([entry("p1")], SplitRule(file=path))
    path.write_text('{"p1": "train", "p1": "test"}')
    with pytest.raises(ConfigError, match="subject p1 is listed twice"):
        place([entry("p1")], SplitRule(file=path))


def test_an_edited_split_file_wins_over_official_splits_and_over_folds(tmp_path):
    path = tmp_path / "split.json"
    path.write_text(json.dumps({"p1": "train", "p2": "validation", "p3": "test"}))
    entries = [entry("p1", split="test"), entry("p2", split="train"), entry("p3")]
    rule = SplitRule(file=path, folds=2, by="site", stratify=True)
    assert place(entries, rule) == ["train", "validation", "test"]
    with pytest.raises(DataError, match="subject p4 is not in the split file"):
        place([*entries, entry("p4", split="test")], rule)


def test_sites_and_the_subjects_seen_at_several_of_them_stay_together():
    rule = SplitRule(by="site", validation=0.2, test=0.3)
    entries = [entry(f"p{i}", n, group=f"site {i % 40}") for i in range(400) for n in range(2)]
    entries += [entry(f"mover {i}", n, group=f"site {i + n}") for i in range(0, 40, 8) for n in range(3)]
    made = by_subject(entries, rule)
    sites = defaultdict(set)
    for one in entries:
        sites[one.group].add(made[one.subject])
    assert {len(splits) for splits in sites.values()} == {1}
    assert set(made.values()) == set(SPLITS)


def test_a_new_patient_moves_no_site_and_a_new_link_moves_only_the_sites_it_joins():
    rule = SplitRule(by="site", validation=0.2, test=0.3)
    entries = [entry(f"p{i}", group=f"site {i % 30:02}") for i in range(90)]
    before = by_subject(entries, rule)
    assert before.items() <= by_subject([*entries, entry("a first name", group="site 11")], rule).items()
    joined = by_subject([*entries, *(entry("mover", n, group=f"site 0{n}") for n in (3, 7))], rule)
    moved = {subject for subject, split in before.items() if joined[subject] != split}
    assert moved <= {one.subject for one in entries if one.group == "site 07"}


def test_an_entry_without_the_tag_that_groups_is_refused():
    with pytest.raises(DataError, match="subject p2 has no tag 'site'") as refused:
        place([entry("p1", group="x"), entry("p2", source="b")], SplitRule(by="site"))
    assert refused.value.where == "b"


def test_an_official_split_that_cuts_a_site_is_refused_and_another_one_takes_the_site_along():
    rule = SplitRule(by="site", validation=0, test=0)
    assert place([entry("p1", split="test", group="x"), entry("p2", group="x")], rule) == ["test", "test"]
    with pytest.raises(DataError, match="site x is in test and in train") as refused:
        place([entry("p1", split="test", group="x"), entry("p2", split="train", group="x")], rule)
    assert "drop data.split.by" in refused.value.fix


def strata(made, labels):
    return {
        label: [sum(made[subject] == split for subject in subjects) for split in ("test", "validation", "train")]
        for label, subjects in labels.items()
    }


def test_strata_have_exact_quotas_whatever_the_names():
    sizes = {"common": 70, "usual": 20, "rare": 5, "rarer": 3}
    labels = {label: [f"{label} {i}" for i in range(size)] for label, size in sizes.items()}
    entries = [entry(s, n, label=label) for label, subjects in labels.items() for s in subjects for n in range(2)]
    for seed in range(5):
        made = by_subject(entries, SplitRule(validation=0.1, test=0.2, stratify=True, seed=seed))
        assert strata(made, labels) == {
            "common": [14, 7, 49],
            "usual": [4, 2, 14],
            "rare": [1, 1, 3],
            "rarer": [1, 0, 2],
        }


def test_a_subject_counts_for_its_rarest_label():
    entries = [entry(f"p{i}", label="liver") for i in range(100)]
    entries += [entry(f"p{i}", 1, label="lesion") for i in range(0, 100, 10)]
    made = by_subject(entries, SplitRule(validation=0.1, test=0.2, stratify=True))
    assert Counter(made[f"p{i}"] for i in range(0, 100, 10)) == {"test": 2, "validation": 1, "train": 7}
    assert Counter(made.values()) == {"test": 20, "validation": 10, "train": 70}


def test_labels_of_a_single_subject_each_are_held_out_together():
    made = by_subject([entry(f"p{i}", label=f"label {i}") for i in range(50)], SplitRule(stratify=True))
    assert Counter(made.values()) == {"test": 10, "validation": 5, "train": 35}


def test_validation_from_official_training_subjects_is_stratified_too():
    entries = [entry(f"p{i}", split="test" if i % 2 else "train", label="ab"[i < 80]) for i in range(100)]
    made = by_subject(entries, SplitRule(validation=0.2, stratify=True))
    assert Counter(("ab"[i < 80], made[f"p{i}"]) for i in range(0, 100, 2)) == {
        ("b", "validation"): 8,
        ("b", "train"): 32,
        ("a", "validation"): 2,
        ("a", "train"): 8,
    }


@pytest.mark.parametrize("stratify", [False, True])
@pytest.mark.parametrize("by", ["subject", "site"])
@pytest.mark.parametrize("folds", [2, 5])
def test_every_subject_is_tested_in_exactly_one_fold(stratify, by, folds):
    entries = [entry(f"p{i}", label="abc"[i % 3], group=f"site {i // 2}") for i in range(300)]
    rules = [SplitRule(folds=folds, fold=k, validation=0.15, stratify=stratify, by=by) for k in range(folds)]
    made = [by_subject(entries, rule) for rule in rules]
    for subject in made[0]:
        assert [one[subject] for one in made].count("test") == 1
    for one in made:
        shares = Counter(one.values())
        assert shares["test"] / 300 == pytest.approx(1 / folds, abs=0.1)
        assert shares["validation"] / 300 == pytest.approx(0.15, abs=0.08)


def test_stratified_folds_differ_by_one_subject_of_a_label_at_most():
    entries = [entry(f"p{i}", label="rare" if i % 9 == 0 else "common") for i in range(100)]
    tested = [
        Counter(one.label for one, split in zip(entries, place(entries, rule), strict=True) if split == "test")
        for rule in [SplitRule(folds=5, fold=k, stratify=True) for k in range(5)]
    ]
    assert sorted(count["rare"] for count in tested) == [2, 2, 2, 3, 3]
    assert [count.total() for count in tested] == [20] * 5


def test_a_new_subject_changes_the_fold_of_no_other():
    rule = SplitRule(folds=4, fold=1)
    before = by_subject([entry(f"p{i}") for i in range(100)], rule)
    assert before.items() <= by_subject([entry(f"p{i}") for i in range(130)], rule).items()


def test_folds_of_official_splits_only_are_refused_and_of_some_are_mentioned(caplog):
    official = [entry(f"p{i}", split="test" if i % 2 else "train") for i in range(10)]
    with pytest.raises(ConfigError, match="every subject has an official split"):
        place(official, SplitRule(folds=5))
    place([*official, entry("q")], SplitRule(folds=5))
    assert "folds leave 10 of 11 subjects in their official split" in caplog.text


@given(st.integers(0, 200), st.lists(st.integers(0, 50), min_size=1, max_size=6).filter(any))
def test_what_is_shared_out_adds_up_and_is_off_by_less_than_one(total, weights):
    shares = [weight / sum(weights) for weight in weights]
    counts = apportion(total, shares)
    assert sum(counts) == total
    for count, share in zip(counts, shares, strict=True):
        assert abs(count - total * share) < 1


def test_the_hash_is_uniform_and_the_same_on_every_machine():
    values = np.array([unit_hash("seed", i) for i in range(2000)])
    assert unit_hash(0, "p1") == 0.0568258155981296
    assert np.abs(np.quantile(values, [0.25, 0.5, 0.75]) - [0.25, 0.5, 0.75]).max() < 0.03
