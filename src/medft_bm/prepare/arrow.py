"""The one place that writes and opens Arrow files, with the schema that ``datasets`` expects of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medft_bm.core.errors import INSTALL, DataError, DependencyError

if TYPE_CHECKING:
    import datasets

IMAGES_PER_BATCH = 64


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


def columns(rows: datasets.Dataset, *names: str) -> Any:
    """Some columns as an Arrow table, memory-mapped; row by row a million of them take minutes to read."""
    return rows.select_columns(list(names)).with_format("arrow")[:]


def first_contents(messages: Any) -> list[str]:
    """The text of the first message of every row, from an Arrow column of lists of messages."""
    from pyarrow import compute

    texts: list[str] = compute.struct_field(compute.list_element(messages, 0), "content").to_pylist()
    return texts


@contextmanager
def batch_writer(path: Path, schema: Any) -> Iterator[Callable[[bytes], None]]:
    """A function that appends a serialized record batch to a new Arrow file."""
    import pyarrow as pa

    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as stream:
        yield lambda batch: stream.write_batch(pa.ipc.read_record_batch(pa.py_buffer(batch), schema))


@contextmanager
def image_writer(path: Path) -> Iterator[Callable[[Sequence[bytes]], None]]:
    """A function that appends encoded images to a new Arrow file with one column ``image``."""
    import pyarrow as pa

    hf = hf_datasets()
    schema = hf.Features({"image": hf.Image()}).arrow_schema
    waiting: list[bytes] = []

    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as stream:

        def flush(least: int) -> None:
            while len(waiting) >= least:
                encoded = pa.array(waiting[:IMAGES_PER_BATCH], pa.binary())
                del waiting[:IMAGES_PER_BATCH]
                paths = pa.nulls(len(encoded), pa.string())
                column = pa.StructArray.from_arrays([encoded, paths], names=["bytes", "path"])
                stream.write_batch(pa.record_batch([column], schema=schema))

        def write(encoded: Sequence[bytes]) -> None:
            waiting.extend(encoded)
            flush(IMAGES_PER_BATCH)

        yield write
        flush(1)


def open_rows(folder: Path, count: int) -> datasets.DatasetDict:
    """Every split of a ``DatasetDict``, memory-mapped.

    Args:
        folder: that :meth:`~datasets.DatasetDict.save_to_disk` wrote.
        count: of all rows that were written.

    Raises:
        DataError: files are damaged, or rows are missing.
    """
    hf = hf_datasets()
    with _undamaged(folder):
        tables = hf.load_from_disk(str(folder))
        _require(sum(map(len, tables.values())), count)
    return tables


def open_images(folder: Path, count: int) -> datasets.Dataset:
    """The images of every ``*.arrow`` file in a folder, memory-mapped, in the order of the names.

    Args:
        folder: of the files.
        count: of all images that were written.

    Raises:
        DataError: files are damaged, or images are missing.
    """
    hf = hf_datasets()
    with _undamaged(folder):
        images = hf.concatenate_datasets([hf.Dataset.from_file(str(file)) for file in sorted(folder.glob("*.arrow"))])
        _require(len(images), count)
    return images


def _require(found: int, count: int) -> None:
    """Where a file goes on with zeros, as after a power failure, it is read up to there and no error is seen."""
    if found < count:
        raise ValueError(f"{found} of {count} rows are left")


@contextmanager
def _undamaged(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # as one of which Arrow and JSON say what they cannot read
        raise DataError(
            f"prepared data is damaged: {error}",
            where=str(folder),
            fix="copy it again; in a cache, remove the folders `prepared` and `samples`, which share files, "
            "and run `medft prepare`",
        ) from error
