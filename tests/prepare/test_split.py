from __future__ import annotations

import json

import numpy as np
import pytest

from medft_bm.config.schema import SplitRule
from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.geometry import Size
from medft_bm.core.types import ImageRef, Sample
from medft_bm.prepare.split import hide, split_samples, unit_hash


def sample(subject, number=0, split=None, source="a"):
    return Sample(f"{subject}-{number}", "t", source, subject, ImageRef("x"), Size(2, 3), None, {}, {}, split)


def test_shares_of_many_subjects_come_out_as_asked():
    samples = [sample(f"p{i}") for i in range(4000)]
    made = [s.split for s in split_samples(samples, SplitRule(validation=0.1, test=0.2))]
    assert made.count("test") / 4000 == pytest.approx(0.2, abs=0.02)
    assert made.count("validation") / 4000 == pytest.approx(0.1, abs=0.02)


def test_a_subject_is_placed_by_its_name_alone():
    rule = SplitRule(validation=0.3, test=0.3)
    many = split_samples([sample(f"p{i}", number, source="b") for i in range(20) for number in range(3)], rule)
    assert {made.split for made in many} == {"train", "validation", "test"}
    for made in many:
        assert split_samples([sample(made.subject, number=99)], rule)[0].split == made.split


def test_an_official_split_is_kept_for_all_images_of_the_subject():
    made = split_samples([sample("p1", 0, "test"), sample("p1", 1)], SplitRule(test=0, validation=0))
    assert [s.split for s in made] == ["test", "test"]


def test_a_split_file_may_name_subjects_as_split_json_hides_them(tmp_path):
    path = tmp_path / "split.json"
    path.write_text(json.dumps({hide("p1", "pepper"): "validation", "p2": "test"}))
    made = split_samples([sample("p1"), sample("p2")], SplitRule(file=path), "pepper")
    assert [s.split for s in made] == ["validation", "test"]
    with pytest.raises(DataError, match="subject p1 is not in the split file"):
        split_samples([sample("p1")], SplitRule(file=path), "salt")


def test_a_subject_with_two_official_splits_is_refused():
    with pytest.raises(DataError, match="subject p1 is in test and in train"):
        split_samples([sample("p1", 0, "test"), sample("p1", 1, "train")], SplitRule())


def test_a_split_file_is_followed_and_must_know_every_subject(tmp_path):
    path = tmp_path / "split.json"
    path.write_text(json.dumps({"p1": "validation"}))
    assert split_samples([sample("p1")], SplitRule(file=path))[0].split == "validation"
    with pytest.raises(DataError, match="subject p2 is not in the split file"):
        split_samples([sample("p2")], SplitRule(file=path))
    path.write_text(json.dumps({"p1": "dev"}))
    with pytest.raises(ConfigError, match="unknown split 'dev'"):
        split_samples([sample("p1")], SplitRule(file=path))


def test_the_hash_is_uniform_and_the_same_on_every_machine():
    values = np.array([unit_hash("seed", i) for i in range(2000)])
    assert unit_hash(0, "p1") == 0.0568258155981296
    assert np.abs(np.quantile(values, [0.25, 0.5, 0.75]) - [0.25, 0.5, 0.75]).max() < 0.03
