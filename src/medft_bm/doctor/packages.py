"""Python and packages, against the bounds that this installation states."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, metadata, version
from typing import TYPE_CHECKING

from medft_bm.doctor.finding import Finding, State

if TYPE_CHECKING:
    from packaging.requirements import Requirement

OURS = "medft_bm"
COMPILED = "flash-attn"
"""Its absence has a line of its own: as a member of an extra it fails to build, because pip hides torch from it."""


def installed(package: str) -> str | None:
    """Version of a package; ``None`` when it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def package_findings(wanted: Mapping[str, str]) -> Iterator[Finding]:
    """Python, the packages everything needs, and those of every extra.

    Args:
        wanted: extras and packages to the setting that asks for them.
    """
    try:
        about = metadata(OURS)
    except PackageNotFoundError:
        what = f"{OURS} runs from its source and is not installed: nothing says which versions it needs"
        yield Finding("packages", "warning", what, 'pip install --editable ".[train]"')
        return
    try:
        from packaging.requirements import Requirement
        from packaging.specifiers import SpecifierSet
    except ImportError:
        yield Finding("packages", "problem", "packaging is not installed", f'pip install "{OURS}"')
        return
    bounds = SpecifierSet(about["Requires-Python"])
    right = bounds.contains(platform.python_version(), prereleases=True)
    fix = "" if right else f"make an environment with Python {bounds}"
    yield Finding("python", "ok" if right else "problem", platform.python_version(), fix)
    needed = [Requirement(line) for line in about.get_all("Requires-Dist") or ()]
    plain = [one for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
    yield _finding("packages", f'pip install "{OURS}"', [(str(one.specifier), one.name, OURS) for one in plain])
    for extra in about.get_all("Provides-Extra") or ():
        members = [one for one in needed if one not in plain and one.marker and one.marker.evaluate({"extra": extra})]
        simple = [one for one in members if one.name != COMPILED or installed(COMPILED)]
        asked = [(str(one.specifier), one.name, wanted.get(extra, "") or wanted.get(one.name, "")) for one in simple]
        install = f'pip install "{OURS}[{extra}]"' if simple == members else _one_by_one(simple)
        yield _finding(f"extra {extra}", install, asked)


def _one_by_one(members: Sequence[Requirement]) -> str:
    return "pip install " + " ".join(f'"{one.name}{one.specifier}"' for one in members)


def _finding(check: str, install: str, members: list[tuple[str, str, str]]) -> Finding:
    """One line about packages that belong together.

    Args:
        check: what they are called together.
        install: command that installs them.
        members: bounds, name, and the setting that asks for it or an empty text.
    """
    from packaging.specifiers import SpecifierSet

    found = {name: installed(name) for _, name, _ in members}
    missing = [(name, by) for _, name, by in members if found[name] is None]
    wrong = [
        (f"{name}{bounds}", by)
        for bounds, name, by in members
        if (has := found[name]) is not None and not SpecifierSet(bounds).contains(has, prereleases=True)
    ]
    state: State = "warning" if wrong else "absent" if missing else "ok"
    if any(by for _, by in (*missing, *wrong)):
        state = "problem"
    texts = [", ".join(f"{name} {has}" for name, has in found.items() if has)]
    if missing:
        texts.append("not installed: " + ", ".join(_asked(name, by) for name, by in missing))
    if wrong:
        texts.append("should be " + ", ".join(_asked(bound, by) for bound, by in wrong))
    fix = install if missing else ""
    if wrong:
        fix = "pip install " + " ".join(f'"{bound}"' for bound, _ in wrong) + (f"; {install}" if missing else "")
    return Finding(check, state, "; ".join(filter(None, texts)), fix)


def _asked(what: str, setting: str) -> str:
    return f"{what} (for {setting})" if setting not in ("", OURS) else what
