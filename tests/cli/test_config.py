"""``medft config keys`` and ``medft config check``."""

from __future__ import annotations

import json

import pytest

MODEL = "model.name=somewhere/model"


def test_the_list_of_keys_is_aligned(medft):
    lines = medft("config", "keys").out.splitlines()

    column = lines[0].index("help")
    assert all(line[column - 2 : column] == "  " and line[column] != " " for line in lines)


def test_the_keys_as_json_have_types_defaults_and_help(medft):
    keys = {key["key"]: key for key in json.loads(medft("config", "keys", "--json").out)}

    assert keys["train.lr"]["default"] == 2e-4
    assert keys["train.method"]["type"] == "lora | qlora | full"
    assert keys["model.name"]["required"]
    assert keys["run.folder"]["default"] == "runs/latest"


@pytest.mark.parametrize("name", ["demo.yaml", "real_samples.yaml"])
def test_every_shipped_mix_is_valid(medft, name):
    done = medft("config", "check", f"tasks/{name}", MODEL)

    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("OK: ")


def test_no_mix_is_shipped_without_being_checked_here(repository):
    assert {path.name for path in (repository / "tasks").glob("*.yaml")} == {"demo.yaml", "real_samples.yaml"}


def test_wrong_keys_tasks_sources_and_options_are_reported_together(medft, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "data:\n"
        "  mix:\n"
        "    - {task: detektion, source: phantom, source_options: {kind: volumes}}\n"
        "    - {task: detection, source: phantom, source_options: {kynd: volumes}}\n"
        "    - {task: detection, source: dicoms, task_options: {components: all}, name: third}\n"
        "train: {lrr: 1}\n",
        encoding="utf-8",
    )

    done = medft("config", "check", path, MODEL)

    assert done.code == 2
    lines = done.err.splitlines()
    assert lines[0] == "medft: 6 problem(s) in the config"
    assert "  train.lrr: unknown key; did you mean 'lr'? (from mine.yaml)" in lines
    assert "  data.mix.0.task: unknown task 'detektion'; did you mean 'detection'? (from mine.yaml)" in lines
    assert "  data.mix.1.source_options.kynd: unknown option; did you mean 'kind'? (from mine.yaml)" in lines
    assert "  data.mix.1.source_options.kind: Field required" in lines
    assert any(line.startswith("  data.mix.2.source: unknown source 'dicoms'; known: breakhis") for line in lines)
    assert any(line.startswith("  data.mix.2.task_options.components: Input should be") for line in lines)


def test_problems_as_json_keep_the_exit_code(medft):
    done = medft("config", "check", "tasks/demo.yaml", "trainn.lr=1", "--json")

    assert done.code == 2
    assert json.loads(done.out)["problems"] == ["trainn: unknown key; did you mean 'train'? (from 'trainn.lr=1')"]


def test_one_part_of_a_mix_that_shares_its_options_through_an_anchor_can_be_changed_alone(medft):
    done = medft(
        "config", "check", "tasks/real_samples.yaml", MODEL, "data.mix.3.source_options.window=nonsense", "--json"
    )

    (problem,) = json.loads(done.out)["problems"]
    assert problem.startswith("data.mix.3.source_options.window: ")
