"""An export while it is made: rows stream through it and leave their pictures behind."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from medft_bm.core.types import Split
from medft_bm.export.base import Export, Facts, Format, Row
from medft_bm.export.pictures import Pictures
from medft_bm.prepare.codec import load_view
from medft_bm.prepare.dataset import ROWS_AT_ONCE
from medft_bm.progress import progress


@dataclass
class Extent:
    """The largest of everything that was written.

    Attributes:
        pixels: of a picture, before any processor.
        tokens: for the image and the text of a row. A byte of text is at most one token of Gemma's and Qwen's.
    """

    pixels: int = 1
    tokens: int = 0

    def add(self, row: Row) -> None:
        """Look at one more row."""
        view = load_view(row.view)
        before = view.from_slice.src
        self.pixels = max(self.pixels, before.h * before.w)
        text = len(row.prompt.encode()) + len(row.answer.encode())
        self.tokens = max(self.tokens, view.image_tokens + text)


@dataclass(frozen=True)
class Draft:
    """What a format writes into.

    Attributes:
        folder: fill this; it becomes the export when all is written.
        name: of the finished folder.
        export: what is exported.
        format: that writes it.
        pictures: of the export.
        rows: written so far, by file.
        extent: of everything written so far.
    """

    folder: Path
    name: str
    export: Export
    format: Format
    pictures: Pictures
    rows: Counter[str] = field(default_factory=Counter)
    extent: Extent = field(default_factory=Extent)

    @classmethod
    def of(cls, folder: Path, name: str, export: Export, how: Format) -> Draft:
        """An empty one."""
        images = export.prepared.images
        return cls(folder, name, export, how, Pictures(folder, images, np.zeros(len(images), np.bool_)))

    def read(self, split: Split, part: int | None = None) -> Iterator[Row]:
        """The rows of a split in their order, or those of one part; their pictures are written on the way.

        Raises:
            DataError: a text that the format cannot hold.
        """
        table = self.export.prepared.rows(split)
        if part is not None:
            table = table.select(np.flatnonzero(np.asarray(table["part"]) == part))
        for row in progress(self._rows(table), f"exporting {split}", len(table)):
            self.format.require_holds(row)
            self.extent.add(row)
            yield row

    def write_lines(self, split: Split, line: Callable[[Row], Facts]) -> None:
        """Write ``SPLIT.jsonl`` with one object a row; an empty split gives no file.

        JSON is written in ASCII, because some readers open it in whatever encoding their machine prefers.
        """
        if not len(self.export.prepared.rows(split)):
            return
        name = f"{split}.jsonl"
        with (self.folder / name).open("w", encoding="ascii", newline="\n") as file:
            for row in self.read(split):
                file.write(json.dumps(line(row)) + "\n")
                self.rows[name] += 1

    def write(self, name: str, text: str) -> None:
        """Write a text file."""
        (self.folder / name).write_text(text, encoding="utf-8")

    def _rows(self, table: Any) -> Iterator[Row]:
        for batch in table.iter(ROWS_AT_ONCE):
            paths = self.pictures.paths(batch["image"])
            yield from (_row(batch, index, path) for index, path in enumerate(paths))


def _row(batch: dict[str, list[Any]], index: int, image: str) -> Row:
    return Row(
        uid=batch["uid"][index],
        part=batch["part"][index],
        prompt=batch["prompt"][index][0]["content"],
        answer=batch["completion"][index][0]["content"],
        subject=batch["subject"][index],
        image=image,
        sample=batch["sample"][index],
        view=batch["view"][index],
    )
