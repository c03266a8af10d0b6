from __future__ import annotations

import json
import re
import shutil
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from datasets import Dataset, load_from_disk

from medft_bm.config.schema import Prepare
from medft_bm.core.errors import DataError
from medft_bm.core.geometry import Size
from medft_bm.core.types import SPLITS
from medft_bm.models.gemma3 import Gemma3
from medft_bm.prepare.dataset import Prepared, open_prepared, prepare_dataset

from .conftest import data, mix


def test_every_part_brings_all_its_subjects(prepared):
    subjects = defaultdict(int)
    for row in prepared.summary():
        subjects[row["task"]] += row["subjects"]
    assert subjects["classification"] == subjects["angle_distance"] == subjects["detection"] == 8
    assert 6 <= subjects["lesion_size"] <= 8  # a lesion may be hidden by another body


def test_no_subject_is_in_two_splits(prepared):
    splits = defaultdict(set)
    for split in SPLITS:
        for subject in prepared.rows(split)["subject"]:
            splits[subject].add(split)
    assert splits
    assert all(len(seen) == 1 for seen in splits.values())


def test_split_json_says_where_each_subject_is(prepared):
    listed = json.loads((prepared.folder / "split.json").read_text())
    for split in SPLITS:
        assert {listed[subject] for subject in prepared.rows(split)["subject"]} <= {split}


def test_split_json_can_be_handed_back_edited_and_with_larger_limits(folder, family, tmp_path):
    apart = {"salt": "pepper", "cache": tmp_path / "cache"}
    few = prepare_dataset(data(folder, **apart, limit={"train": 2, "test": 1}), family)
    every = prepare_dataset(data(folder, **apart), family)
    listed = json.loads((few.folder / "split.json").read_text())
    assert listed == json.loads((every.folder / "split.json").read_text())
    moved = every.rows("train")["subject"][0]
    path = tmp_path / "split.json"
    path.write_text(json.dumps({**listed, moved: "test"}))

    again = prepare_dataset(data(folder, **apart, split={"file": path}), family)

    then = {uid: split for split in SPLITS for uid in every.rows(split)["uid"]}
    now = {uid: (split, row["subject"]) for split in SPLITS for row in again.rows(split) for uid in [row["uid"]]}
    assert {subject for uid, (split, subject) in now.items() if split != then[uid]} == {moved}
    assert {split for split, subject in now.values() if subject == moved} == {"test"}


def test_questions_about_one_slice_share_one_picture(prepared):
    rows = [row for split in SPLITS for row in prepared.rows(split)["image"]]
    assert len(prepared.images) == len(set(rows)) < len(rows)
    assert sorted(set(rows)) == list(range(len(prepared.images)))


def test_items_read_all_at_once_are_those_read_one_by_one(prepared):
    items = prepared.items("train")
    backwards = replace(items, rows=items.rows.select(range(len(items) - 1, -1, -1)))

    assert list(items) == [items[place] for place in range(len(items))]
    assert list(backwards) == list(items)[::-1]


def test_an_item_carries_the_picture_it_asks_about(prepared):
    item = next(item for item in prepared.items("train") if item.task.name == "detection")
    assert item.image.mode == "RGB"
    assert (item.image.height, item.image.width) == (item.sample.size.h, item.sample.size.w)
    assert item.view.from_slice.dst == Size(64, 64)


def test_prompt_and_answer_are_what_the_task_writes_today(prepared):
    for split in SPLITS:
        for item in prepared.items(split):
            assert item.prompt_text == item.task.prompt(item.sample, item.view)
            assert item.answer_text == item.task.answer(item.sample, item.view)


def test_the_picture_shows_the_truth_at_the_place_the_sample_says(prepared):
    """The kidney phantom is the brightest body: its box must hold the bright pixels, in the display frame."""
    checked = 0
    for item in prepared.items("train"):
        if item.sample.tags["label"] != "kidney" or item.task.name != "detection":
            continue
        y0, x0, y1, x1 = (int(v) for v in item.sample.truth["box"])
        grey = np.asarray(item.image.convert("L"), np.float64)
        inside = grey[y0:y1, x0:x1]
        if inside.size >= 80:
            assert inside.mean() > grey.mean() + 20
            checked += 1
    assert checked >= 5


def test_the_liver_is_on_the_left_of_every_axial_picture_whatever_the_storage(prepared):
    """It is drawn on the patient's right; half of the volumes are stored as LPS."""
    sides = [
        item.sample.truth["box"][1] + item.sample.truth["box"][3] < item.sample.size.w
        for item in prepared.items("train")
        if item.sample.tags["label"] == "liver"
    ]
    assert len(sides) > 10
    assert np.mean(sides) == 1


def test_training_rows_are_what_trl_wants(prepared):
    row = prepared.training_set("train")[0]
    assert set(row) == {"images", "prompt", "completion", "row", "part"}
    assert [row["row"] for row in prepared.training_set("train")] == list(range(len(prepared.rows("train"))))
    assert row["part"] == prepared.rows("train")[0]["part"]
    assert row["images"][0].mode == "RGB"
    assert row["prompt"][0]["role"] == "user"
    assert row["completion"][0]["role"] == "assistant"


def test_it_opens_with_plain_datasets_anywhere(prepared, tmp_path):
    elsewhere = tmp_path / "copied"
    shutil.copytree(prepared.folder, elsewhere)
    rows = load_from_disk(str(elsewhere))["train"]
    images = Dataset.from_file(str(elsewhere / "images" / "00000.arrow"))
    assert images[rows[0]["image"]]["image"].width > 1
    for here, there in zip(prepared.items("test"), open_prepared(elsewhere).items("test"), strict=True):
        assert (here.uid, here.sample, here.view) == (there.uid, there.sample, there.view)
        assert here.image.tobytes() == there.image.tobytes()


def test_no_path_and_no_subject_name_reaches_the_prepared_folder(prepared, folder):
    names = re.compile(rb"P0000\d|image\.nii|" + re.escape(str(folder / "raw").encode()))
    for path in prepared.folder.rglob("*"):
        if path.is_file():
            found = names.search(path.read_bytes())
            assert found is None, f"{found} in {path.name}"


def test_a_second_call_builds_nothing(prepared, folder, family):
    before = (prepared.folder / "manifest.json").stat().st_mtime_ns
    again = prepare_dataset(data(folder), family)
    assert again.folder == prepared.folder
    assert (again.folder / "manifest.json").stat().st_mtime_ns == before


def test_another_family_costs_text_only(prepared, folder):
    other = prepare_dataset(data(folder), Gemma3(Size(128, 128), 64))
    assert other.folder != prepared.folder
    assert len(list((folder / "cache" / "samples").glob("*/images"))) == 1
    assert pictures(other) == pictures(prepared)


def pictures(made: Prepared) -> list[bytes]:
    return [path.read_bytes() for path in sorted((made.folder / "images").iterdir())]


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1, "limit": {"train": 3}},
        {"split": {"validation": 0.2, "test": 0.3, "seed": 9}},
        {"salt": "pepper"},
        {"mix": mix()[:2]},
    ],
    ids=["seed", "split", "salt", "mix"],
)
def test_every_fact_that_changes_rows_changes_the_folder(prepared, folder, family, changes):
    assert prepare_dataset(data(folder, **changes), family).folder != prepared.folder


@pytest.mark.parametrize("how", [{"workers": 2}, {"engine": "ray", "workers": 2}], ids=["processes", "ray"])
def test_the_engine_does_not_change_a_byte(prepared, folder, family, tmp_path, monkeypatch, how):
    if how.get("engine") == "ray":
        pytest.importorskip("ray", reason="the extra `ray` is not installed")
        monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    for stage in ("samples", "rows"):  # as if there were much to do
        monkeypatch.setattr(f"medft_bm.prepare.{stage}.WORTH_PROCESSES", 0)
    several = prepare_dataset(data(folder, cache=tmp_path), family, Prepare(**how))
    files = sorted(path.relative_to(prepared.folder) for path in prepared.folder.rglob("*.arrow"))
    assert len(files) == 4
    for file in files:
        assert (several.folder / file).read_bytes() == (prepared.folder / file).read_bytes(), file
    assert several.manifest == prepared.manifest


def test_limits_apply_per_task_then_in_total_and_too_large_ones_use_all(folder, family, caplog):
    with caplog.at_level("INFO"):
        made = prepare_dataset(
            data(folder, limit_per_task={"train": 5, "validation": 0, "test": 9999}, limit={"train": 12}), family
        )
    counts = defaultdict(int)
    for row in made.summary():
        counts[row["task"], row["split"]] += row["samples"]
    assert sum(n for (_, split), n in counts.items() if split == "train") == 12
    assert max(n for (_, split), n in counts.items() if split == "train") <= 5
    assert not any(split == "validation" for _, split in counts)
    assert "the limit is 9999 and there are" in caplog.text
    assert len([task for task, split in counts if split == "train"]) == 4, "a total limit drops no small task"


def test_adding_subjects_never_moves_or_reshuffles_old_ones(folder, family):
    few = prepare_dataset(data(folder, mix=mix(8)[3:], limit={"train": 9999}), family)
    old = {uid: split for split in SPLITS for uid in few.rows(split)["uid"]}
    order = [uid for split in SPLITS for uid in few.rows(split)["uid"]]
    # The same cohort with one data set more beside it.
    more = prepare_dataset(data(folder, mix=mix(8)[2:], limit={"train": 9999}), family)
    new = {uid: split for split in SPLITS for uid in more.rows(split)["uid"]}
    assert {uid: new[uid] for uid in old} == old
    assert [uid for split in SPLITS for uid in more.rows(split)["uid"] if uid in old] == order


def test_limit_zero_everywhere_is_one_clear_error_and_leaves_no_entry(folder, family, tmp_path):
    nothing = {"train": 0, "validation": 0, "test": 0}
    with pytest.raises(DataError, match=r"none of the \d+ samples is left"):
        prepare_dataset(data(folder, cache=tmp_path, limit=nothing), family)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_missing_root_is_named(tmp_path, family):
    part = {"task": "classification", "source": "image_folder", "root": "nowhere"}
    with pytest.raises(DataError, match="does not exist") as caught:
        prepare_dataset(data(tmp_path, mix=[part]), family)
    assert "nowhere" in caught.value.where


def test_the_same_question_twice_is_refused(folder, family):
    twice = [{**mix()[3], "name": "same"}] * 2
    with pytest.raises(ValueError, match="same"):
        prepare_dataset(data(folder, mix=twice), family)


def test_a_folder_that_is_not_prepared_is_refused(tmp_path):
    with pytest.raises(DataError, match="not a finished prepared dataset"):
        open_prepared(tmp_path)
