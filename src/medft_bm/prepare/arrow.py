"""The one place that writes Arrow files, with the schema that ``datasets`` expects of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medft_bm.core.errors import INSTALL, DependencyError

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


def open_images(folder: Path) -> datasets.Dataset:
    """The images of every ``*.arrow`` file in a folder, memory-mapped, in the order of the names."""
    hf = hf_datasets()
    files = sorted(folder.glob("*.arrow"))
    return hf.concatenate_datasets([hf.Dataset.from_file(str(file)) for file in files])
