"""What other trainers read is what we would train on: words, pictures, splits and how images are shown.

The shapes pinned here are those that the other projects' loaders accepted (``script/check_exports.sh``).
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import yaml
from PIL import Image
from tests.export.conftest import AWKWARD, config_of, export_of, lines, part

from medft_bm.core.errors import ConfigError, DataError
from medft_bm.export.formats import FORMATS, load_format
from medft_bm.export.make import make_export

TRAINERS = ("llamafactory", "ms-swift", "qwen")


def said(name, row):
    """Question and answer as the reader would see them."""
    if name == "jsonl":
        (image, text), (answer,) = (message["content"] for message in row["messages"])
        assert image == {"type": "image"}
        return text["text"], answer["text"]
    key, value = {"qwen": ("conversations", "value")}.get(name, ("messages", "content"))
    question, answer = row[key]
    roles = [next(iter(turn.values())) for turn in row[key]]
    assert roles == (["human", "gpt"] if name == "qwen" else ["user", "assistant"])
    assert question[value].startswith("<image>")
    assert question[value].count("<image>") == 1
    return question[value].removeprefix("<image>"), answer[value]


def picture(name, row):
    """Path of the one picture."""
    if name in ("jsonl", "qwen"):
        return row["image"]
    (path,) = row["images"]
    return path


@pytest.mark.parametrize("name", ["jsonl", *TRAINERS])
def test_words_arrive_byte_for_byte_and_pictures_pixel_for_pixel(export, written, name):
    out = written(export, name)

    for split in ("train", "validation"):
        items, rows = export.prepared.items(split), lines(out / f"{split}.jsonl")
        assert [row["uid"] for row in rows] == [item.uid for item in items]
        for item, row in zip(items, rows, strict=True):
            assert said(name, row) == (item.prompt_text, item.answer_text)
            with Image.open(out / picture(name, row)) as image:
                assert np.array_equal(np.asarray(image.convert("RGB")), np.asarray(item.image))


@pytest.mark.parametrize("name", ["jsonl", *TRAINERS])
def test_labels_with_quotes_line_breaks_and_other_scripts_survive(awkward, written, name):
    export = awkward(AWKWARD)

    out = written(export, name)

    rows, items = lines(out / "train.jsonl"), export.prepared.items("train")
    assert {said(name, row)[1] for row in rows} == set(AWKWARD)
    assert [said(name, row) for row in rows] == [(item.prompt_text, item.answer_text) for item in items]


@pytest.mark.parametrize(
    ("name", "label"),
    [(name, "<image>") for name in TRAINERS] + [("ms-swift", "<bbox>"), ("llamafactory", "{{image}}")],
)
def test_words_that_a_reader_takes_for_something_else_are_refused_and_leave_nothing(
    awkward, written, tmp_path, name, label
):
    export = awkward(["plain", f"a{label}b"])

    with pytest.raises(DataError, match=re.escape(repr(label))) as error:
        written(export, name)
    assert error.value.where.startswith("sample ")
    assert list(tmp_path.iterdir()) == []

    rows = lines(written(export, "jsonl") / "train.jsonl")
    assert {said("jsonl", row)[1] for row in rows} == {"plain", f"a{label}b"}


@pytest.mark.parametrize("name", TRAINERS)
def test_nothing_of_the_test_split_goes_to_a_trainer(export, written, name):
    out = written(export, name)

    tested = export.prepared.rows("test")
    held = {tested[k]["uid"] for k in range(len(tested))}
    everything = "".join(path.read_text(encoding="utf-8") for path in out.iterdir() if path.is_file())
    assert held
    assert not [uid for uid in held if uid in everything]
    shown = {row for split in ("train", "validation") for row in export.prepared.rows(split)["image"]}
    names = {int(path.stem) for path in out.glob("images/*/*.png")}
    assert names == shown
    assert names < set(range(len(export.prepared.images)))


@pytest.mark.parametrize("name", list(FORMATS))
def test_two_exports_of_the_same_data_are_the_same_files(export, tmp_path, name):
    def digests(out):
        make_export(export, load_format(name), out)
        files = (path for path in out.rglob("*") if path.is_file())
        return {path.relative_to(out): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    assert digests(tmp_path / "one" / "same") == digests(tmp_path / "two" / "same")


def test_a_line_of_plain_jsonl_says_what_scoring_elsewhere_needs(export, written):
    out = written(export, "jsonl")

    rows = {row["uid"]: row for row in lines(out / "test.jsonl")}
    item = next(item for item in export.prepared.items("test") if item.task.name == "lesion_size")
    row, spacing = rows[item.uid], item.sample.spacing
    assert len(rows) == len(export.prepared.rows("test"))
    assert (row["split"], row["part"], row["task"], row["unit"]) == ("test", "Lesions, in mm", "lesion_size", "mm")
    assert row["subject"] == item.sample.subject
    assert row["spacing"] == {"y": spacing.y, "x": spacing.x}
    assert row["size"] == {"h": item.sample.size.h, "w": item.sample.size.w}
    assert row["truth"] == item.sample.truth
    assert row["view"]["size"] == {"h": item.view.size.h, "w": item.view.size.w}
    parts = json.loads((out / "medft_export.json").read_text())["parts"]
    assert parts[0]["task_options"] == {"positive": ["grade 1"]}


def test_llamafactory_finds_its_data_its_template_and_does_not_scale_pictures(export, written):
    out = written(export, "llamafactory")

    info = json.loads((out / "dataset_info.json").read_text())
    train = yaml.safe_load((out / "train.yaml").read_text())
    assert {name: one["file_name"] for name, one in info.items()} == {
        "medft_train": "train.jsonl",
        "medft_validation": "validation.jsonl",
    }
    assert info["medft_train"]["formatting"] == "sharegpt"
    assert (train["dataset"], train["eval_dataset"]) == ("medft_train", "medft_validation")
    assert (train["template"], train["model_name_or_path"]) == ("qwen2_vl", export.config.model.name)
    areas = [
        item.sample.size.h * item.sample.size.w for k in ("train", "validation") for item in export.prepared.items(k)
    ]
    assert train["image_min_pixels"] <= min(areas)
    assert max(areas) <= train["image_max_pixels"]


def test_llamafactory_is_refused_a_budget_of_pixels_that_it_cannot_be_told(folder, written):
    export = export_of(config_of(folder, [part("g", "classification", {}, {"kind": "textures"})], "qwen2_5_vl"))
    model = export.config.model.model_copy(update={"max_pixels": 3000})
    changed = replace(export, config=export.config.model_copy(update={"model": model}))

    with pytest.raises(ConfigError, match="budget of pixels") as error:
        written(changed, "llamafactory")
    assert "model.max_pixels" in error.value.where


def test_llamafactory_is_refused_pictures_that_it_would_stretch(awkward, written):
    with pytest.raises(DataError, match="20 x 56 px, which LLaMA-Factory would stretch"):
        written(awkward(["a", "b"], size=(20, 56)), "llamafactory")


def options(path):
    """Words of the command in a script, as the shell would hand them over."""
    words = shlex.split(path.read_text(encoding="utf-8").split("\n\n", 1)[1].replace("\\\n", " "), comments=True)
    found = dict(pairwise(words))
    return {key.removeprefix("--"): value for key, value in found.items() if key.startswith("--")}


def test_the_budget_of_pixels_goes_along_with_every_row_for_ms_swift_and_as_options_to_qwen(folder, written, tmp_path):
    mix = [part("g", "classification", {}, {"kind": "textures"})]
    model = {"name": config_of(folder, mix).model.name, "min_pixels": 1024, "max_pixels": 3072}
    export = export_of(config_of(folder, mix, model=model))

    rows = lines(written(export, "ms-swift") / "train.jsonl")
    words = options(written(export, "qwen") / "train.sh")

    assert rows
    assert all(row["chat_template_kwargs"] == {"min_pixels": 1024, "max_pixels": 3072} for row in rows)
    assert (words["min_pixels"], words["max_pixels"]) == ("1024", "3072")
    (readme,) = tmp_path.glob("qwen/README.md")
    assert "`qwen2.5` must be in it" in readme.read_text(encoding="utf-8")


def test_the_window_holds_the_longest_row(export, written):
    train = yaml.safe_load((written(export, "llamafactory") / "train.yaml").read_text())
    words = options(written(export, "qwen") / "train.sh")

    items = [item for split in ("train", "validation") for item in export.prepared.items(split)]
    longest = max(item.view.image_tokens + len((item.prompt_text + item.answer_text).encode()) for item in items)
    assert longest < train["cutoff_len"] < longest + 400
    assert words["model_max_length"] == str(train["cutoff_len"])


def test_gemma_has_one_size_and_no_budget(folder, written):
    mix = [part("g", "classification", {}, {"kind": "textures"})]
    export = export_of(config_of(folder, mix, "gemma3"))

    swift = written(export, "ms-swift")

    assert "chat_template_kwargs" not in lines(swift / "train.jsonl")[0]
    assert options(swift / "train.sh")["model_type"] == "gemma3_vision"
    size = export.family.size
    assert f"{size.h} x {size.w} pixels, whatever the picture" in (swift / "README.md").read_text(encoding="utf-8")
    with pytest.raises(ConfigError, match="'gemma3' is not known"):
        written(export, "qwen")


@pytest.mark.parametrize("name", TRAINERS)
def test_a_model_name_with_spaces_and_quotes_stays_one_word(export, written, name):
    model = export.config.model.model_copy(update={"name": "/a model/it's; rm -rf $HOME"})
    out = written(replace(export, config=export.config.model_copy(update={"model": model})), name)

    if name == "llamafactory":
        assert yaml.safe_load((out / "train.yaml").read_text())["model_name_or_path"] == model.name
    else:
        assert options(out / "train.sh")["model" if name == "ms-swift" else "model_name_or_path"] == model.name
