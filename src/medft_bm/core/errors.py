"""Errors a user can act on: what happened, where, and how to fix it."""

from __future__ import annotations

INSTALL = 'pip install "medft_bm[train]"'
"""What to do about a missing package of the optional ones."""


class MedftError(Exception):
    """Base of every error this library raises on purpose.

    Args:
        what: one sentence with the offending value in it.
        where: file, sample uid or config key the value came from.
        fix: what the user can do about it.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions with keyword-only arguments do not survive the trip back from a worker process by themselves.
        return _rebuild, (type(self), self.what, self.where, self.fix)

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.fix:
            lines.append(f"  fix: {self.fix}")
        return "\n".join(lines)


def _rebuild(kind: type[MedftError], what: str, where: str, fix: str) -> MedftError:
    return kind(what, where=where, fix=fix)


class ConfigError(MedftError):
    """The configuration, a task name or an option is wrong."""

    exit_code = 2


class DependencyError(MedftError):
    """An optional package is needed and not installed."""

    exit_code = 3


class DataError(MedftError):
    """A file, header, mask or annotation cannot be used."""

    exit_code = 4


class GeometryError(DataError):
    """A size, spacing, affine or coordinate is impossible."""
