"""``medft inspect`` writes one page and says what it saw."""

from __future__ import annotations

import json

import pytest


@pytest.fixture(scope="module")
def mix(phantom_mix):
    return phantom_mix("angle_distance", "heads")


def test_the_page_is_written_into_the_run_folder_and_said(medft, mix):
    done = medft("inspect", mix, "--examples", 3)

    page = mix.parent / "run" / "inspect.html"
    assert done.code == 0
    assert done.out.splitlines()[-1] == str(page)
    assert "no problem in 3 examples" in done.out
    assert page.read_text(encoding="utf-8").count("<article") == 3
    assert [path.name for path in page.parent.iterdir()] == ["inspect.html"]


def test_json_has_the_facts_of_the_split_that_was_asked_for(medft, mix, tmp_path):
    done = medft("inspect", mix, "--json", "--split", "test", "--examples", 0, "--out", tmp_path / "new" / "page.html")

    facts = json.loads(done.out)
    assert done.code == 0
    assert (facts["split"], facts["examples"], facts["problems"]) == ("test", 0, [])
    assert facts["page"] == str(tmp_path / "new" / "page.html")
    assert (tmp_path / "new" / "page.html").is_file()


def test_rows_that_training_would_refuse_are_exit_code_1_and_the_page_is_there(medft, mix, tmp_path, monkeypatch):
    from medft_bm.train.settings import FOR_IMAGES

    monkeypatch.setitem(FOR_IMAGES, "completion_only_loss", False)

    done = medft("inspect", mix, "--examples", 1, "--out", tmp_path / "page.html")

    assert done.code == 1
    assert "problem: an image token carries loss (1 of 1 examples" in done.out
    assert "Do not train on this yet" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("count", [-1, 100000])
def test_a_number_of_examples_that_makes_no_page_is_refused_at_once(medft, mix, count):
    done = medft("inspect", mix, f"--examples={count}")

    assert done.code == 2
    assert "fix: give 0 to 200" in done.err
