"""Versions against the bounds of an installation, and what a config asks for."""

from __future__ import annotations

import sys

import pytest

from medft_bm.config.load import load_config
from medft_bm.doctor.finding import shown, wanted_by, without_folders
from medft_bm.doctor.packages import package_findings


@pytest.fixture
def installation(tmp_path, monkeypatch):
    """Metadata of our own and of other packages, found before the real ones."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(name: str, version: str, *lines: str) -> None:
        folder = tmp_path / f"{name}-{version}.dist-info"
        folder.mkdir()
        head = ["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}"]
        (folder / "METADATA").write_text("\n".join([*head, *lines, ""]))

    install("alpha", "1.5")
    install(
        "medft_bm", "9", "Requires-Python: >=3.11", "Requires-Dist: alpha>=1", "Provides-Extra: train",
        'Requires-Dist: alpha<1.2,>=1; extra == "train"', 'Requires-Dist: gamma>=3; extra == "train"',
        "Provides-Extra: gpu", 'Requires-Dist: delta>=2; extra == "gpu"',
        'Requires-Dist: nowhere; extra == "gpu" and sys_platform == "plan9"',
    )  # fmt: skip
    return install


def by_check(wanted):
    return {one.check: one for one in package_findings(wanted)}


def test_what_is_missing_or_of_a_wrong_version_is_named_with_the_command(installation):
    found = by_check({})

    assert {check: one.state for check, one in found.items()} == {
        "python": "ok", "packages": "ok", "extra train": "warning", "extra gpu": "absent",
    }  # fmt: skip
    assert found["packages"].found == "alpha 1.5"
    assert found["extra train"].found == "alpha 1.5; not installed: gamma; should be alpha<1.2,>=1"
    assert found["extra train"].fix == 'pip install "alpha<1.2,>=1"; pip install "medft_bm[train]"'
    assert found["extra gpu"].found == "not installed: delta"


def test_a_package_that_an_extra_cannot_compile_is_left_to_its_own_line(installation, tmp_path):
    metadata = tmp_path / "medft_bm-9.dist-info" / "METADATA"
    metadata.write_text(f'{metadata.read_text().rstrip()}\nRequires-Dist: flash-attn>=2.8; extra == "gpu"\n')

    missing = by_check({})["extra gpu"]
    assert (missing.found, missing.fix) == ("not installed: delta", 'pip install "delta>=2"')

    installation("delta", "2.1")
    assert by_check({})["extra gpu"].state == "ok"
    installation("flash_attn", "2.0")
    assert by_check({})["extra gpu"].fix == 'pip install "flash-attn>=2.8"'


def test_what_a_config_asks_for_is_a_problem_and_says_which_setting_does(installation):
    found = by_check({"train": "every training", "delta": "train.method=qlora"})

    assert found["extra train"].state == "problem"
    assert "gamma (for every training)" in found["extra train"].found
    assert found["extra gpu"].state == "problem"
    assert found["extra gpu"].found == "not installed: delta (for train.method=qlora)"


def test_a_python_that_is_too_old_is_a_problem(tmp_path, monkeypatch):
    (tmp_path / "medft_bm-9.dist-info").mkdir()
    (tmp_path / "medft_bm-9.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.4\nName: medft_bm\nVersion: 9\nRequires-Python: >=4\nRequires-Dist: epsilon\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))

    found = by_check({})

    assert found["python"].state == "problem"
    assert found["packages"].state == "problem"
    assert found["packages"].fix == 'pip install "medft_bm"'


def test_a_checkout_that_is_not_installed_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(tmp_path)])

    assert [one.state for one in package_findings({})] == ["warning"]


def test_settings_name_the_packages_they_need(repository):
    words = [
        "model.attention=flash_attention_2", "train.method=qlora", "train.strategy=zero2", "train.liger=true",
        "train.report_to=wandb", "prepare.engine=ray", "evaluate.backend=openai", "evaluate.server.url=http://a/v1",
    ]  # fmt: skip

    wanted = wanted_by(load_config(repository / "tasks/demo.yaml", words, environ={}).config)

    assert set(wanted) == {
        "train", "flash-attn", "bitsandbytes", "deepspeed", "liger-kernel", "wandb", "ray", "openai",
    }  # fmt: skip
    assert all(setting.partition("=")[0] in " ".join(words) for name, setting in wanted.items() if name != "train")
    assert set(wanted_by(load_config(repository / "tasks/demo.yaml", environ={}).config)) == {"train"}
    assert wanted_by(None) == {}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("ImportError: /home/jo/v/x.so: undefined symbol", "ImportError: x.so: undefined symbol"),
        ("~/x/y failed", "y failed"),
        ("1/2 of all", "1/2 of all"),
        ("see https://pytorch.org/get-started", "see https://pytorch.org/get-started"),
    ],
)
def test_messages_of_others_lose_their_folders(text, kept):
    assert without_folders(text) == kept


def test_a_path_at_home_is_shown_without_the_name_of_its_owner(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))

    assert shown(tmp_path / "runs") == "~/runs"
    assert shown(tmp_path.parent) == str(tmp_path.parent)
