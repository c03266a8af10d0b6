"""Precedence, values, and every problem at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from medft_bm.config.load import check_config, load_config
from medft_bm.core.errors import ConfigError

BAD = """\
data:
  mix:
    - {task: detection, source: nifti_masks, taskk: 3}
  split: {test: -1}
train:
  epochs: two
  lrr: 1
  lr: 0.1
  lr: 0.2
model: {dtype: fp16}
modl: 1
schedule: linear
"""


def problems(path, words=(), environ=None):
    with pytest.raises(ConfigError) as caught:
        load_config(path, words, environ or {})
    assert caught.value.exit_code == 2
    return str(caught.value).splitlines()


def test_a_word_wins_over_a_variable_which_wins_over_the_file(load):
    text = "train: {lr: 0.1, epochs: 3, device_batch: 5}\n"

    loaded = load(text, ["train.lr=0.3"], {"MEDFT_TRAIN__LR": "0.2", "MEDFT_TRAIN__EPOCHS": "4"})

    assert (loaded.config.train.lr, loaded.config.train.epochs, loaded.config.train.device_batch) == (0.3, 4, 5)
    assert loaded.origins["train.lr"] == "'train.lr=0.3'"
    assert loaded.origins["train.epochs"] == "MEDFT_TRAIN__EPOCHS"
    assert loaded.origins["train.device_batch"] == "mine.yaml"
    assert "train.accumulation" not in loaded.origins


def test_a_later_word_wins_over_an_earlier_one(load):
    assert load(words=["run.seed=1", "run.seed=2"]).config.run.seed == 2


def test_every_problem_is_reported_at_once_with_origin_and_suggestion(write):
    lines = problems(write(BAD), ["train.epoch=2", "nonsense", "evaluate.batch=["], {"MEDFT_RUN__SEDE": "1"})

    assert lines[0] == "13 problem(s) in the config"
    assert set(lines[1:-1]) == {
        "  mine.yaml line 9: 'lr' is written twice",
        "  'nonsense': not of the form key=value",
        "  evaluate.batch: not a valid YAML value: expected the node content, but found '<stream end>',"
        " line 1 column 2 (from 'evaluate.batch=[')",
        "  data.mix.0.taskk: unknown key; did you mean 'task'? (from mine.yaml)",
        "  data.split.test: Input should be greater than or equal to 0, got -1 (from mine.yaml)",
        "  model.name: Field required",
        "  model.dtype: fp16 is not supported: activations of Gemma 3 exceed its range and become NaN without an error;"
        " use bfloat16 or float32 (from mine.yaml)",
        "  train.epochs: Input should be a valid number, unable to parse string as a number, got 'two'"
        " (from mine.yaml)",
        "  train.lrr: unknown key; did you mean 'lr'? (from mine.yaml)",
        "  train.epoch: unknown key; did you mean 'epochs'? (from 'train.epoch=2')",
        "  run.sede: unknown key; did you mean 'seed'? (from MEDFT_RUN__SEDE)",
        "  modl: unknown key; did you mean 'model'? (from mine.yaml)",
        "  schedule: unknown key; did you mean 'train.schedule'? (from mine.yaml)",
    }
    assert lines[-1].startswith("  fix: ")


def test_a_missing_section_names_the_keys_it_needs(write):
    lines = problems(write("run: {seed: 3}\n"))

    assert "  data.mix: Field required" in lines
    assert "  model.name: Field required" in lines


def test_a_section_whose_keys_are_all_commented_out_has_its_defaults(load):
    assert load("train:\n  # lr: 1\n").config.train.lr == 2e-4


@pytest.mark.parametrize(
    ("word", "section", "key", "value"),
    [
        ("train.lr=2e-5", "train", "lr", 2e-5),
        ("model.revision=1e5", "model", "revision", "1e5"),
        ("model.revision=0123", "model", "revision", "0123"),
        ("model.revision=null", "model", "revision", None),
        ("model.name=a: b", "model", "name", "a: b"),
        ("train.report_to=wandb", "train", "report_to", ["wandb"]),
        ("train.report_to=[wandb, tensorboard]", "train", "report_to", ["wandb", "tensorboard"]),
        ("train.report_to=none", "train", "report_to", []),
        ("lora.modules_to_save=embed_tokens,lm_head", "lora", "modules_to_save", ["embed_tokens", "lm_head"]),
        ("evaluate.limit=-1", "evaluate", "limit", None),
        ("train.gradient_checkpointing=false", "train", "gradient_checkpointing", False),
        ("train.sft={adam_epsilon: 1e-8}", "train", "sft", {"adam_epsilon": 1e-8}),
        ("train.sft.adam_epsilon=1e-8", "train", "sft", {"adam_epsilon": 1e-8}),
        ("run.folder=runs/a=b", "run", "folder", Path("runs/a=b")),
    ],
)
def test_a_word_means_what_it_says(load, word, section, key, value):
    assert getattr(getattr(load(words=[word]).config, section), key) == value


def test_a_word_reaches_into_a_part_and_keeps_what_it_does_not_name(load):
    loaded = load(words=["data.mix.0.source_options.labels.1=lung", "data.mix.0.task_options.margin=2"])

    part = loaded.config.data.mix[0]
    assert part.source_options == {"labels": {1: "lung"}}
    assert part.task_options == {"margin": 2}
    assert part.source == "nifti_masks"


def test_a_position_that_the_list_does_not_have_is_a_problem(write):
    lines = problems(write("data: {mix: [{task: a, source: b}]}\n"), ["data.mix.3.task=x"])

    assert "  data.mix.3.task: data.mix is a list of 1; use an index from 0 to 0 (from 'data.mix.3.task=x')" in lines


def test_replacing_a_section_by_a_number_says_what_belongs_there(write):
    lines = problems(write("train: 5\n"))

    assert "  train: should be a group of keys, got 5 (from mine.yaml)" in lines


def test_a_limit_of_minus_one_is_all_and_zero_drops(load):
    limit = load(words=["data.limit.train=-1", "data.limit.validation=0", "data.limit.test=7"]).config.data.limit

    assert (limit.train, limit.validation, limit.test) == (None, 0, 7)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("evaluate.limit=0", "0 leaves nothing to ask"),
        ("train.max_steps=0", "max_steps 0 trains nothing"),
        ("data.limit.train=-2", "greater than or equal to -1"),
        ("run.folder=", "a path may not be empty"),
        ("data.split.test=0.95", "leave nothing to train on"),
        ("train.lr=.nan", "finite number"),
        ("train.device_batch=0", "greater than or equal to 1"),
        ("data.mix=[]", "at least 1 item"),
        ("towers.vision.train=some", "'auto', 'frozen', 'lora' or 'full'"),
        ("towers.eyes.train=lora", "known: language, projector, vision"),
        ("model.dtype=float16", "become NaN without an error; use bfloat16 or float32"),
        ("lora.parts=[vision]", "unknown key; use towers.vision.train=lora"),
    ],
)
def test_an_impossible_value_is_refused_with_its_origin(load, word, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load(words=[word])
    assert f"(from {word!r})" in str(caught.value) or "data.split" in word


def test_two_parts_of_one_name_are_refused(write):
    text = "data: {mix: [{task: a, source: b}, {task: a, source: b}]}\nmodel: {name: m}\n"

    assert any("several parts are named 'a/b'; give each its own `name`" in line for line in problems(write(text)))


def test_a_tilde_is_the_home_folder_and_nothing_else_is_expanded(load, monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere/home")

    config = load(words=["data.root=~/scans", "model.name=~/model", "run.folder=${HOME}/x"]).config

    assert config.data.root == Path("/somewhere/home/scans")
    assert config.model.name == "/somewhere/home/model"
    assert config.run.folder == Path("${HOME}/x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "not valid YAML: .*line 1"),
        ("- 1\n- 2\n", "a config is a mapping of sections, got a list"),
        ("!!python/object/apply:os.getcwd []", "not valid YAML: .*constructor"),
    ],
)
def test_a_file_that_is_no_config_is_one_clear_error(write, text, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(write(text), [], {})
    assert "mine.yaml" in caught.value.where


def test_a_file_that_is_not_there_or_not_text_is_one_clear_error(tmp_path):
    with pytest.raises(ConfigError, match="no such config file"):
        load_config(tmp_path / "none.yaml", [], {})
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "binary.yaml", [], {})
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path, [], {})


def test_the_debug_switch_is_not_a_config_key(load):
    assert load(environ={"MEDFT_DEBUG": "1", "PATH": "/bin"}).config.run.seed == 0


def test_the_environment_of_the_process_counts_by_default(write, monkeypatch):
    monkeypatch.setenv("MEDFT_RUN__SEED", "41")

    assert load_config(write("data: {mix: [{task: a, source: b}]}\nmodel: {name: m}\n")).config.run.seed == 41


def test_well_formed_parts_are_known_even_when_the_rest_is_wrong(write):
    text = "data: {mix: [{task: a, source: b}, {source: c}, {task: d, source: e}]}\nnonsense: 1\n"

    checked = check_config(write(text), [], {})

    assert checked.config is None
    assert [(position, part.task) for position, part in checked.parts] == [(0, "a"), (2, "d")]
