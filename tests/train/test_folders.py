"""A folder appears whole or not at all."""

from __future__ import annotations

import pytest

from medft_bm.train.folders import staged


def test_a_finished_draft_takes_the_place_of_the_old_folder(tmp_path):
    for word in ("old", "new"):
        with staged(tmp_path / "sub" / "model") as draft:
            (draft / word).write_text(word)
    assert [path.name for path in (tmp_path / "sub" / "model").iterdir()] == ["new"]
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["model"]


def test_a_draft_that_fails_leaves_the_old_folder(tmp_path):
    with staged(tmp_path / "model") as draft:
        (draft / "old").touch()
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path / "model")
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def interrupted(folder):
    with staged(folder) as draft:
        (draft / "new").touch()
        raise KeyboardInterrupt
