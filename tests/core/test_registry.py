from __future__ import annotations

import sys

import pytest

from medft_bm.core.errors import ConfigError
from medft_bm.core.registry import Registry, did_you_mean


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder on the path in which a test can install a distribution with entry points."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(package: str, code: str, *entries: str) -> None:
        (tmp_path / f"{package}.py").write_text(code)
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[test.colours]\n" + "\n".join(entries) + "\n")

    yield install
    for name in ("red_pack", "blue_pack"):
        sys.modules.pop(name, None)


COLOURS: Registry[type] = Registry("colour", "test.colours", {"green": "fractions:Fraction", "grey": "fractions:Gone"})


def test_a_builtin_is_imported_when_it_is_asked_for():
    from fractions import Fraction

    assert COLOURS.get("green") is Fraction


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(ConfigError, match="unknown colour 'gren'; did you mean 'green'"):
        COLOURS.get("gren")
    with pytest.raises(ConfigError, match="known: green, grey"):
        COLOURS.get("xyzzy")


def test_another_package_adds_a_name(site):
    site("red_pack", "class Red: pass", "red = red_pack:Red")
    assert COLOURS.names() == ["green", "grey", "red"]
    assert COLOURS.get("red").__name__ == "Red"


def test_two_packages_with_one_name_are_both_named(site):
    site("red_pack", "class Red: pass", "red = red_pack:Red")
    site("blue_pack", "class Blue: pass", "red = blue_pack:Blue")
    with pytest.raises(ConfigError, match="2 packages register the colour 'red'") as caught:
        COLOURS.get("red")
    assert "red_pack:Red" in caught.value.what
    assert "blue_pack:Blue" in caught.value.what


def test_a_plug_in_may_not_replace_a_builtin(site):
    site("red_pack", "class Red: pass", "green = red_pack:Red")
    with pytest.raises(ConfigError, match="2 packages register"):
        COLOURS.get("green")


def test_a_plug_in_that_fails_to_import_shows_its_own_error(site):
    site("red_pack", "import a_library_nobody_has", "red = red_pack:Red")
    with pytest.raises(ConfigError, match="a_library_nobody_has"):
        COLOURS.get("red")
    with pytest.raises(ConfigError, match="Gone"):
        COLOURS.get("grey")


def test_a_suggestion_without_candidates_is_silent():
    assert did_you_mean("x", []) == ""
