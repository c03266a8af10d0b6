"""``medft prepare --verify``: what is printed, written and returned."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest


@pytest.fixture
def config(cohort) -> Path:
    """A mix without a model, as it is before one is chosen."""
    path = cohort.folder / "mix.yaml"
    facts = {"data": json.loads(cohort.data().model_dump_json()), "prepare": {"workers": 1}}
    path.write_text(json.dumps(facts))
    return path


def test_the_command_needs_no_model_and_says_all_is_well(medft, config):
    done = medft("prepare", config, "--verify")

    assert (done.code, done.out.splitlines()[-1]) == (0, "0 errors, 0 warnings, 0 notes in 4 unit(s) of 1 part(s)")
    assert done.out.splitlines()[1].split() == ["organs", "nifti_masks", "4", "4", "16", "32", "0"]


def test_the_command_prints_a_line_per_finding_and_fails_on_errors(medft, config, cohort):
    (cohort.raw / "P1" / "image.nii.gz").write_bytes(b"nothing")
    shutil.copytree(cohort.raw / "P0", cohort.raw / "P0 again")

    done = medft("prepare", config, "--verify")

    assert done.code == 4
    error, warning = (line for line in done.out.splitlines() if "fix: " in line)
    assert error.startswith("error:   organs: P1/image.nii.gz: the NIfTI file is truncated or damaged")
    assert error.endswith("; fix: download or copy the file again")
    assert warning.startswith("warning: organs: P0 again/image.nii.gz: the same pixels")
    assert done.out.splitlines()[-1] == "1 error, 1 warning, 0 notes in 5 unit(s) of 1 part(s)"


def test_many_findings_of_a_kind_are_cut_on_the_terminal_and_whole_in_the_report(medft, config, cohort):
    for number in range(23):
        shutil.copytree(cohort.raw / "P0", cohort.raw / f"P1 {number:02d}")
        (cohort.raw / f"P1 {number:02d}" / "image.nii.gz").write_bytes(bytes([number]) * number)
    file = cohort.folder / "report.json"

    done = medft("prepare", config, "--verify", "--report", file)

    assert done.out.count("error: ") == 20
    assert "and 3 more like these; --json and --report have all" in done.out
    report = json.loads(file.read_text())
    assert report["counts"]["error"] == len(report["findings"]) == 23
    assert not report["ok"]
    assert report["fingerprint"]["parts"][0]["units_with_errors"] == 23
    assert json.loads(medft("prepare", config, "--verify", "--json").out) == report


def test_a_report_that_cannot_be_written_or_has_nothing_to_say_is_one_message(medft, config, tmp_path):
    lost = medft("prepare", config, "--verify", "--report", tmp_path / "gone" / "report.json")
    assert (lost.code, "the report cannot be written" in lost.err) == (2, True)
    alone = medft("prepare", config, "--report", tmp_path / "report.json")
    assert (alone.code, "--report goes with --verify" in alone.err) == (2, True)
