"""What is wrong is told at once, left out on request, and stands in nobody's way afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from .broken import CONFIG, DATA, PACKAGE
from .conftest import refused, truncate


def test_every_typo_of_a_config_is_told_at_once_by_every_verb(medft, bench):
    bench.volume()
    bench.ask_volumes(labelz={1: "liver"})
    bench.parts[0]["task"] = "detektion"
    bench.sections = {"train": {"lrr": 1, "epochs": "many"}}
    config = bench.config()
    for verb in ("prepare", "train", "evaluate", "merge"):
        done = medft(verb, config, "evaluate.limit=0")
        refused(done, CONFIG, "medft: 5 problem(s) in the config")
        for problem in (
            "train.lrr: unknown key; did you mean 'lr'? (from mine.yaml)",
            "train.epochs: ",
            "evaluate.limit: 0 leaves nothing to ask; use at least 1, or -1 for all (from 'evaluate.limit=0')",
            "data.mix.0.task: unknown task 'detektion'; did you mean 'detection'? (from mine.yaml)",
            "data.mix.0.source_options.labelz: unknown option; did you mean 'labels'? (from mine.yaml)",
        ):
            assert problem in done.err
    assert not bench.run.exists()
    assert not bench.cache.exists()


def test_a_limit_larger_than_the_data_uses_all_and_says_so(medft, bench):
    bench.volume()
    bench.ask_volumes()

    done = medft("prepare", bench.config(), "data.limit.train=50", "--json")

    assert done.code == 0, done.err
    assert "the limit is 50 and there are 3 samples; using all" in done.err
    assert [row["samples"] for row in json.loads(done.out)["summary"]] == [3]


def test_an_empty_mask_among_others_is_left_out_and_counted(medft, bench):
    bench.volume("p1")
    bench.volume("p2", mask=np.zeros((6, 11, 13), np.uint8))
    bench.ask_volumes()

    done = medft("prepare", bench.config())

    assert done.code == 0, done.err
    assert "detection/nifti_masks: left out 1: empty mask" in done.out


@pytest.mark.parametrize("which", ["image", "mask"])
def test_a_truncated_file_is_left_out_on_request_and_named(medft, bench, which):
    bench.volume("p1")
    bench.volume("p2")
    bench.ask_volumes()
    truncate(bench.raw / f"p2_{which}.nii.gz")

    done = medft("prepare", bench.config(), "data.on_error=skip", "--json")

    assert done.code == 0, done.err
    assert f"p2_{which}.nii.gz" in done.err
    assert "truncated or damaged" in done.err
    made = json.loads(done.out)
    assert sum(row["samples"] for row in made["summary"]) == 3
    assert "p2" not in (Path(made["folder"]) / "manifest.json").read_text()


def test_a_first_failure_leaves_nothing_that_a_second_try_could_trip_over(medft, bench):
    bench.volume()
    bench.ask_volumes()
    whole = (bench.raw / "p1_image.nii.gz").read_bytes()
    truncate(bench.raw / "p1_image.nii.gz")
    assert medft("prepare", bench.config()).code == DATA
    (bench.raw / "p1_image.nii.gz").write_bytes(whole)

    done = medft("prepare", bench.config())

    assert done.code == 0, done.err
    assert len(bench.entries()) == 2


def test_a_split_file_that_disappears_is_not_replaced_by_an_older_cache_entry(medft, bench):
    bench.volume()
    bench.ask_volumes()
    config = bench.config()
    assert medft("prepare", config).code == 0

    refused(medft("prepare", config, f"data.split.file={bench.folder}/gone.json"), CONFIG, "gone.json")


# What the import system sees of a package that is not installed.
WITHOUT = """\
import sys
sys.modules[{package!r}] = None
from medft_bm.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def apart(*words: object, code: str = "") -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    start = ["-c", code] if code else ["-m", "medft_bm.cli.main"]
    return subprocess.run(
        [sys.executable, *start, *map(str, words)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=False,
    )


@pytest.mark.parametrize("package", ["datasets", "torch"])
def test_a_missing_package_is_named_with_the_way_to_install_it(bench, tiny, package):
    bench.model = tiny
    bench.ask_phantoms(subjects=2)
    verb = ("evaluate", "--model", "base") if package == "torch" else ("prepare",)

    done = apart(*verb, bench.config(), code=WITHOUT.format(package=package))

    assert done.returncode == PACKAGE, done.stderr
    assert package in done.stderr
    assert 'pip install "medft_bm[train]"' in done.stderr
    assert "Traceback" not in done.stderr
    assert not [name for name in bench.entries() if name.endswith("draft")]


def test_a_missing_engine_is_named_with_the_way_to_install_it(bench):
    bench.ask_phantoms(subjects=2)

    done = apart("prepare", bench.config(), "prepare.engine=ray", code=WITHOUT.format(package="ray"))

    assert done.returncode == PACKAGE, done.stderr
    assert "prepare.engine=ray needs the package 'ray'" in done.stderr
    assert "pip install ray" in done.stderr
    assert "Traceback" not in done.stderr
    assert bench.entries() == []


def test_the_installed_command_ends_with_the_same_code_and_message(bench):
    bench.volume()
    bench.ask_volumes()
    truncate(bench.raw / "p1_image.nii.gz")

    done = apart("prepare", bench.config())

    assert done.returncode == DATA
    assert "medft: the NIfTI file is truncated or damaged" in done.stderr
    assert "Traceback" not in done.stderr
