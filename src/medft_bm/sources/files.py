"""What the file-based sources share: listing files in a fixed order, and reading subject and tags off a path."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from medft_bm.core.errors import ConfigError, DataError

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".dcm", ".dicom")
_SET_BY_US = ("label", "plane")


def existing_root(root: Path) -> Path:
    """The root, if it is a folder.

    Raises:
        DataError: it is not.
    """
    if not root.is_dir():
        fix = "check data.root and the part's root"
        raise DataError("the root of the data is not a folder", where=str(root), fix=fix)
    return root


def matching(root: Path, pattern: str) -> list[str]:
    """POSIX paths relative to ``root`` that match a glob, sorted, without hidden files.

    Raises:
        DataError: no root, or nothing matches.
    """
    paths = [path.relative_to(root) for path in existing_root(root).glob(pattern)]
    found = sorted(path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts))
    if not found:
        raise DataError(f"no file matches {pattern!r}", where=str(root), fix="check the root and the pattern")
    return found


def stored_in(volume: Path) -> list[Path]:
    """The files that a volume consists of: a folder's, or a file and what its MetaImage header points at."""
    if volume.is_dir():
        return sorted(volume.iterdir())
    if not volume.exists():
        return []
    if volume.suffix.lower() != ".mhd":
        return [volume]
    named = re.findall(r"(?m)^ElementDataFile\s*=\s*(\S+)", volume.read_text(encoding="latin-1"))
    beside = [volume.with_name(name) for name in named if PurePosixPath(name).name == name]
    return [volume, *(path for path in beside if path.is_file())]


def stem(relative: str) -> str:
    """File name without its suffix, ``.nii.gz`` counting as one: ``a/b.c.nii.gz`` gives ``b.c``."""
    path = PurePosixPath(relative)
    return PurePosixPath(path.stem).stem if path.suffix == ".gz" else path.stem


def checked_pattern(option: str, pattern: str, where: str) -> None:
    """Refuse a glob that would look outside the root.

    Raises:
        ConfigError: with the pattern.
    """
    path = PurePosixPath(pattern)
    if path.is_absolute() or not path.parts or ".." in path.parts:
        raise ConfigError(
            f"{option}: {pattern!r} does not stay under the root", where=where, fix="for example 'imagesTr/*.nii.gz'"
        )


def checked_regex(pattern: str, where: str, option: str = "subject") -> None:
    """Refuse a pattern that does not compile or has not exactly one group; no pattern at all is fine.

    Raises:
        ConfigError: with the option and the reason.
    """
    fix = r"for example '(STS_\d+)/'"
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        what = f"{option}: {pattern!r} is not a regular expression: {error}"
        raise ConfigError(what, where=where, fix=fix) from error
    if pattern and groups != 1:
        raise ConfigError(f"{option}: {pattern!r} has {groups} groups, one is needed", where=where, fix=fix)


def subject_of(pattern: str, relative: str, otherwise: str) -> str:
    """Subject in a relative path: the group of the pattern, or ``otherwise`` when there is no pattern.

    Raises:
        DataError: the pattern does not match.
    """
    fix = "change the option `subject` so that its group holds the patient in every path"
    return _group(pattern, relative, "subject", fix) if pattern else otherwise


def checked_tags(tags: Mapping[str, str], where: str, option: str = "tags") -> None:
    """Refuse tags without a name or a value, and those that the library sets itself.

    Raises:
        ConfigError: with the tag.
    """
    for tag, value in tags.items():
        if not tag or not value:
            fix = "for example {site: …}"
            raise ConfigError(f"{option}: a tag needs a name and a value, got {tag!r}", where=where, fix=fix)
        if tag in _SET_BY_US:
            fix = "choose another name"
            raise ConfigError(f"{option}: the tag {tag!r} is set by the library", where=where, fix=fix)


def checked_tag_patterns(tags: Mapping[str, str], where: str) -> None:
    """Refuse tags as :func:`checked_tags`, and patterns as :func:`checked_regex`.

    Raises:
        ConfigError: with the tag.
    """
    checked_tags(tags, where)
    for tag, pattern in tags.items():
        checked_regex(pattern, where, f"tags: {tag}")


def tags_of(tags: Mapping[str, str], relative: str) -> dict[str, str]:
    """Tag to what the group of its pattern finds in a relative path.

    Raises:
        DataError: a pattern does not match.
    """
    fix = "change the option `tags` so that every pattern matches every path"
    return {tag: _group(pattern, relative, tag, fix) for tag, pattern in tags.items()}


def _group(pattern: str, relative: str, what: str, fix: str) -> str:
    match = re.search(pattern, relative)
    if match is None or not match.group(1):
        raise DataError(f"no {what} in the path: {pattern!r} does not match", where=relative, fix=fix)
    return match.group(1)


def filled(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags that say something."""
    return {key: value for key, value in tags.items() if value}
