"""What an export is made from, and what a format is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from medft_bm.config.schema import Config
from medft_bm.core.errors import ConfigError, DataError
from medft_bm.core.types import Split
from medft_bm.models.base import ModelFamily
from medft_bm.models.cells import Cells
from medft_bm.prepare.dataset import Prepared

if TYPE_CHECKING:
    from medft_bm.export.draft import Draft

Facts: TypeAlias = dict[str, Any]
"""A JSON object."""


@dataclass(frozen=True)
class Export:
    """What is exported.

    Attributes:
        prepared: the rows, made for ``family``.
        family: whose views the prompts state.
        config: names the model and how we would train it.
    """

    prepared: Prepared
    family: ModelFamily
    config: Config

    @property
    def cells(self) -> Cells | None:
        """The rule by which the family resizes images; ``None`` where every image gets one fixed size, or unknown."""
        return getattr(self.family, "cells", None)


@dataclass(frozen=True)
class Row:
    """One question as formats take it.

    Attributes:
        uid: of the sample.
        part: index in the mix.
        prompt: the question.
        answer: the reference answer.
        subject: hidden name of the patient.
        image: POSIX path of the picture, from the folder of the export.
        sample: JSON text (see :func:`~medft_bm.prepare.codec.load_sample`).
        view: JSON text (see :func:`~medft_bm.prepare.codec.load_view`).
    """

    uid: str
    part: int
    prompt: str
    answer: str
    subject: str
    image: str
    sample: str
    view: str


@dataclass(frozen=True)
class Format:
    """One way to write an export.

    Attributes:
        name: as given to ``--format``.
        reader: the program that reads it, for messages.
        needs: the split without which it is of no use; ``None`` where any will do.
        write: fills a draft.
        families: model families by our names, and what the reader calls them; ``None`` where any will do.
        reserved: texts that the reader takes for something else than words.
        strips: whether the reader drops white space around a prompt.
    """

    name: str
    reader: str
    needs: Split | None
    write: Callable[[Draft], None]
    families: Mapping[str, str] | None = None
    reserved: tuple[str, ...] = ()
    strips: bool = False

    def require(self, export: Export) -> None:
        """Whether there is anything to export, for a model that the reader knows.

        Raises:
            ConfigError: a model family that the reader is not known to show images to as our views say.
            DataError: the split that it needs is empty.
        """
        family = export.family.name
        if self.families is not None and family not in self.families:
            raise ConfigError(
                f"how {self.reader} resizes images for the model family {family!r} is not known, "
                "so the pixel sizes in the prompts may be wrong there",
                where="model.name",
                fix=f"choose a model of {', '.join(sorted(self.families))}, or --format jsonl",
            )
        if self.needs is not None and not len(export.prepared.rows(self.needs)):
            raise DataError(
                f"there is no {self.needs} sample, and nothing else goes to {self.reader}",
                where=str(export.prepared.folder),
                fix="change data.split or data.limit, or export with --format jsonl",
            )

    def require_holds(self, row: Row) -> None:
        """Whether the reader would see exactly this text.

        Raises:
            DataError: it would take some of it for something else, or drop it.
        """
        found = [mark for mark in self.reserved if mark in row.prompt or mark in row.answer]
        if found:
            raise DataError(
                f"question or answer holds {found[0]!r}, which {self.reader} does not take for words",
                where=f"sample {row.uid}",
                fix="rename the label it comes from, or export with --format jsonl, which holds any text",
            )
        if self.strips and row.prompt != row.prompt.strip():
            raise DataError(
                f"the question begins or ends with white space, which {self.reader} drops",
                where=f"sample {row.uid}",
                fix="take it out of the task's wording, or export with --format jsonl, which holds any text",
            )
