"""Lazy registries for tasks, models and sources, open to other packages through entry points."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar, cast

from medft_bm.core.errors import ConfigError

T = TypeVar("T")


@dataclass(frozen=True)
class Registry(Generic[T]):
    """Named plug-ins of one kind, imported when first asked for.

    Args:
        kind: singular noun for messages: task, model, source.
        group: entry-point group that other packages register in.
        builtin: name to ``module:attribute``.
    """

    kind: str
    group: str
    builtin: dict[str, str]

    def names(self) -> list[str]:
        """Every registered name, sorted."""
        return sorted({*self.builtin, *(entry.name for entry in self._plugins())})

    def get(self, name: str, where: str = "") -> T:
        """The plug-in of that name.

        Args:
            name: as registered.
            where: what the user wrote it in, for messages.

        Raises:
            ConfigError: unknown name (with the nearest one), two plug-ins of one name, or a plug-in that fails to
                import (with its own error).
        """
        found = [self.builtin[name]] if name in self.builtin else []
        found += [entry.value for entry in self._plugins() if entry.name == name]
        if not found:
            raise ConfigError(
                f"unknown {self.kind} {name!r}{did_you_mean(name, self.names())}",
                where=where,
                fix=f"`medft {self.group.rpartition('.')[2]}` lists them",
            )
        if len(found) > 1:
            raise ConfigError(
                f"{len(found)} packages register the {self.kind} {name!r}: {', '.join(found)}",
                where=where,
                fix="uninstall one of them or rename its entry point",
            )
        return cast(T, self._load(name, found[0]))

    def _load(self, name: str, target: str) -> Any:
        module, _, attribute = target.partition(":")
        try:
            return getattr(import_module(module), attribute)
        except Exception as error:  # a plug-in is code of others, and may fail in any way
            raise ConfigError(
                f"the {self.kind} {name!r} cannot be loaded: {type(error).__name__}: {error}",
                where=target,
                fix="install what it needs, or fix the entry point",
            ) from error

    def _plugins(self) -> Iterable[EntryPoint]:
        return entry_points(group=self.group)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Tail of an error message: the nearest known word, or the list of all."""
    options = sorted(known)
    near = difflib.get_close_matches(word, options, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(options)}" if options else ""
