"""The list of keys and the resolved config."""

from __future__ import annotations

import yaml

from medft_bm.config.keys import config_keys
from medft_bm.config.load import load_config
from medft_bm.config.schema import Config
from medft_bm.config.show import resolved_yaml

ODD = [
    "model.revision=1e5",
    "data.salt=null and void: yes # no",
    "train.sft={adam_epsilon: 1e-8, note: '0123', when: 2024-01-01}",
    "data.mix.0.source_options.labels.2=é: ☃",
    "run.folder=true",
]


def test_the_resolved_config_loads_again_as_itself(load, tmp_path):
    loaded = load("train: {lr: 3e-5}\n", ODD, {"MEDFT_RUN__SEED": "9"})
    path = tmp_path / "config.yaml"

    path.write_text(resolved_yaml(loaded), encoding="utf-8")

    assert load_config(path, [], {}).config == loaded.config


def test_the_resolved_config_says_where_each_value_was_written(load):
    lines = resolved_yaml(load("train: {lr: 3e-5}\n", ["lora.rank=7"], {"MEDFT_RUN__SEED": "9"})).splitlines()

    assert "  lr: 3.0e-05  # mine.yaml" in lines
    assert "  rank: 7  # 'lora.rank=7'" in lines
    assert "  seed: 9  # MEDFT_RUN__SEED" in lines
    assert "  alpha: 32" in lines


def test_the_resolved_config_holds_every_key(load):
    written = yaml.safe_load(resolved_yaml(load()))

    for key in (key.key for key in config_keys() if ".N." not in key.key):
        value = written
        for step in key.split("."):
            value = value[step]


def test_every_key_has_a_type_and_help_that_ends_like_a_sentence():
    keys = config_keys()

    assert len({key.key for key in keys}) == len(keys)
    assert [key.key for key in keys if not key.help.endswith(".")] == []
    assert [key.key for key in keys if not key.type or "typing" in key.type] == []


def test_the_keys_are_those_that_the_schema_accepts(load):
    config = load().config.model_dump()

    for key in config_keys():
        value = config
        for step in key.key.split("."):
            value = value[0 if step == "N" else step]


def test_the_required_keys_are_known():
    required = {key.key for key in config_keys() if key.required}

    assert required == {"data.mix", "data.mix.N.task", "data.mix.N.source", "model.name"}
    assert Config.model_fields["data"].is_required()
