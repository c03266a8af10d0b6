"""What a source is and what it promises."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

from medft_bm.core.records import Record, Skip


class Source(Protocol):
    """A reader for one layout of raw data: a frozen dataclass whose fields are the options a user may set.

    Attributes:
        name: as registered.
        summary: one line for ``medft sources``.
        revision: raise it when the same files yield other records; caches rebuild.
        makes_its_data: it needs no folder of raw data to exist.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    revision: ClassVar[int]
    makes_its_data: ClassVar[bool]

    def files(self, root: Path) -> Iterator[Path]:
        """Every file whose content can change what is yielded, in a fixed order; caches watch them."""
        ...

    def units(self, root: Path) -> Sequence[str]:
        """Names of what can be read on its own (a volume, a picture), in an order no file system decides.

        Raises:
            DataError: no root, or nothing in it that fits.
        """
        ...

    def records_of(self, root: Path, unit: str, skip: Skip) -> Iterator[Record]:
        """Every annotated image of one unit.

        Args:
            root: folder that every :class:`~medft_bm.core.types.ImageRef` path is relative to.
            unit: one of :meth:`units`.
            skip: told (what, why) of everything that is left out on purpose.

        Raises:
            DataError: a file is missing, unreadable or contradicts another.
        """
        ...


@runtime_checkable
class Planned(Protocol):
    """A source whose units all stand in one large file: parsed once, not again in every process that reads units."""

    def shares(self, root: Path, units: Sequence[str]) -> Sequence[Any]:
        """What the file says of each unit: small, and sent to the process that reads the unit."""
        ...

    def records_from(self, share: Any, root: Path, unit: str, skip: Skip) -> Iterator[Record]:
        """What :meth:`Source.records_of` yields."""
        ...
