"""Help, errors and exit codes."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest

from medft_bm.cli import config, prepare
from medft_bm.core.errors import DataError

VERBS = [
    "prepare", "inspect", "train", "evaluate", "compare", "merge",
    "tasks", "models", "sources", "config keys", "config check", "doctor",
]  # fmt: skip
HEAVY = {"torch", "transformers", "trl", "peft", "datasets", "SimpleITK", "scipy", "pydantic", "yaml"}


@pytest.mark.parametrize("arguments", ["--help", *(f"{verb} --help" for verb in VERBS)])
def test_help_imports_nothing_heavy(arguments):
    """Stands for the promise of half a second, which a busy machine could not be held to."""
    script = (
        "import sys; from medft_bm.cli.main import main\n"
        f"try: main({arguments.split()!r})\nexcept SystemExit: pass\n"
        f"print('heavy:', sorted({HEAVY!r} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "heavy: []"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_shows_an_example_of_itself(medft, verb):
    done = medft(*verb.split(), "--help")

    assert done.code == 0
    assert f"example:\n  medft {verb}" in done.out


def test_no_verb_shows_the_help_and_is_a_mistake(medft):
    done = medft()

    assert done.code == 2
    assert "evaluate" in done.out


def test_words_may_stand_before_and_after_an_option(medft, tmp_path):
    folder = tmp_path / "run"

    done = medft("evaluate", "tasks/demo.yaml", "lora.rnak=1", "--model", "base", f"run.folder={folder}", "trainn.lr=1")

    assert done.code == 2
    assert "lora.rnak: unknown key; did you mean 'rank'? (from 'lora.rnak=1')" in done.err
    assert "trainn: unknown key; did you mean 'train'? (from 'trainn.lr=1')" in done.err
    assert not folder.exists()


@pytest.mark.parametrize("line", ["train tasks/demo.yaml --fast", "tasks extra", "nonsense"])
def test_an_argument_that_does_not_exist_is_exit_code_2(medft, line):
    assert medft(*line.split()).code == 2


def test_an_error_is_what_where_and_fix_without_a_traceback(medft, tmp_path):
    done = medft("prepare", tmp_path / "none.yaml")

    assert done.code == 2
    assert done.out == ""
    assert done.err.splitlines() == [
        "medft: there is no such config file",
        f"  where: {tmp_path / 'none.yaml'}",
        "  fix: the shipped ones are in tasks/",
    ]


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (DataError("bad voxel", where="x.nii"), 4, "medft: bad voxel\n  where: x.nii\n"),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), 3, 'fix: pip install "medft_bm[train]"'),
        (ModuleNotFoundError("no", name="medft_bm.gone"), 1, "unexpected ModuleNotFoundError"),
        (KeyboardInterrupt(), 130, "medft: interrupted"),
        (ZeroDivisionError("by\nzero"), 1, "medft: unexpected ZeroDivisionError: by zero\n  fix: MEDFT_DEBUG=1"),
    ],
)
def test_every_failure_has_its_exit_code_and_one_message(medft, monkeypatch, raised, code, said):
    def fail(_):
        raise raised

    monkeypatch.setattr(config, "run_keys", fail)

    done = medft("config", "keys")

    assert done.code == code
    assert said in done.err
    assert "Traceback" not in done.err


def test_the_debug_variable_shows_the_traceback_and_keeps_the_exit_code(medft, monkeypatch):
    def fail(_):
        raise DataError("bad voxel")

    monkeypatch.setattr(prepare, "run", fail)
    monkeypatch.setenv("MEDFT_DEBUG", "1")

    done = medft("prepare", "tasks/demo.yaml")

    assert done.code == 4
    assert "Traceback" in done.err


def test_a_reader_that_stops_early_sees_no_traceback():
    command = f"{sys.executable} -m medft_bm.cli.main config keys | head -n 1"

    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, env=dict(os.environ), check=True)

    assert done.stdout.startswith("key")
    assert done.stderr == ""


def test_what_deepspeed_says_goes_where_messages_go(medft, capsys):
    medft("config", "check", "tasks/demo.yaml")
    theirs = logging.getLogger("DeepSpeed")
    handler = logging.StreamHandler(sys.stdout)  # as deepspeed/utils/logging.py sets it up
    theirs.addHandler(handler)
    try:
        theirs.warning("Setting accelerator to CPU. If you have a GPU, we were unable to detect it.")
        theirs.warning("the batch size changed")
    finally:
        theirs.removeHandler(handler)

    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "the batch size changed\n"


def test_nothing_is_reported_to_the_hub(repository):
    code = (
        "from medft_bm.cli.main import main; main(['config', 'check', 'tasks/demo.yaml'])\n"
        "from huggingface_hub import constants; print(constants.HF_HUB_DISABLE_TELEMETRY)"
    )
    environ = {name: value for name, value in os.environ.items() if not name.endswith("DISABLE_TELEMETRY")}

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environ, cwd=repository)

    assert done.stdout.splitlines()[-1:] == ["True"], done.stderr
