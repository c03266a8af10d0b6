"""Second stage, per model family: samples become text rows; the images are shared, not copied."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medft_bm.config.schema import Data
from medft_bm.core.errors import DataError
from medft_bm.core.types import SPLITS, Sample, Split, View
from medft_bm.models.base import ModelFamily
from medft_bm.prepare.arrow import hf_datasets, writer
from medft_bm.prepare.cache import cached, read_manifest
from medft_bm.prepare.codec import dump, load_sample
from medft_bm.prepare.samples import prepare_samples, read_samples
from medft_bm.tasks import load_task
from medft_bm.tasks.base import Task


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


def prepare_rows(data: Data, family: ModelFamily) -> Path:
    """The cache entry that holds a ``DatasetDict`` for this family, with ``images.arrow`` beside it."""
    samples = prepare_samples(data)
    facts = {
        "samples": samples.name,
        "family": [family.name, family.version, family.coordinates, asdict(family)],  # type: ignore[call-overload]
    }
    return cached(data.cache, "prepared", facts, lambda folder: _build(folder, samples, data, family))


def _build(folder: Path, samples: Path, data: Data, family: ModelFamily) -> Mapping[str, Any]:
    hf = hf_datasets()
    parts = [
        {"name": part.name, "task": part.task, "task_options": part.task_options, "source": part.source}
        for part in data.mix
    ]
    tasks = [load_task(part.task, part.task_options) for part in data.mix]
    tables = {}
    for split in SPLITS:
        path = folder / f"{split}.arrow"
        with writer(path, features()) as write:
            count = sum(write(row) for row in _rows(samples, split, tasks, family))
        if count:  # an empty table cannot be opened again (datasets 5.2), so an empty split is left out
            tables[split] = hf.Dataset.from_file(str(path))
    hf.DatasetDict(tables).save_to_disk(str(folder))
    for split in SPLITS:
        (folder / f"{split}.arrow").unlink(missing_ok=True)
    _link(samples / "images.arrow", folder / "images.arrow")
    shutil.copyfile(samples / "split.json", folder / "split.json")
    about = read_manifest(samples)
    return {"parts": parts, **{key: about[key] for key in ("samples", "images", "subjects", "skipped")}}


def _rows(samples: Path, split: Split, tasks: Sequence[Task], family: ModelFamily) -> Iterator[dict[str, Any]]:
    for part, image, text in read_samples(samples):
        sample = load_sample(text)
        if sample.split != split:
            continue
        view = _view(family, sample)
        yield {
            "uid": sample.uid,
            "part": part,
            "image": image,
            "subject": sample.subject,
            "prompt": [{"role": "user", "content": tasks[part].prompt(sample, view)}],
            "completion": [{"role": "assistant", "content": tasks[part].answer(sample, view)}],
            "sample": text,
            "view": dump(view),
        }


def _view(family: ModelFamily, sample: Sample) -> View:
    try:
        return family.view(sample.size, sample.spacing)
    except DataError as error:
        raise DataError(error.what, where=f"part {sample.source}, model family {family.name}", fix=error.fix) from error


def empty_rows() -> Any:
    """A table with the right columns and no row."""
    columns = features()
    return hf_datasets().Dataset.from_dict({name: [] for name in columns}, features=columns)


def _link(source: Path, target: Path) -> None:
    """One copy on disk where the file system allows it, a second one where it does not."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
