"""Weights are known by their bytes, and a merged model by the adapter in it for as long as it is what was merged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from medft_bm.models.content import ABOUT, MERGE_REPORT, digest_of, weights_in


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    return filled(tmp_path / "adapter", "adapter_model.safetensors")


@pytest.fixture
def merged(tmp_path: Path, adapter: Path) -> Path:
    folder = filled(tmp_path / "merged", "model.safetensors")
    made = {"dtype": "float32", "adapter": digest_of(adapter), "model": digest_of(folder)}
    (folder / MERGE_REPORT).write_text(json.dumps(made))
    return folder


def filled(folder: Path, weights: str) -> Path:
    folder.mkdir()
    (folder / weights).write_bytes(bytes(range(256)) * 9)
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    return folder


def test_every_byte_and_every_name_counts_and_the_place_does_not(adapter, tmp_path):
    digest = digest_of(adapter)
    moved = shutil.copytree(adapter, tmp_path / "elsewhere")
    assert digest_of(moved) == digest
    content = (moved / "adapter_model.safetensors").read_bytes()
    (moved / "adapter_model.safetensors").write_bytes(content[:-1] + b"x")
    assert digest_of(moved) != digest
    (adapter / "chat_template.jinja").rename(adapter / "chat_template.txt")
    assert digest_of(adapter) != digest


def test_what_is_said_of_a_model_is_no_part_of_it(merged):
    digest = digest_of(merged)
    for name in ABOUT:
        (merged / name).write_text("something else")
    assert digest_of(merged) == digest


def test_a_merged_model_speaks_for_its_adapter_as_long_as_nothing_in_it_changes(adapter, merged):
    (of_adapter,) = weights_in(adapter)
    assert weights_in(merged) == [digest_of(merged), of_adapter]
    assert weights_in(merged, digest_of(merged)) == weights_in(merged)
    (merged / "chat_template.jinja").write_text("{{ something else }}")
    assert weights_in(merged) == [digest_of(merged)]


@pytest.mark.parametrize("report", ["", "[]", "null", "{}", '{"model": "0"}', "\udcff"])
def test_a_merge_report_that_says_nothing_of_it_leaves_the_model_by_itself(merged, report):
    (merged / MERGE_REPORT).write_bytes(report.encode("utf-8", "surrogateescape"))
    assert weights_in(merged) == [digest_of(merged)]
