"""Second stage, per model family: samples become text rows; the images are shared, not copied."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from medft_bm.config.schema import Data
from medft_bm.core.errors import DataError
from medft_bm.core.geometry import Size, Spacing
from medft_bm.core.types import SPLITS, View
from medft_bm.models.base import ModelFamily
from medft_bm.prepare.arrow import batch_writer, hf_datasets
from medft_bm.prepare.cache import cached, read_manifest
from medft_bm.prepare.codec import dump_view, load_sample
from medft_bm.prepare.engine import Engine
from medft_bm.prepare.samples import prepare_samples
from medft_bm.prepare.stored import CARD, IMAGES, link_all, read_samples, sample_ranges
from medft_bm.progress import progress
from medft_bm.tasks import load_task
from medft_bm.tasks.base import Task

CHUNK = 1 << 20
"""Bytes of samples that become one record batch."""
WORTH_PROCESSES = 16 * CHUNK
COPIED = ("parts", "summary", "samples", "images", "subjects", "skipped", "findings")
"""What the manifest repeats of the samples', so that a prepared folder speaks for itself."""


def features() -> Any:
    """Columns of a prepared dataset; all text and numbers, so that it opens anywhere."""
    hf = hf_datasets()
    text, number = hf.Value("string"), hf.Value("int64")
    messages = hf.List({"role": text, "content": text})
    return hf.Features(
        {
            "uid": text,
            "part": number,
            "image": number,
            "subject": text,
            "prompt": messages,
            "completion": messages,
            "sample": text,
            "view": text,
        }
    )


@dataclass(frozen=True)
class Job:
    """A piece of ``samples.jsonl`` to turn into rows.

    Attributes:
        samples: the cache entry.
        start: first byte.
        end: byte after the last.
        tasks: by part.
        family: that the text is for.
        schema: Arrow schema of a row.
    """

    samples: Path
    start: int
    end: int
    tasks: tuple[Task, ...]
    family: ModelFamily
    schema: Any


def prepare_rows(data: Data, family: ModelFamily, engine: Engine) -> Path:
    """The cache entry that holds a ``DatasetDict`` for this family, with the folder ``images`` beside it."""
    samples = prepare_samples(data, engine)
    facts = rows_facts(samples.name, family)
    return cached(data.cache, "prepared", facts, lambda folder: _build(folder, samples, data, family, engine))


def rows_facts(samples: str, family: ModelFamily) -> dict[str, Any]:
    """Everything that can change a byte of what :func:`prepare_rows` makes of an entry of samples."""
    named = [family.name, family.version, family.coordinates, asdict(family)]  # type: ignore[call-overload]
    return {"samples": samples, "family": named}


def _build(folder: Path, samples: Path, data: Data, family: ModelFamily, engine: Engine) -> Mapping[str, Any]:
    hf = hf_datasets()
    about = read_manifest(samples)
    tasks = tuple(load_task(part.task, part.task_options) for part in data.mix)
    schema = features().arrow_schema
    pieces = list(sample_ranges(samples, about["ranges"], CHUNK))
    jobs = [Job(samples, start, end, tasks, family, schema) for _, start, end in pieces]
    large = sum(job.end - job.start for job in jobs) > WORTH_PROCESSES
    made = progress(engine.map(row_batch, jobs, large=large), "writing questions", len(jobs))
    tables = {}
    for split in SPLITS:  # an empty table cannot be opened again (datasets 5.2), so an empty split is left out
        path = folder / f"{split}.arrow"
        count = sum(piece == split for piece, *_ in pieces)
        if count:
            with batch_writer(path, schema) as write:
                for _ in range(count):
                    write(next(made))
            tables[split] = hf.Dataset.from_file(str(path))
    for _ in made:
        pass
    hf.DatasetDict(tables).save_to_disk(str(folder))
    for split in SPLITS:
        (folder / f"{split}.arrow").unlink(missing_ok=True)
    link_all(sorted((samples / IMAGES).iterdir()), folder / IMAGES)
    for name in ("split.json", CARD):
        shutil.copyfile(samples / name, folder / name)
    return {name: about[name] for name in COPIED}


def row_batch(job: Job) -> bytes:
    """The rows of a piece, as a serialized Arrow record batch."""
    import pyarrow as pa

    columns: dict[str, list[Any]] = {name: [] for name in job.schema.names}
    for part, image, text in read_samples(job.samples, job.start, job.end):
        sample = load_sample(text)
        view, view_text = _view(job.family, sample.source, sample.size, sample.spacing)  # type: ignore[arg-type]
        task = job.tasks[part]
        columns["uid"].append(sample.uid)
        columns["part"].append(part)
        columns["image"].append(image)
        columns["subject"].append(sample.subject)
        columns["prompt"].append([{"role": "user", "content": task.prompt(sample, view)}])
        columns["completion"].append([{"role": "assistant", "content": task.answer(sample, view)}])
        columns["sample"].append(text)
        columns["view"].append(view_text)
    arrays = [pa.array(columns[field.name], field.type) for field in job.schema]
    serialized: bytes = pa.record_batch(arrays, schema=job.schema).serialize().to_pybytes()
    return serialized


@lru_cache(maxsize=4096)
def _view(family: ModelFamily, source: str, size: Size, spacing: Spacing | None) -> tuple[View, str]:
    try:
        view = family.view(size, spacing)
    except DataError as error:
        raise DataError(error.what, where=f"part {source}, model family {family.name}", fix=error.fix) from error
    return view, dump_view(view)


def empty_rows() -> Any:
    """A table with the right columns and no row."""
    columns = features()
    return hf_datasets().Dataset.from_dict({name: [] for name in columns}, features=columns)
