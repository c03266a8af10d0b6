"""The published tables of lesion sizes, and of distances and angles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from medft_bm.core.types import Sample
from medft_bm.evaluate.medvision.groups import shown_label
from medft_bm.evaluate.medvision.scores import Gap, gap, true_values
from medft_bm.evaluate.medvision.table import SAMPLE, Answers, Cell, Table, patients, percent, title_of, unknown_labels

NEAR_ZERO = 0.1
"""Later releases leave out distances and angles whose true value is below this, in mm or degrees."""
_TENTHS = (1, 2, 3)
_COLUMNS = ("unit", "n", "patients", "MAE", "MRE %", "SR %", *(f"MRE<0.{tenth} %" for tenth in _TENTHS))
_SETS = {"Ceph-Biometrics-400": "Ceph", "FeTA24": "FeTA"}
_MEANS = (
    "SR and MRE<k are shares of all replies, MAE and MRE means of those that could be read. As published, a mean over "
    "rows weighs each row by all of its replies; where some were not read, a row that weighs what was read follows."
)
_Found: TypeAlias = Sequence[tuple[Sample, Gap | None]]
_Rows: TypeAlias = Mapping[tuple[str, str, str], _Found]


@dataclass(frozen=True)
class Gaps:
    """Means over measurements.

    Attributes:
        n: replies, read or not.
        absolute: mean error in mm or degrees of those that were read; ``None`` when none was.
        relative: mean relative error of those.
        success: share of replies with enough numbers.
        under: share of all replies with a relative error under 0.1, 0.2 and 0.3.
    """

    n: int
    absolute: float | None
    relative: float | None
    success: float
    under: tuple[float, ...]


@dataclass(frozen=True)
class _Form:
    """What one kind of table groups by.

    Attributes:
        title: of the table.
        row: of a sample.
        whole: what the row is part of.
        failed_rows: whether rows of which nothing was read count in the mean of the whole.
        smallest: true values under this are left out of a row of their own.
        notes: of the table.
    """

    title: str
    row: Callable[[Sample], str]
    whole: Callable[[Sample], str]
    failed_rows: bool
    smallest: float
    notes: tuple[str, ...]


def mean_gaps(found: Sequence[Gap | None]) -> Gaps:
    """What measurements come to; ``found`` is not empty."""
    read = [one for one in found if one is not None]
    relative = np.array([one.relative for one in read])
    return Gaps(
        n=len(found),
        absolute=float(np.mean([one.absolute for one in read])) if read else None,
        relative=float(relative.mean()) if read else None,
        success=len(read) / len(found),
        under=tuple(float(np.sum(np.floor(relative * 10) < tenth)) / len(found) for tenth in _TENTHS),
    )


def published_mean(rows: Sequence[Gaps]) -> Gaps:
    """The published mean over rows: each weighs all of its replies, although its errors are of those read.

    A row of which nothing was read has no errors, and keeps its 0 in the other shares; ``rows`` is not empty.
    """
    n = [row.n for row in rows]
    return Gaps(
        n=sum(n),
        absolute=_average([(row.absolute, row.n) for row in rows]),
        relative=_average([(row.relative, row.n) for row in rows]),
        success=float(np.average([row.success for row in rows], weights=n)),
        under=tuple(np.average([row.under for row in rows], axis=0, weights=n).tolist()),
    )


def _average(rows: Sequence[tuple[float | None, int]]) -> float | None:
    known = [(value, n) for value, n in rows if value is not None]
    return sum(value * n for value, n in known) / sum(n for _, n in known) if known else None


def size_tables(scored: Answers) -> list[Table]:
    """Lesion sizes: all labels together, and each."""
    return _tables(scored, _SIZES, unknown_labels(scored))


def measurement_tables(scored: Answers) -> list[Table]:
    """Distances and angles: those of a data set together, and each."""
    return _tables(scored, _MEASUREMENTS, ())


def _tables(scored: Answers, form: _Form, notes: tuple[str, ...]) -> list[Table]:
    rows: dict[tuple[str, str, str], list[tuple[Sample, Gap | None]]] = {}
    for who, of in scored.items():
        for one in of:
            sample = one.item.sample
            found = gap(one.reply.text, true_values(sample))
            rows.setdefault((form.whole(sample), form.row(sample), who), []).append((sample, found))
    wholes = sorted({whole for whole, _, _ in rows})
    means = tuple(row for whole in wholes for who in scored for row in _whole(rows, whole, who, form))
    single = tuple(
        (row, title_of(who), *_cells(rows[whole, row, who]))
        for whole, row in sorted({(whole, row) for whole, row, _ in rows})
        for who in scored
        if (whole, row, who) in rows
    )
    return [
        Table(form.title, ("all of", "model", *_COLUMNS), means, (SAMPLE, _MEANS, *form.notes, *notes)),
        Table(f"{form.title}, each", ("row", "model", *_COLUMNS), single),
    ]


def _whole(rows: _Rows, whole: str, who: str, form: _Form) -> Iterator[tuple[Cell, ...]]:
    """The published mean, and the other readings of it where they differ."""
    mine = [of for (name, _, by), of in rows.items() if (name, by) == (whole, who)]
    every = [one for of in mine for one in of]
    counted = [of for of in mine if form.failed_rows or any(one is not None for _, one in of)]
    if counted:
        yield (whole, title_of(who), *_published(counted))
    if any(one is None for _, one in every):
        yield (f"{whole}, weighed as read", title_of(who), *_cells(every))
    large = [[one for one in of if min(true_values(one[0])) >= form.smallest] for of in mine]
    if 0 < sum(map(len, large)) < len(every):
        yield (f"{whole}, true values from {form.smallest}", title_of(who), *_published([of for of in large if of]))


def _published(rows: Sequence[_Found]) -> tuple[Cell, ...]:
    mean = published_mean([mean_gaps([one for _, one in of]) for of in rows])
    return _cells([one for of in rows for one in of], mean)


def _cells(found: _Found, mean: Gaps | None = None) -> tuple[Cell, ...]:
    """Cells of a mean over ``found``, of the plain one if none is given."""
    of = mean or mean_gaps([one for _, one in found])
    unit = "degree" if found[0][0].truth.get("kind") == "angle" else "mm"
    return (unit, of.n, patients(sample for sample, _ in found), of.absolute,
            *map(percent, (of.relative, of.success, *of.under)))  # fmt: skip


def _measurement(sample: Sample) -> str:
    """``FeTA24_distance_L-1-2``."""
    return f"{_set(sample)}_{sample.truth['kind']}_{sample.truth.get('key', sample.tags['label'])}"


def _data_set(sample: Sample) -> str:
    """``FeTA-Distance``."""
    name = _set(sample)
    return f"{_SETS.get(name, name)}-{sample.truth['kind'].capitalize()}"


def _set(sample: Sample) -> str:
    return sample.tags.get("dataset", sample.source)


_SIZES = _Form(
    title="MedVision lesion size",
    row=lambda sample: shown_label(sample.tags),
    whole=lambda _: "all labels",
    failed_rows=False,
    smallest=0.0,
    notes=("Labels of which nothing was read are left out of the published mean, and so of its SR.",),
)
_MEASUREMENTS = _Form(
    title="MedVision distances and angles",
    row=_measurement,
    whole=_data_set,
    failed_rows=True,
    smallest=NEAR_ZERO,
    notes=(
        "The published mean over all of these is not shown: it adds millimetres to degrees.",
        "MRE divides by the true value, so angles near 0 decide it. Later releases leave out true values under "
        f"{NEAR_ZERO}; where there are such, a row without them follows.",
    ),
)
