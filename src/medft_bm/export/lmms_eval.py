"""lmms-eval: a folder of tasks, one per part of the mix, over the test rows; scored by our own code.

Formats as its 0.7.3 reads them (``api/task.py``, ``utils.py``).
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, overload

import numpy as np
import yaml

from medft_bm.core.types import Metric, Sample
from medft_bm.export.base import Facts, Format
from medft_bm.export.draft import Draft
from medft_bm.export.scoring import shown
from medft_bm.export.wording import readme
from medft_bm.prepare.dataset import Item, Items, PartInfo, Prepared
from medft_bm.tasks.base import Answered, ClosedSet, Pooled, Pools

COLUMNS = ("uid", "image", "prompt", "answer", "sample", "view")
ROWS_PER_GROUP = 1000
TAG = "medft"
"""All tasks of an export together."""
CLASSES = {"gemma3", "qwen2_5_vl", "qwen3_vl"}
"""Model families that lmms-eval calls as we do."""

BODY = """
In an environment with lmms-eval and medft_bm, from any folder:

```
lmms-eval --include_path THIS-FOLDER --tasks medft {model}
```

`medft` is all tasks; `--tasks {task}` is one of them. Pictures and rows are read from here. Questions, reading of the
replies and scores are those of `medft evaluate`: the numbers are the same for the same replies. Metrics that need the
probabilities of answers are left out, because lmms-eval does not hand them over. What else may differ between the two
is in `docs/export.md` of medft_bm.
"""
UTILS = '''"""Scored by medft_bm; see README.md."""

from pathlib import Path

from medft_bm.export.scoring import mean, pooled, results, visual  # noqa: F401

FOLDER = Path(__file__).parent


def doc_to_visual(doc):
    return visual(doc, FOLDER)
'''


class Function(str):
    """A function of ``utils.py``, in YAML ``!function utils.name``."""


class _Dumper(yaml.SafeDumper):
    """Writes :class:`Function`."""


_Dumper.add_representer(Function, lambda dumper, name: dumper.represent_scalar("!function", f"utils.{name}"))


@dataclass(frozen=True)
class Samples(Sequence[Sample]):
    """The samples of items, read when asked for."""

    items: Items

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> list[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | list[Sample]:
        """One sample, or a list of them."""
        if isinstance(index, slice):
            return [item.sample for item in self.items[index]]
        return self.items[index].sample

    def __iter__(self) -> Iterator[Sample]:
        return (item.sample for item in self.items)


def write(draft: Draft) -> None:
    """Per part a table and a task; ``utils.py``, README."""
    prepared = draft.export.prepared
    names: list[str] = []
    for part, info in enumerate(prepared.parts):
        items = part_items(prepared, part)
        if len(items):
            names.append(task_name(info.name, names))
            metrics = pooled_metrics(items)
            task = {
                "name": info.task.name,
                "options": prepared.manifest["parts"][part]["task_options"],
                "pooled": [one.name for one in metrics],
                "fitted": draft.export.cells is not None,
            }
            _write_table(draft, f"{names[-1]}.parquet", part, json.dumps(task))
            text = yaml.dump(_task(draft, info, names[-1], metrics), Dumper=_Dumper, sort_keys=False)
            draft.write(f"{names[-1]}.yaml", text)
    draft.write("utils.py", UTILS)
    body = BODY.format(model=_model(draft), task=names[0])
    draft.write("README.md", readme(draft, "Questions about medical images, for lmms-eval", body, _seen(draft)))


def part_items(prepared: Prepared, part: int) -> Items:
    """The test rows of one part."""
    rows = prepared.rows("test")
    return Items(rows.select(np.flatnonzero(np.asarray(rows["part"]) == part)), prepared.images, prepared.parts)


def pooled_metrics(items: Items) -> list[Metric]:
    """Metrics over all samples that replies alone can give."""
    task = items[0].task
    if not isinstance(task, Pools):
        return []
    return [one.metric for one in task.pooled(Samples(items)) if not _needs_probabilities(one, items[0])]


def _needs_probabilities(metric: Pooled, item: Item) -> bool:
    if not isinstance(item.task, ClosedSet):
        return False
    answered = Answered(item.sample, item.task.score(item.sample, item.view, item.answer_text))
    classes = len(item.task.candidates(item.sample, item.view))
    likely = replace(answered, probabilities=[1 / classes] * classes)
    return metric.row(answered) is None and metric.row(likely) is not None


def task_name(part: str, taken: Sequence[str]) -> str:
    """A name for lmms-eval and for files, of its own for every part."""
    name = f"{TAG}_{re.sub(r'[^a-z0-9]+', '_', part.lower()).strip('_')}"
    return name if name not in taken else f"{name}_{len(taken)}"


def _write_table(draft: Draft, name: str, part: int, task: str) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(column, pa.string()) for column in (*COLUMNS, "task")])
    rows = draft.read("test", part)
    with pq.ParquetWriter(draft.folder / name, schema) as writer:
        while group := list(islice(rows, ROWS_PER_GROUP)):
            facts = [{**{column: getattr(row, column) for column in COLUMNS}, "task": task} for row in group]
            writer.write_table(pa.Table.from_pylist(facts, schema=schema))
            draft.rows[name] += len(group)


def _task(draft: Draft, info: PartInfo, name: str, metrics: Sequence[Metric]) -> Facts:
    listed = [(metric, "mean") for metric in info.task.metrics] + [(metric, "pooled") for metric in metrics]
    return {
        "task": name,
        "task_alias": info.name,
        "tag": TAG,
        "dataset_path": "parquet",
        "dataset_kwargs": {"data_files": {"test": f"{name}.parquet"}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_visual": Function("doc_to_visual"),
        "doc_to_text": "prompt",
        "doc_to_target": "answer",
        "process_results": Function("results"),
        "generation_kwargs": {
            "max_new_tokens": draft.export.config.evaluate.max_new_tokens,
            "temperature": 0,
            "do_sample": False,
        },
        "metric_list": [
            {
                "metric": shown(metric.name),
                "aggregation": Function(how),
                "higher_is_better": metric.higher_is_better,
            }
            for metric, how in listed
        ],
        "cluster_key": "subject",
        "metadata": {"version": info.task.version, "unit": info.task.unit},
    }


def _model(draft: Draft) -> str:
    config, cells, family = draft.export.config, draft.export.cells, draft.export.family.name
    given: dict[str, Any] = {"pretrained": config.model.name}
    if cells is not None:
        given |= {"min_pixels": cells.min_pixels, "max_pixels": cells.max_pixels}
    arguments = ",".join(f"{name}={value}" for name, value in given.items())
    return f"--model {family if family in CLASSES else 'MODEL'} --model_args {shlex.quote(arguments)}"


def _seen(draft: Draft) -> str:
    if draft.export.cells is None:
        return "Check that the model class of lmms-eval resizes so too."
    return (
        "The tasks hand every picture over in that size, because some classes of lmms-eval resize by limits of their "
        "own; the `--model_args` above keep the others from doing so."
    )


FORMAT = Format(name="lmms-eval", reader="lmms-eval", needs="test", write=write)
