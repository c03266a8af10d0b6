"""The one place that writes Arrow files, through the writer of ``datasets``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medft_bm.core.errors import INSTALL, DependencyError

if TYPE_CHECKING:
    import datasets


def hf_datasets() -> Any:
    """The package ``datasets``, imported when first needed.

    Raises:
        DependencyError: it is not installed.
    """
    try:
        import datasets
    except ImportError as error:
        raise DependencyError(
            f"preparing data needs the package 'datasets': {error}", where="import datasets", fix=INSTALL
        ) from error
    datasets.disable_progress_bars()
    return datasets


@contextmanager
def writer(path: Path, features: datasets.Features) -> Iterator[Callable[[dict[str, Any]], int]]:
    """A function that appends a row to a new Arrow file, a batch at a time, and returns 1 for counting."""
    hf_datasets()
    from datasets.arrow_writer import ArrowWriter

    with ArrowWriter(path=str(path), features=features, writer_batch_size=256) as arrow:

        def write(row: dict[str, Any]) -> int:
            arrow.write(row)
            return 1

        yield write
        arrow.finalize()


@contextmanager
def image_writer(path: Path) -> Iterator[Callable[[bytes], int]]:
    """Append encoded images to a new Arrow file with one column ``image``."""
    hf = hf_datasets()
    with writer(path, hf.Features({"image": hf.Image()})) as write:
        yield lambda encoded: write({"image": {"bytes": encoded, "path": None}})
