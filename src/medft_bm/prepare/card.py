"""The dataset card of a prepared folder: what is in it, in words and tables that the Hub shows."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from medft_bm.core.types import SPLITS, Split
from medft_bm.prepare.counts import Counts

MOST_LABELS = 40
"""Labels listed per part; the most frequent ones."""
_SIZES = (("n<1K", 10**3), ("1K<n<10K", 10**4), ("10K<n<100K", 10**5), ("100K<n<1M", 10**6), ("1M<n<10M", 10**7))
_CATEGORIES = {"classification": "image-classification", "detection": "object-detection"}
_ACTIVE = re.compile(r"([\\`*_{}\[\]<>#|~&!$])")

TEXT = """
# Questions about medical images

{samples} questions about {images} images of {subjects} subjects, prepared for supervised fine-tuning by medft_bm.
Every row is a question in `prompt`, its answer in `completion`, and in `sample` and `view` what is needed to score a
reply in millimetres, degrees or pixels of the original image. Column `image` is a row of the table in `images/`, so
that several questions share one picture. The rows open with `datasets.load_from_disk`.

Subjects are called by hashes; `split.json` says in which split each of them is. The licences and the terms of use of
the original images hold for this folder too.

## Questions

{counts}

## Images

Smallest, median and largest over the distinct images of a part; pixel sizes in mm.

{sizes}

## Labels

{labels}

## Tasks and their options

{tasks}

## Left out

{left_out}
"""


def card(manifest: Mapping[str, Any], counts: Sequence[Counts]) -> str:
    """Markdown with the front matter that the Hub reads; it names no subject and no file.

    Args:
        manifest: of the prepared folder (``parts``, ``summary``, ``samples``, ``images``, ``subjects``, ``skipped``).
        counts: of every part.
    """
    parts = manifest["parts"]
    text = TEXT.format(
        **{name: manifest[name] for name in ("samples", "images", "subjects")},
        counts=_table(_columns(manifest["summary"], "part", "task", "split", "samples", "images", "subjects")),
        sizes=_table([_size(part["name"], one) for part, one in zip(parts, counts, strict=True)]),
        labels=_table([row for part, one in zip(parts, counts, strict=True) for row in _labels(part["name"], one)]),
        tasks=_table([_task(part) for part in parts]),
        left_out=_table(_columns(manifest["skipped"], "part", "why", "times")),
    )
    return f"---\n{_front_matter(manifest, counts)}---\n{text}"


def _front_matter(manifest: Mapping[str, Any], counts: Sequence[Counts]) -> str:
    import yaml

    tasks = sorted({part["task"] for part in manifest["parts"]})
    modalities = sorted({name.lower() for one in counts for name in one.modalities if name})
    facts = {
        "language": ["en"],
        "task_categories": [
            "image-text-to-text",
            "visual-question-answering",
            *(_CATEGORIES[task] for task in tasks if task in _CATEGORIES),
        ],
        "size_categories": [next((name for name, below in _SIZES if manifest["samples"] < below), "10M<n<100M")],
        "tags": list(dict.fromkeys(["medical", "medft_bm", *tasks, *modalities])),
    }
    return yaml.safe_dump(facts, sort_keys=False, allow_unicode=True)


def _size(part: str, seen: Counts) -> dict[str, Any]:
    unknown = len(seen.images) - seen.spacings.total()
    return {
        "part": part,
        "images": len(seen.images),
        "height (px)": _spread(seen.sizes, 0),
        "width (px)": _spread(seen.sizes, 1),
        "pixel height (mm)": _spread(seen.spacings, 0),
        "pixel width (mm)": _spread(seen.spacings, 1),
        "without a pixel size": unknown,
        "modality": ", ".join(name for name, _ in seen.modalities.most_common() if name) or "not stated",
    }


def _spread(counts: Counter[tuple[float, float]], axis: int) -> str:
    values = sorted((pair[axis], times) for pair, times in counts.items())
    if not values:
        return "unknown"
    middle, median = (counts.total() + 1) // 2, values[-1][0]
    for value, times in values:
        middle -= times
        if middle <= 0:
            median = value
            break
    return f"{values[0][0]:.4g} / {median:.4g} / {values[-1][0]:.4g}"


def _labels(part: str, seen: Counts) -> Iterator[dict[str, Any]]:
    ordered = sorted(seen.labels.items(), key=lambda item: (-item[1].total(), item[0]))
    for label, counts in ordered[:MOST_LABELS]:
        yield _label(part, label, counts)
    if rest := ordered[MOST_LABELS:]:
        yield _label(part, f"{len(rest)} others", sum((counts for _, counts in rest), Counter()))


def _label(part: str, label: str, counts: Counter[Split]) -> dict[str, Any]:
    times: dict[str, int] = {split: counts[split] for split in SPLITS}
    return {"part": part, "label": label, **times}


def _task(part: Mapping[str, Any]) -> dict[str, str]:
    options = ", ".join(f"{name}: {json.dumps(value)}" for name, value in sorted(part["task_options"].items()))
    return {"part": part["name"], "task": part["task"], "source": part["source"], "options": options or "none"}


def _columns(rows: Iterable[Mapping[str, Any]], *names: str) -> list[dict[str, Any]]:
    return [{name: row[name] for name in names} for row in rows]


def _table(rows: Iterable[Mapping[str, Any]]) -> str:
    rows = list(rows)
    if not rows:
        return "Nothing."
    head = [list(rows[0]), ["---"] * len(rows[0])]
    body = [[escaped(str(value)) for value in row.values()] for row in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (*head, *body))


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _ACTIVE.sub(r"\\\1", " ".join(text.split()))
