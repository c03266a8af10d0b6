"""Pictures of the image table as files, each written when it is first needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medft_bm.prepare.arrow import hf_datasets

if TYPE_CHECKING:
    import datasets

PER_FOLDER = 10_000


@dataclass(frozen=True, eq=False)
class Pictures:
    """PNG files, byte for byte as in the image table, named by their row there and by nobody.

    Attributes:
        folder: of the export.
        images: the image table.
        written: by row, whether the file is there.
    """

    folder: Path
    images: datasets.Dataset
    written: NDArray[np.bool_]

    @cached_property
    def _files(self) -> Any:
        return self.images.cast_column("image", hf_datasets().Image(decode=False))

    def paths(self, rows: Sequence[int]) -> list[str]:
        """POSIX paths from the folder of the export; what is not there yet is written."""
        for row in sorted({row for row in rows if not self.written[row]}):
            path = self.folder / name(row)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self._files[row]["image"]["bytes"])
            self.written[row] = True
        return [name(row) for row in rows]


def name(row: int) -> str:
    """Path of a picture from the folder of the export: at most :data:`PER_FOLDER` in one folder."""
    return f"images/{row // PER_FOLDER:03d}/{row:07d}.png"
