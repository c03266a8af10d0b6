"""Every text inside the files that leave: lines, heads of weights, text columns of tables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medft_bm.core.errors import DataError

VOCABULARY = frozenset(
    ("tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt", "added_tokens.json", "special_tokens_map.json")
)
"""Files of the base's tokenizer: lists of all words, names among them."""
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")
_LONGEST_HEAD = 100 << 20


@dataclass(frozen=True)
class Text:
    """A text, and where it stands.

    Attributes:
        content: the text.
        where: for messages.
        lines: its lines can be found by their numbers.
    """

    content: str
    where: str
    lines: bool = False


@dataclass(frozen=True)
class Column:
    """The distinct texts that a batch of a table holds in one column.

    Attributes:
        values: of type ``pyarrow.StringArray``, or of its large sibling.
        where: for messages.
    """

    values: Any
    where: str


def texts_of(path: Path, name: str) -> Iterator[Text | Column]:
    """Everything in a file that can be read as text.

    Raises:
        DataError: a table or weights that cannot be read.
    """
    try:
        if path.suffix == ".safetensors":
            yield Text(plain(safetensors_head(path)), f"the head of {name}")
        elif path.suffix in (".arrow", ".parquet"):
            yield from _table_texts(path, name)
        else:
            yield Text(plain(path.read_text(encoding="utf-8", errors="replace")), name, lines=True)
    except (OSError, ValueError) as error:
        raise DataError(f"the file cannot be read: {error}", where=name, fix="make it again") from error


def plain(text: str) -> str:
    """Text in which what JSON escapes, letters and quotes, is written as people read it."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text).replace('\\"', '"')


def safetensors_head(path: Path) -> str:
    """The JSON at the start of a safetensors file: names, shapes and metadata.

    Raises:
        ValueError: the file is not one.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= _LONGEST_HEAD:
            raise ValueError("this is no safetensors file")
        head = file.read(length).decode("utf-8")
    json.loads(head)
    return head


def _table_texts(path: Path, name: str) -> Iterator[Text | Column]:
    """Every column of text, in batches; and the metadata of the schema."""
    schema, batches = _opened(path)
    for key, value in (schema.metadata or {}).items():
        yield Text(f"{key.decode(errors='replace')} {value.decode(errors='replace')}", f"the schema of {name}")
    for batch in batches:
        for column, values in zip(schema.names, batch.columns, strict=True):
            for strings in _strings(values):
                distinct = strings.unique().drop_null()
                distinct.validate(full=True)  # or texts that are no UTF-8 would stop whoever reads them
                yield Column(distinct, f"column {column} of {name}")


def _opened(path: Path) -> tuple[Any, Iterator[Any]]:
    import pyarrow
    import pyarrow.parquet

    if path.suffix == ".parquet":
        table = pyarrow.parquet.ParquetFile(path)
        return table.schema_arrow, table.iter_batches()
    stream = pyarrow.ipc.open_stream(pyarrow.memory_map(str(path)))
    return stream.schema, iter(stream)


def _strings(values: Any) -> Iterator[Any]:
    """The arrays of text inside a column, however deep; bytes of images are not text."""
    import pyarrow

    kind = values.type
    if pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind):
        yield values
    elif pyarrow.types.is_dictionary(kind):
        yield from _strings(values.dictionary)
    elif isinstance(values, pyarrow.ExtensionArray):
        yield from _strings(values.storage)
    elif pyarrow.types.is_struct(kind):
        for child in values.flatten():
            yield from _strings(child)
    elif pyarrow.types.is_list(kind) or pyarrow.types.is_large_list(kind):
        yield from _strings(values.flatten())
